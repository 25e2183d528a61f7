"""Duplicates within a language, items joined across languages, and nothing that depends on the order of the rows."""

import itertools
import random
from dataclasses import dataclass

import numpy as np
import pytest

from polylect.arbitrage.dedup import Deduplicator
from polylect.arbitrage.embeddings import mean_pooling
from polylect.arbitrage.minhash import band_hashes, candidate_pairs, jaccard, shingle_sets
from polylect.arbitrage.union import Union
from polylect.errors import DataError, ModelError


@dataclass(frozen=True)
class Row:
    """A row with what the deduplicator looks at."""

    id: str
    item: str
    language: str
    text: str


BASE = "Which of the many old bridges over the river is the longest one that is still in use today"
ROWS = [
    Row("a", "i1", "en", f"{BASE}?"),
    Row("b", "i2", "en", f"  {BASE.upper()}?"),
    Row("c", "i3", "en", f"{BASE}!"),
    Row("d", "i4", "de", f"{BASE}?"),
    Row("e", "i5", "en", "How do I bake bread without yeast in a small oven?"),
    Row("f", "i6", "en", "What is 12 + 5, and what is half of it, if you please, my dear friend?"),
    Row("g", "i7", "en", "What is 12 + 6, and what is half of it, if you please, my dear friend?"),
    Row("h", "i8", "zh-Hans", "请用三句话介绍一下北京的历史和文化"),
    Row("j", "i9", "zh-Hans", "请用三句话介绍一下北京的历史与文化"),
]


def find(rows, size=3, **settings):
    """Deduplicate rows in windows."""
    return Deduplicator(**settings).find(lambda: (rows[start : start + size] for start in range(0, len(rows), size)))


def test_exact_and_near_duplicates_of_one_language():
    """Case, space and one mark make no other text; another language does, and so do other numbers."""
    found = find(ROWS)
    assert {one.id: (one.of, one.kind) for one in found.repeats.values()} == {"b": ("a", "exact"), "c": ("a", "near")}
    assert 0.8 <= found.repeats["c"].similarity < 1
    assert found.counts == {("en", "exact"): 1, ("en", "near"): 1}
    assert found.rows == len(ROWS)


def test_items_of_repeats_go_to_one_split():
    """Rows that repeat each other take their items, and so all translations of them, into one group."""
    found = find(ROWS)
    assert found.groups == {"i1": "i1", "i2": "i1", "i3": "i1"}
    assert (found.group("i3"), found.group("i5")) == ("i1", "i5")


def test_numbers_can_be_let_alone():
    """Without the rule for numbers, questions that differ in one digit are near duplicates."""
    assert find(ROWS, numbers=False).repeats["g"].of == "f"


def test_shorter_shingles_for_han():
    """One changed character of seventeen leaves a Chinese text alike at 0.7, which it would not with n-grams of five."""
    assert find(ROWS, threshold=0.7).repeats["j"].of == "h"
    one, other = shingle_sets([ROWS[7].text, ROWS[8].text], 5)
    assert jaccard(one, other) < 0.7


def test_order_and_windows_change_nothing():
    """Any order of the rows, in windows of any size, gives the same repeats and groups."""
    expected = find(ROWS, threshold=0.7)
    rng = random.Random(1)  # noqa: S311
    for size in (1, 2, 5, 100):
        rows = rng.sample(ROWS, len(ROWS))
        found = find(rows, size, threshold=0.7)
        assert (found.repeats, found.groups, found.counts) == (expected.repeats, expected.groups, expected.counts)


def test_a_chain_does_not_remove_what_stays_unlike():
    """Of texts that change step by step, one that is like no text that stays, stays."""
    words = [f"word{number:02}x" for number in range(40)]
    steps = [
        [*words[:start], *(f"other{number:02}y" for number in range(start, start + 2)), *words[start + 2 :]] for start in (0, 20)
    ]
    middle, first, last = words, *steps
    rows = [Row(name, name, "en", " ".join(text)) for name, text in zip("abc", (first, middle, last), strict=True)]
    found = find(rows, threshold=0.85, numbers=False)
    assert set(found.repeats) == {"b"}
    sets = shingle_sets([row.text for row in rows], 5)
    assert [jaccard(sets[1], other) >= 0.85 for other in (sets[0], sets[2])] == [True, True]
    assert jaccard(sets[0], sets[2]) < 0.85


