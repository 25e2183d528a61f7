"""What each language costs: premiums, words, bytes, prices, groups, measured with real tokenizers and with tiny ones."""

from __future__ import annotations

import json
import math
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers

from polylect.errors import DataError, LanguageError, ModelError
from polylect.gap import gap_tokenizer, read_document, write_document
from polylect.gap.allocation import allocation
from polylect.gap.corpus import Version, load
from polylect.gap.counting import prepare
from polylect.gap.document import make_document
from polylect.gap.groups import by_group, by_speakers
from polylect.gap.premiums import premiums, ratio
from polylect.gap.tokens import COLUMNS

# Premiums of Gemma 3 on the declaration's articles, measured with another program.
GEMMA = {
    "zh-Hans": 0.97, "pt": 1.19, "ja": 1.22, "es": 1.24, "ar": 1.30, "it": 1.31, "de": 1.32, "hi": 1.35, "ru": 1.36, "fr": 1.37,
    "id": 1.38, "fa": 1.44, "vi": 1.45, "tr": 1.47, "pl": 1.56, "nl": 1.58, "sw": 1.63, "uk": 1.65, "cs": 1.66, "ro": 1.70,
    "he": 1.71,
    "el": 2.26, "km": 2.47, "my": 3.25, "yo": 3.60, "bo": 4.41,
}  # fmt: skip


@cache
def gemma() -> dict[str, Any]:
    """Return the document of Gemma 3 for the languages above and Nuosu, at 2.5 for a million tokens."""
    return gap_tokenizer(["gemma-3-270m"], languages=[*GEMMA, "ii"], price=[2.5])


