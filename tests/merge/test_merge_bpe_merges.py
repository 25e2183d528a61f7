"""Merge lists of BPE tokenizers united: every order kept, the first list least disturbed, open orders counted."""

import numpy as np
import pytest

from polylect.merge import bpe_merges


@pytest.mark.parametrize("seed", range(25))
def test_united_merges_keep_every_order(seed):
    """For random parts of a random list: all merges once, each part in order, the list's own order with it as reference."""
    rng = np.random.default_rng(seed)
    whole = rng.permutation(400)[: rng.integers(1, 200)]
    lists = [whole[rng.random(len(whole)) < rng.random()] for _ in range(rng.integers(1, 6))]
    united = bpe_merges.united(lists)
    assert united.order == "lists"
    assert sorted(united.merges) == sorted(set().union(*map(set, lists)))
    for merges in lists:
        assert np.array_equal(united.merges[np.isin(united.merges, merges)], merges)
    settled = bpe_merges.united(lists, whole)
    assert settled.order == "reference"
    assert np.array_equal(settled.merges, whole[np.isin(whole, united.merges)])


def test_first_list_is_interrupted_only_where_it_must_be():
    """A merge of a later list stands before one of the first only with a shared merge between them."""
    a, b = np.array([1, 2, 50, 3, 60, 4]), np.array([7, 50, 8, 9, 60])
    assert bpe_merges.united([a, b]).merges.tolist() == [1, 2, 7, 50, 3, 8, 9, 60, 4]
    assert bpe_merges.united([b, a]).merges.tolist() == [7, 1, 2, 50, 8, 9, 3, 60, 4]
    assert bpe_merges.united([a, b, np.array([60, 50])]).order == "contrary"


def merge(left, right):
    """Return the code of a merge of two ids."""
    return left << 32 | right


def test_open_orders_are_counted_only_where_merges_compete():
    """A pair counts when one merge ends with the symbol that the other starts with and no shared merge parts them."""
    shared = merge(90, 91)
    one, two = np.array([merge(1, 2), shared, merge(3, 4)]), np.array([merge(2, 5), merge(6, 1), shared, merge(2, 9)])
    assert bpe_merges.united([one, two]).unsettled == 2
    assert bpe_merges.united([one, two], np.concatenate([two[:2], one, two[3:]])).unsettled == 0
    assert bpe_merges.united([one, one[::2], one]).unsettled == 0
