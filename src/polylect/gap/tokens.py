"""What each language costs with a tokenizer: premium, words split, bytes, price, context; several tokenizers side by side."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError, ModelError
from polylect.gap.allocation import allocation
from polylect.gap.corpus import UDHR, Corpus, load
from polylect.gap.counting import Counts, Text, count_all, prepare
from polylect.gap.document import make_document
from polylect.gap.groups import GROUPS, by_group, by_speakers
from polylect.gap.premiums import premiums, ratio
from polylect.gap.tags import canonical_tag, known_facts
from polylect.gap.tokenizers import Tokenizer, open_tokenizer

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["COLUMNS", "gap_tokenizer"]

COLUMNS = (
    "tokenizer", "language", "script", "premium", "low", "high", "byte_premium", "fertility", "continued", "byte_fallback",
    "characters_per_token", "articles", "notes",
)  # fmt: skip
"""Columns of every row that other programs may rely on; more follow them."""

_LOST = 0.001
"""Share of characters lost from which on a row says so."""
_VOID = 0.1
"""Share of characters lost from which on the tokens left say nothing of the cost."""
_NOTES = (
    "premium: tokens over those of the reference on the same items, with a 95 % bootstrap interval over items; byte_premium: the "
    "same ratio in bytes of UTF-8. Texts are in Unicode normal form C; nfd: tokens in normal form D over "
    "these, on every third item.",
    "fertility: tokens per word; continued: share of words of more than one token; whole_words: share of word types of one "
    "token. They are empty where the script puts no spaces between words.",
    "byte_fallback: share of tokens that are bytes or broken characters. context_left: window of the model over the premium. "
    "cost: of 1,000 words of the reference, said in this language.",
    "Speakers, family and resource class are those of `polylect languages`; a language that is not in that table has none.",
)


def gap_tokenizer(
    tokenizers: Sequence[str | Path],
    corpus: str | Path = UDHR,
    languages: Iterable[str] | None = None,
    *,
    reference: str = "en",
    price: Sequence[float] = (),
    window: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure tokenizers on parallel text.

    Args:
        tokenizers: names, folders or files, as `open_tokenizer` takes them.
        corpus: "udhr" or a table with item, language, text.
        languages: tags of the languages wanted; None for all.
        reference: the language that costs 1.
        price: price of a million tokens: one for all tokenizers or one each; without it there is no cost.
        window: context in tokens, for tokenizers whose folder does not say.
        seed: of the bootstrap.
        progress: called with (tokenizer, languages done, languages in all).

    Returns:
        A document of kind "tokenizer" (`polylect.gap.document`); see docs/gap-tokenizer.md for its fields.

    Raises:
        DataError: the corpus cannot be used, or prices do not fit.
        LanguageError: a tag is not BCP-47.
        ModelError: a tokenizer is missing or unreadable, two have one name, or one cannot write the reference.
    """
    prices = _prices(price, len(tokenizers))
    base = canonical_tag(reference)
    parallel = load(corpus, languages, reference)
    texts = [prepare(version) for version in parallel.versions.values()]
    rows: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    for name, one_price in zip(tokenizers, prices, strict=True):
        tokenizer = open_tokenizer(name)
        if any(fact["name"] == tokenizer.name for fact in facts):
            raise ModelError(f"{name}: {tokenizer.name!r} is the name of another tokenizer here. Tell them apart: NAME={name}")
        measured, fact = _measure(tokenizer, texts, base, window, one_price, seed, progress)
        rows += [{column: _rounded(value) for column, value in row.items()} for row in measured]
        facts.append(fact)
    summary = {"reference": base, "seed": seed, "corpus": _corpus_facts(parallel), "tokenizers": facts}
    return make_document("tokenizer", rows, summary, [*_NOTES, *parallel.notes])


def _prices(price: Sequence[float], tokenizers: int) -> list[float | None]:
    if not tokenizers:
        raise DataError("no tokenizer to measure: name at least one.")
    if len(price) not in {0, 1, tokenizers}:
        raise DataError(f"{len(price)} prices for {tokenizers} tokenizers: give one for all, or one for each in their order.")
    return [None] * tokenizers if not price else [float(one) for one in (price if len(price) > 1 else [price[0]] * tokenizers)]