def rows_of(document: dict[str, Any], tokenizer: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the rows by language."""
    return {row["language"]: row for row in document["rows"] if tokenizer in {None, row["tokenizer"]}}


def table(path: Path, **texts: list[str]) -> Path:
    """Write a parallel table: language -> texts of the items 0, 1, ..."""
    rows = [
        {"item": str(item), "language": tag.replace("_", "-"), "text": text}
        for tag, all_ in texts.items()
        for item, text in enumerate(all_)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def save(folder: Path, backend: Backend) -> Path:
    """Save a tokenizer alone in a folder."""
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    return folder


def characters(alphabet: str, **settings: Any) -> Backend:
    """Return a tokenizer with one token per character of an alphabet; others are dropped."""
    backend = Backend(models.BPE({character: n for n, character in enumerate(alphabet)}, [], **settings))
    backend.decoder = decoders.BPEDecoder()
    return backend


def test_gemma_costs_what_is_known() -> None:
    """The premiums of Gemma 3 are reproduced within 0.02 for every known language; English has 1,510 tokens."""
    rows = rows_of(gemma())
    assert {tag: round(rows[tag]["premium"], 2) for tag in GEMMA} == pytest.approx(GEMMA, abs=0.02)
    assert (rows["en"]["tokens"], rows["en"]["articles"]) == (1510, 30)
    for row in rows.values():
        assert row["low"] <= row["premium"] <= row["high"]
    assert 0.05 < rows["tr"]["high"] - rows["tr"]["low"] < 0.4


def test_rows_have_the_columns_that_others_read_first() -> None:
    """The agreed columns come first, in order; none is missing; all is JSON."""
    document = gemma()
    for row in document["rows"]:
        assert tuple(row)[: len(COLUMNS)] == COLUMNS
    assert (document["schema"], document["kind"]) == ("polylect.gap/1", "tokenizer")
    assert json.loads(json.dumps(document)) == document


def test_words_are_counted_where_there_are_words() -> None:
    """Turkish splits more words than English; languages written without spaces have neither fertility nor words."""
    rows = rows_of(gemma())
    assert rows["en"]["fertility"] == pytest.approx(1.11, abs=0.02)
    assert rows["en"]["continued"] < 0.01 < 0.5 < rows["tr"]["continued"]
    assert rows["en"]["whole_words"] > 0.95
    for tag in ("zh-Hans", "ja", "km", "my", "bo", "ii"):
        assert rows[tag]["fertility"] is rows[tag]["continued"] is rows[tag]["whole_words"] is None


def test_bytes_and_normal_forms() -> None:
    """Nuosu falls back to bytes, English never; decomposed Vietnamese costs more than twice as much; bytes are counted beside."""
    rows = rows_of(gemma())
    assert rows["ii"]["byte_fallback"] > 0.9
    assert rows["en"]["byte_fallback"] == 0
    assert rows["vi"]["nfd"] > 2
    assert rows["en"]["nfd"] == 1
    texts = load(languages=["hi"]).versions
    size = {tag: sum(len(text.encode()) for text in version.texts.values()) for tag, version in texts.items()}
    assert rows["hi"]["byte_premium"] == pytest.approx(size["hi"] / size["en"], rel=1e-4)


def test_price_and_context() -> None:
    """1,000 English words cost their tokens at the price, more by the premium elsewhere; the window shrinks by it."""
    document = gemma()
    rows, fact = rows_of(document), document["summary"]["tokenizers"][0]
    assert rows["en"]["cost"] == pytest.approx(1000 * fact["reference_fertility"] * 2.5 / 1e6, rel=1e-4)
    assert rows["my"]["cost"] == pytest.approx(rows["en"]["cost"] * rows["my"]["premium"], rel=1e-4)
    assert rows["my"]["context_left"] == pytest.approx(32768 / rows["my"]["premium"], abs=1)


def test_vocabulary_is_shared_out_between_scripts() -> None:
    """All ids of Gemma are counted once; most are Latin; 256 are bytes."""
    vocabulary = gemma()["summary"]["tokenizers"][0]["vocabulary"]
    assert sum(vocabulary["scripts"].values()) == vocabulary["size"] == 262144
    assert vocabulary["scripts"]["fragments"] == 256
    assert vocabulary["scripts"]["Latn"] > 150_000
    made = allocation(
        [b"", "жa".encode(), b" 12", "\u0e01".encode(), b"\xe0", b"<b>", b" "], np.array([False] * 4 + [True] + [False] * 2)
    )
    assert made == {"symbols": 2, "Cyrl": 1, "Latn": 1, "Thai": 1, "fragments": 1, "special": 1}


def test_several_tokenizers_stand_side_by_side() -> None:
    """Each tokenizer has all languages and a price of its own; what does not depend on it is the same."""
    document = gap_tokenizer(["smollm2-135m-instruct", "dear=smollm2-135m-instruct"], languages=["tr", "my"], price=[1, 2])
    first, second = rows_of(document, "smollm2-135m-instruct"), rows_of(document, "dear")
    assert set(first) == set(second) == {"en", "tr", "my"}
    assert second["my"]["premium"] == first["my"]["premium"] > 20 > 4 > rows_of(gemma())["my"]["premium"]
    assert first["my"]["byte_premium"] == rows_of(gemma())["my"]["byte_premium"]
    assert second["en"]["cost"] == pytest.approx(2 * first["en"]["cost"], rel=1e-5)


def test_a_known_answer(tmp_path: Path) -> None:
    """With one token per character a premium is a ratio of characters, on the items that both languages have."""
    path = table(tmp_path / "t.jsonl", en=["abab", "ab", "a"], fr=["ababab", "ab"], de=["abababab", "abab", "ab"])
    rows = rows_of(gap_tokenizer([save(tmp_path / "c", characters("ab"))], path))
    assert rows["fr"]["premium"] == pytest.approx(8 / 6, rel=1e-5)
    assert (rows["fr"]["articles"], rows["fr"]["tokens"]) == (2, 8)
    assert rows["fr"]["notes"] == "1 of 3 items are missing or of odd length"
    assert rows["de"]["premium"] == 2
    assert rows["de"]["fertility"] == pytest.approx(14 / 3, rel=1e-5)
    assert (rows["de"]["continued"], rows["de"]["whole_words"], rows["en"]["whole_words"]) == (
        1,
        0,
        pytest.approx(1 / 3, rel=1e-5),
    )


def test_interval_over_items(tmp_path: Path) -> None:
    """One item has no interval; the reference costs 1 exactly; the same seed gives the same interval."""
    one = rows_of(gap_tokenizer([save(tmp_path / "c", characters("ab"))], table(tmp_path / "1.jsonl", en=["ab"], fr=["abab"])))
    assert (one["fr"]["premium"], one["fr"]["low"], one["fr"]["high"]) == (2, None, None)
    tokens = {
        "en": (list("pqrs"), np.array([4, 6, 5, 9])),
        "fr": (list("pqrs"), np.array([5, 9, 6, 9])),
        "de": (["x"], np.array([1])),
    }
    found = premiums(tokens, "en")
    assert found["en"] == (1, 1, 1)
    assert found["de"] == (None, None, None)
    assert found["fr"].value == pytest.approx(29 / 24)
    assert found["fr"].low < 29 / 24 < found["fr"].high
    assert found == premiums(tokens, "en")
    assert ratio({"p": 3, "x": 9}, {"p": 2, "q": 1}) == 1.5
    assert ratio({"x": 9}, {"p": 2}) is None


def test_interval_covers_as_it_says() -> None:
    """Of intervals of languages whose true premium is 1.5 about 95 % hold it (300 made languages, 30 items)."""
    generator = np.random.default_rng(7)
    base = generator.integers(20, 120, size=30)
    items = [str(n) for n in range(30)]
    noisy = {f"l{n}": (items, np.round(base * 1.5 * generator.lognormal(-0.02, 0.2, 30)).astype(np.int64)) for n in range(300)}
    found = premiums({"en": (items, base), **noisy}, "en")
    covered = sum(found[tag].low <= 1.5 <= found[tag].high for tag in noisy) / len(noisy)
    assert 0.9 <= covered <= 0.99


def test_dropped_characters_make_no_bargain(tmp_path: Path) -> None:
    """Without unknown token or bytes a tokenizer drops what it does not have: a little is noted, much leaves no premium."""
    path = table(tmp_path / "t.jsonl", en=["abab" * 10], fr=["abab" * 10 + "ж"], ru=["abжжжж"])
    rows = rows_of(document := gap_tokenizer([save(tmp_path / "c", characters("ab"))], path))
    assert rows["fr"]["premium"] == 1
    assert "2.4% of the characters are dropped or unknown to the tokenizer: the premium is too low" in rows["fr"]["notes"]
    assert rows["ru"]["premium"] is None
    assert "66.7% of the characters are dropped" in rows["ru"]["notes"]
    assert document["summary"]["tokenizers"][0]["not_measured"] == ["ru"]


def test_unknown_tokens_make_no_bargain(tmp_path: Path) -> None:
    """A word that becomes one unknown token is not cheap: what it stood for is lost."""
    backend = characters("ab?", unk_token="?", fuse_unk=True)  # noqa: S106
    rows = rows_of(gap_tokenizer([save(tmp_path / "c", backend)], table(tmp_path / "t.jsonl", en=["abab"], ru=["жжжж"])))
    assert rows["ru"]["unknown"] == 1
    assert (rows["ru"]["premium"], rows["ru"]["lost"]) == (None, 1)


def test_a_language_that_cannot_be_written_is_left_blank(tmp_path: Path) -> None:
    """Where the library fails for want of an unknown token the row is blank with the reason; for the reference it is an error."""
    backend = Backend(models.WordLevel({"yes": 0, "no": 1}, unk_token="[UNK]"))  # noqa: S106
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    folder, path = save(tmp_path / "w", backend), table(tmp_path / "t.jsonl", en=["yes no"], fr=["oui"], de=["no"])
    document = gap_tokenizer([folder], path)
    row = rows_of(document)["fr"]
    assert (row["premium"], row["notes"], row["byte_premium"]) == (
        None,
        "cannot be written: the tokenizer has no unknown token",
        0.5,
    )
    assert document["summary"]["tokenizers"][0]["not_measured"] == ["fr"]
    with pytest.raises(ModelError, match="'fr' is the reference"):
        gap_tokenizer([folder], path, reference="fr")


def test_a_normalizer_does_not_move_words(tmp_path: Path) -> None:
    """Positions are those of the text before a tokenizer's own lower-casing: words are counted right."""
    backend = Backend(models.WordPiece({"[UNK]": 0, "ever": 1, "##y": 2, "one": 3}, unk_token="[UNK]"))  # noqa: S106
    backend.normalizer, backend.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    row = rows_of(gap_tokenizer([save(tmp_path / "w", backend)], table(tmp_path / "t.jsonl", en=["EVERY ONE", "One every"])))[
        "en"
    ]
    assert (row["fertility"], row["continued"], row["whole_words"]) == (1.5, 0.5, 0.5)


def test_texts_are_prepared_once() -> None:
    """Items are laid out with their positions; a text that is its own decomposition is not encoded twice."""
    text = prepare(Version("tr", "Turkish", "Latn", {"1": "öl", "2": "at ö"}))
    assert (text.base.tolist(), text.sizes.tolist(), text.characters) == ([0, 3], [3, 5], 6)
    assert text.decomposed == {0: unicodedata.normalize("NFD", "öl")}
    assert text.visible.tolist() == [True, True, False, True, True, False, True]
    assert text.words is not None
    assert text.words.starts.tolist() == [0, 3, 6]
    assert prepare(Version("en", "English", "Latn", {"1": "ab"})).decomposed == {}


def test_groups_and_speakers() -> None:
    """Groups have the median of their languages; people are weighed; unknown speakers count in groups alone."""
    rows = [
        {"language": "en", "premium": 1.0, "family": "A", "speakers": 100},
        {"language": "x", "premium": 2.0, "family": "B", "speakers": 50},
        {"language": "y", "premium": 4.0, "family": "B", "speakers": 50},
        {"language": "z", "premium": 9.0, "family": None, "speakers": None},
        {"language": "q", "premium": None, "family": "B", "speakers": 70},
    ]
    groups = by_group(rows, "family")
    assert [(entry["group"], entry["premium"], entry["languages"]) for entry in groups] == [
        ("B", 3, 2),
        ("A", 1, 1),
        (None, 9, 1),
    ]
    people = by_speakers(rows, "en")
    assert (people["premium"], people["premium_without_reference"], people["speakers"]) == (2, 3, 200)
    assert people["share_at_least"] == {"1.5": 0.5, "2": 0.5, "3": 0.25, "5": 0}
    assert by_speakers([], "en")["premium"] is None


@pytest.mark.parametrize(
    ("tokenizers", "given", "kind", "message"),
    [
        ([], {}, DataError, "no tokenizer"),
        (["smollm2-135m-instruct"], {"price": [1, 2]}, DataError, "2 prices for 1 tokenizers"),
        (["smollm2-135m-instruct"] * 2, {"languages": ["tr"]}, ModelError, "is the name of another tokenizer"),
        (["smollm2-135m-instruct"], {"languages": ["Turkish"]}, LanguageError, "write 'tr'"),
        (["smollm2-135m-instruct"], {"languages": ["ckb"]}, DataError, "no text in 'ckb'"),
        (["smollm2-135m-instruct"], {"reference": "english"}, LanguageError, "write 'en'"),
    ],
)
def test_what_cannot_be_measured_says_why(
    tokenizers: list[str], given: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """No tokenizer, prices that do not fit, repeated names, unknown languages: each names what to do."""
    with pytest.raises(kind, match=message):
        gap_tokenizer(tokenizers, **given)


def test_documents_are_written_and_read(tmp_path: Path) -> None:
    """A document comes back as it was; one of another kind, schema or no JSON is refused."""
    document = gemma()
    whole, rows = write_document(document, tmp_path / "new" / "gap")
    assert read_document(whole.parent, "tokenizer") == document
    lines = rows.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(",".join(COLUMNS))
    assert len(lines) == 1 + len(document["rows"])
    assert all(math.isfinite(row["premium"]) for row in document["rows"])
    with pytest.raises(DataError, match="expected one of `polylect gap coverage`"):
        read_document(whole, "coverage")
    whole.write_text(json.dumps({**make_document("survey", [], {}, []), "schema": "polylect.gap/9"}))
    with pytest.raises(DataError, match=r"schema 'polylect\.gap/9'"):
        read_document(whole)
    with pytest.raises(DataError, match=r"gap\.json: not there\. Name the output folder of a finished `polylect gap`"):
        read_document(tmp_path)
    whole.write_text("{")
    with pytest.raises(DataError, match="cannot be read as a document of `polylect gap`"):
        read_document(whole)