def test_recall_on_planted_copies_and_exact_similarity():
    """Every planted copy with Jaccard similarity of 0.8 or more is found, and nothing below is removed."""
    rng = random.Random(3)  # noqa: S311
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(3000)]
    rows, planted = [], []
    for number in range(1500):
        text = rng.choices(words, k=12)
        rows.append(Row(f"{number:05}", str(number), "en", " ".join(text)))
        if number % 3 == 0:
            for place in rng.sample(range(12), rng.randint(0, 2)):
                text[place] = rng.choice(words)
            rows.append(Row(f"{number:05}-copy", f"{number}c", "en", " ".join(text)))
            planted.append((rows[-2], rows[-1]))
    found = find(rows, 400)
    near = {other.id: one.id for one, other in planted if jaccard(*shingle_sets([one.text, other.text], 5)) >= 0.8}
    assert 100 < len(near) < len(planted)
    hits = {name: one.of for name, one in found.repeats.items()}
    assert len(near.items() & hits.items()) >= 0.99 * len(near)
    assert set(hits) <= set(near)


def test_large_groups_are_not_compared_in_all_pairs():
    """A thousand texts of one band cost some thousands of pairs, and every text has a partner."""
    bands = np.zeros((1000, 2), np.uint32)
    pairs = candidate_pairs(bands, np.arange(1000))
    assert len(pairs) < 40_000
    assert set(pairs[:, 1].tolist()) == set(range(1, 1000))


@pytest.mark.parametrize("text", ["", "a", "\ud800", "🙂🙂🙂"])
def test_odd_texts_have_signatures(text):
    """Empty, short, broken and astral texts go through and equal themselves."""
    rows = [Row("1", "1", "en", text), Row("2", "2", "en", text), Row("3", "3", "en", "something else altogether")]
    assert find(rows).repeats["2"].of == "1"
    assert band_hashes([], 5, np.empty(0, np.uint32)).shape == (0, 20)


def test_empty_table_has_no_duplicates():
    """No rows, no repeats."""
    assert find([]).repeats == {}


def test_encoder_joins_items_across_languages():
    """Texts of different languages with like vectors have their items joined; none is removed; one language is left alone."""
    vectors = {"a": [1, 0, 0], "d": [0.99, 0.1, 0], "e": [0, 1, 0], "f": [0, 0.999, 0.01], "h": [0, 0, 1]}
    rows = [Row(row.id, row.item, row.language, f"{row.text} {row.id}") for row in ROWS if row.id in vectors]

    def encoder(texts):
        return np.array([vectors[text[-1]] for text in texts])

    found = find(rows, 2, encoder=encoder, meaning=0.95)
    assert found.groups == {"i1": "i1", "i4": "i1"}
    assert found.repeats == {}


def test_encoder_of_wrong_shape_is_named():
    """An encoder that loses a text is an error that says so."""
    with pytest.raises(DataError, match=r"shape \(1, 4\) for 3 texts"):
        find(ROWS, encoder=lambda texts: np.ones((1, 4)))


def test_bad_settings_and_repeated_ids_are_errors():
    """A threshold of 0 and an id given twice are the user's mistakes."""
    with pytest.raises(DataError, match="threshold is 0"):
        Deduplicator(threshold=0)
    with pytest.raises(DataError, match="'a' occurs twice"):
        find([ROWS[0], ROWS[0]])


def test_groups_of_a_union_do_not_depend_on_the_order():
    """However names are joined, a group is called after its smallest name."""
    joins = [("c", "b"), ("e", "d"), ("b", "a"), ("x", "x")]
    results = []
    for order in itertools.permutations(joins):
        union = Union()
        for one, other in order:
            union.join(one, other)
        results.append(union.groups())
    assert all(result == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d"} for result in results)


def test_mean_pooling_ignores_padding(tmp_path):
    """A text has the same vector alone and beside a longer one, and the vectors come in the order of the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "one", "two", "three", "four"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=words[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=words[0], unk_token=words[1]).save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path)
    encode = mean_pooling(str(tmp_path))
    together = encode(["one two three four", "two"])
    assert together.shape == (2, 16)
    np.testing.assert_allclose(together[1], encode(["two"])[0], atol=1e-5)
    with pytest.raises(ModelError, match="cannot be loaded as an encoder"):
        mean_pooling(str(tmp_path / "nothing"))