def _measure(
    tokenizer: Tokenizer, texts: Sequence[Text], reference: str, window: int | None, price: float | None, seed: int,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    """Return the rows of one tokenizer, and what the summary says of it."""
    counts: dict[str, Counts | str] = {}
    for text, found in zip(texts, count_all(texts, tokenizer), strict=True):
        counts[text.version.language] = found
        if progress is not None:
            progress(tokenizer.name, len(counts), len(texts))
    base, base_text = counts[reference], next(text for text in texts if text.version.language == reference)
    if isinstance(base, str):
        raise ModelError(f"{reference!r} is the reference. {base}")
    tokens = {
        text.version.language: (text.items, found.tokens)
        for text in texts
        if not isinstance(found := counts[text.version.language], str)
    }
    estimates = premiums(tokens, reference, seed)
    context = tokenizer.window or window
    reference_fertility = int(base.tokens.sum()) / len(base_text.words.starts) if base_text.words is not None else None
    # What a million tokens cost, for the tokens of 1,000 words of the reference.
    unit = None if price is None or reference_fertility is None else price * reference_fertility / 1000
    rows = []
    for text in texts:
        found = counts[text.version.language]
        row = _blank(text, base_text, tokenizer.name)
        if isinstance(found, str):
            row["notes"] = "; ".join([*text.version.notes, "cannot be written: the tokenizer has no unknown token"])
        else:
            row |= _row(text, found, estimates[text.version.language], base, context, unit)
        rows.append(row)
    return rows, _facts(tokenizer, rows, reference, context, price, int(base.tokens.sum()), reference_fertility)


def _blank(text: Text, base: Text, tokenizer: str) -> dict[str, Any]:
    """Return a row with what does not depend on the tokenizer, all other columns empty."""
    version = text.version
    sizes, base_sizes = (dict(zip(one.items, one.sizes.tolist(), strict=True)) for one in (text, base))
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "tokenizer": tokenizer,
        "language": version.language,
        "script": version.script,
        "byte_premium": ratio(sizes, base_sizes),
    }
    further = ("cost", "context_left", "whole_words", "nfd", "unknown", "lost", "tokens", "tokens_used", "tokens_shared")
    return row | dict.fromkeys(further) | {
        "articles": len(sizes.keys() & base_sizes.keys()),
        "name": version.name,
        **known_facts(version.language, "family", "resource_class", "speakers"),
    }  # fmt: skip


def _row(text: Text, found: Counts, premium: Estimate, base: Counts, window: int | None, unit: float | None) -> dict[str, Any]:
    import numpy as np

    from polylect.resampling import Estimate

    total, characters = int(found.tokens.sum()), text.characters
    words = None if text.words is None or not len(text.words.starts) else text.words
    notes = list(text.version.notes)
    lost = max(found.lost or 0, characters if not total else 0) / characters
    if lost > _LOST:
        effect = "no premium is given" if lost > _VOID else "the premium is too low"
        notes.append(f"{lost:.1%} of the characters are dropped or unknown to the tokenizer: {effect}")
    if lost > _VOID:
        premium = Estimate(None, None, None)
    return {
        "premium": premium.value,
        "low": premium.low,
        "high": premium.high,
        "fertility": total / len(words.starts) if words else None,
        "continued": found.split / len(words.starts) if words and found.split is not None else None,
        "byte_fallback": found.fallback / total if total else None,
        "characters_per_token": characters / total if total else None,
        "notes": "; ".join(notes),
        "cost": None if unit is None or premium.value is None else unit * premium.value,
        "context_left": int(window / premium.value) if window and premium.value else None,
        "whole_words": found.whole_types / len(words.first) if words and found.whole_types is not None else None,
        "nfd": found.nfd if total else None,
        "unknown": found.unknown / total if total else None,
        "lost": None if found.lost is None else found.lost / characters,
        "tokens": total,
        "tokens_used": len(found.used),
        "tokens_shared": float(np.isin(found.used, base.used).mean()) if len(found.used) else None,
    }


def _facts(
    tokenizer: Tokenizer, rows: Sequence[Mapping[str, Any]], reference: str, window: int | None, price: float | None,
    reference_tokens: int, reference_fertility: float | None,
) -> dict[str, Any]:  # fmt: skip
    vocabulary = tokenizer.vocabulary()
    measured = [row["premium"] for row in rows if row["premium"] is not None and row["language"] != reference]
    return {
        "name": tokenizer.name,
        "kind": tokenizer.kind,
        "fingerprint": tokenizer.fingerprint,
        "window": window,
        "price": price,
        "reference_tokens": reference_tokens,
        "reference_fertility": reference_fertility,
        "languages": len(rows),
        "not_measured": [row["language"] for row in rows if row["premium"] is None],
        "median_premium": statistics.median(measured) if measured else None,
        "vocabulary": {"size": len(vocabulary), "scripts": allocation(vocabulary, tokenizer.fallback_ids)},
        "groups": {column: by_group(rows, column) for column in GROUPS},
        "speakers": by_speakers(rows, reference),
        "notes": list(tokenizer.notes),
    }


def _rounded(value: Any) -> Any:
    """Keep six digits: more would claim what no measurement of thirty articles has."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _corpus_facts(corpus: Corpus) -> dict[str, Any]:
    return {"name": corpus.name, "source": corpus.source, "languages": len(corpus.versions), "texts": corpus.rows}
