"""DARE's masks."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from polylect.merge.masks import bernoulli, drop, l1

BLOCK = 1 << 20


@pytest.mark.parametrize("density", [0.5, 0.1, 0.3, 1 / 256, 0.9999, 1e-4, 0.001])
def test_share_that_is_kept(density: float) -> None:
    """The share of kept entries is the density, within four standard deviations over four million entries."""
    kept = sum(int(bernoulli(density, BLOCK, 0, "w", 0, block).sum()) for block in range(4))
    assert abs(kept / (4 * BLOCK) - density) < 4 * math.sqrt(density * (1 - density) / (4 * BLOCK))


def test_mean_is_kept() -> None:
    """Rescaling leaves the mean of a task vector where it was, within four standard deviations."""
    rng, density, size = np.random.default_rng(0), 0.3, 4 * BLOCK
    tau = rng.standard_normal(size) + 0.5
    masks = np.concatenate([bernoulli(density, BLOCK, 1, "w", 0, block) for block in range(4)])
    deviation = math.sqrt((1 / density - 1) * float(np.square(tau).sum())) / size
    before = float(tau.mean())
    assert abs(float(drop(tau, masks, density).mean()) - before) < 4 * deviation


def test_entries_are_independent() -> None:
    """Neighbours at any small distance, and masks of different models, agree as often as chance has it."""
    first, second = (bernoulli(0.3, BLOCK, 0, "w", model, 0) for model in (0, 1))
    expected, deviation = 0.09, math.sqrt(0.09 * 0.91 / BLOCK)
    for distance in (1, 2, 7, 8, 64):
        assert abs(float((first[:-distance] & first[distance:]).mean()) - expected) < 5 * deviation
    assert abs(float((first & second).mean()) - expected) < 5 * deviation


def test_masks_depend_on_their_name_alone() -> None:
    """The order and the threads that make the blocks do not matter; another seed, tensor, model or block gives another mask."""
    blocks = list(range(12))
    in_order = [bernoulli(0.4, 5000, 7, "w", 2, block) for block in blocks]
    backwards = [bernoulli(0.4, 5000, 7, "w", 2, block) for block in reversed(blocks)][::-1]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(lambda block: bernoulli(0.4, 5000, 7, "w", 2, block), blocks))
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(in_order, backwards, threads, strict=True))
    others = [
        bernoulli(0.4, 5000, *name) for name in ((8, "w", 2, 0), (7, "v", 2, 0), (7, "w", 1, 0), (7, "w", 2, 1), (7, "w", "2", 0))
    ]
    assert len({mask.tobytes() for mask in [in_order[0], *others]}) == 6


def test_bits_stay_the_same_between_releases() -> None:
    """A merge can be repeated years later: the mask of a name is pinned."""
    digest = hashlib.sha256(np.packbits(bernoulli(0.3, 100_003, 0, "model.embed_tokens.weight", 1, 2)).tobytes()).hexdigest()
    assert digest == "0e02cad063e2e489e85a642b127466558ccbcf7ddf3c63e65b324f03f8df5f78"


def test_everything_and_nothing() -> None:
    """Density 1 keeps all and changes nothing; a block of no entries is fine."""
    tau = np.random.default_rng(0).standard_normal(1000)
    mask = bernoulli(1.0, 1000, 0, "w", 0, 0)
    assert mask.all()
    assert np.array_equal(drop(tau.copy(), mask, 1.0), tau)
    assert bernoulli(0.5, 0, 0, "w", 0, 0).size == 0


def test_rescaling_by_the_l1_norm() -> None:
    """The sums over blocks give the share of the norm that is kept, and dividing by it restores the norm; torch does the same."""
    tau = np.random.default_rng(1).standard_normal(10_001)
    mask = bernoulli(0.25, tau.size, 0, "w", 0, 0)
    kept, whole = l1(tau, mask)
    assert kept == pytest.approx(np.abs(tau[mask]).sum())
    assert whole == pytest.approx(np.abs(tau).sum())
    rescaled = drop(tau.copy(), mask, kept / whole)
    assert np.abs(rescaled).sum() == pytest.approx(whole)
    assert np.count_nonzero(rescaled) == mask.sum()
    other = torch.from_numpy(tau.copy())
    assert l1(other, torch.from_numpy(mask)) == pytest.approx((kept, whole))
    assert np.array_equal(drop(other, torch.from_numpy(mask), kept / whole).numpy(), rescaled)
