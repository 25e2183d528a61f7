"""Exact top-k selection over blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from polylect.merge import selection
from polylect.merge.selection import BLOCK, Cutoff, cutoffs, keep

Vector = NDArray[np.float64]


def reference(tau: Vector, k: int) -> Vector:
    """Return the k entries of largest magnitude, of equal ones the first, by a stable sort."""
    places = np.argsort(-np.abs(tau), kind="stable")[:k]
    result = np.zeros_like(tau)
    result[places] = tau[places]
    return result


class Blocks:
    """The task vectors of a tensor in blocks; counts how often they are read."""

    def __init__(self, taus: Sequence[Vector], block: int, threads: int = 1) -> None:
        self.parts = [[tau[start : start + block] for tau in taus] for start in range(0, taus[0].size, block)]
        self.threads = threads
        self.reads = 0

    def scan(self, function: Callable[[list[Any]], Any]) -> list[Any]:
        """Apply a function to every block."""
        self.reads += 1
        if self.threads == 1:
            return [function(taus) for taus in self.parts]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, self.parts))

    def heads(self, function: Callable[[list[Any]], Any]) -> list[Any]:
        """Apply a function to the first sixteenth of every block."""
        return [function([tau[: -(-len(tau) // 16)] for tau in taus]) for taus in self.parts]


def kept(tau: Vector, cutoff: Cutoff, block: int) -> Vector:
    """Return what is left of a task vector, block by block."""
    parts = [keep(tau[start : start + block].copy(), cutoff, number) for number, start in enumerate(range(0, tau.size, block))]
    return np.concatenate(parts)


def check(taus: Sequence[Vector], sizes: Sequence[int], block: int, **options: Any) -> int:
    """Compare with the reference; return how often the data were read."""
    blocks = Blocks(taus, block, **options)
    for tau, k, cutoff in zip(taus, sizes, cutoffs(sizes, blocks.scan, taus[0].size, block), strict=True):
        assert np.array_equal(kept(tau, cutoff, block), reference(tau, k)), (tau.size, k, block, cutoff)
    return blocks.reads


KINDS: dict[str, Callable[[np.random.Generator, int], Vector]] = {
    "few values": lambda rng, n: rng.integers(-3, 4, n) * 1.0,
    "normal": lambda rng, n: rng.standard_normal(n),
    "zeros": lambda rng, n: np.zeros(n),
    "all equal": lambda rng, n: rng.choice([-2.5, 2.5], n),
    "extremes": lambda rng, n: rng.choice([0.0, -0.0, 1e-310, -1e-310, 1e300, 5e-324, -1.7e308], n),
    "half zero": lambda rng, n: rng.standard_normal(n) * rng.integers(0, 2, n),
    "rising": lambda rng, n: np.arange(n) * 1.0,
    "falling": lambda rng, n: np.exp2(-np.arange(n) * 0.5),
}


@pytest.mark.parametrize("exact", [1, 5, 1 << 21])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_small_cases_equal_a_stable_sort(kind: str, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any size, block, density and number of inputs; with a limit so low that histograms must narrow the bracket."""
    monkeypatch.setattr(selection, "EXACT", exact)
    monkeypatch.setattr(selection, "SLICE", 16)
    rng = np.random.default_rng(sorted(KINDS).index(kind))
    for _ in range(100):
        n, block = int(rng.integers(1, 150)), int(rng.choice([1, 7, 16, 50, 300]))
        monkeypatch.setattr(selection, "SHARE", int(rng.choice([1, 4, 31])))
        taus = [KINDS[kind](rng, n) for _ in range(int(rng.integers(1, 4)))]
        check(taus, [int(rng.choice([0, 1, n // 2, n - 1, n, int(rng.random() * n)])) for _ in taus], block)


@pytest.mark.parametrize("density", [0.001, 0.2, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["few values", "normal", "half zero", "all equal", "rising"])
def test_large_tensors_are_read_twice(kind: str, density: float) -> None:
    """A sample and one pass: that is all for data without malice, in one block or several."""
    rng = np.random.default_rng(1)
    n = 300_000
    taus = [KINDS[kind](rng, n) for _ in range(2)]
    assert check(taus, [int(density * n)] * 2, 1 << 16) == 2
    assert check(taus, [int(density * n)] * 2, BLOCK) == 1


def test_bfloat16_differences() -> None:
    """Task vectors of bfloat16 models take few values, and many entries equal the threshold."""
    rng = np.random.default_rng(2)
    base = torch.from_numpy(rng.standard_normal(200_000) * 0.02).bfloat16()
    tau = ((base.double() + 1e-4 * torch.randn(200_000)).bfloat16().double() - base.double()).numpy()
    for density in (0.1, 0.2, 0.5, 0.9):
        k = int(density * tau.size)
        assert check([tau], [k], 1 << 15) <= 3
        assert np.count_nonzero(np.abs(tau) == np.sort(np.abs(tau))[-k]) > 1


def test_a_sample_that_misleads_costs_passes_but_no_exactness(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the sample sees is small, or large, or one value: the result is exact after some more passes."""
    rng = np.random.default_rng(3)
    for seen in (1e-9, 1e9, 0.0, 1.0):
        tau = rng.standard_normal(100_000)
        for start in range(0, tau.size, 4096):
            tau[start : start + 4096 : 31] = seen
        for exact in (1 << 21, 1000):
            monkeypatch.setattr(selection, "EXACT", exact)
            for density in (0.1, 0.5, 0.97):
                assert check([tau], [int(density * tau.size)], 4096) <= 9


def test_a_sample_of_a_part_will_do() -> None:
    """The caller may let the first pass see the heads of the blocks alone; the other passes decide."""
    rng = np.random.default_rng(4)
    tau = rng.standard_normal(200_000) * np.linspace(0.1, 3, 200_000)
    blocks = Blocks([tau], 1 << 14)
    (cutoff,) = cutoffs([60_000], blocks.scan, tau.size, 1 << 14, sample=blocks.heads, part=16)
    assert np.array_equal(kept(tau, cutoff, 1 << 14), reference(tau, 60_000))
    assert blocks.reads <= 3


def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks scanned by four threads at a time give the cutoffs of one thread, by histograms too."""
    rng = np.random.default_rng(5)
    taus = [rng.standard_normal(100_000) for _ in range(3)]
    for exact in (1 << 21, 100):
        monkeypatch.setattr(selection, "EXACT", exact)
        one = cutoffs([30_000] * 3, Blocks(taus, 1000).scan, 100_000, 1000)
        assert cutoffs([30_000] * 3, Blocks(taus, 1000, threads=4).scan, 100_000, 1000) == one


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the data lie, no pass hands back more magnitudes than allowed."""
    monkeypatch.setattr(selection, "EXACT", 1000)
    held: list[int] = []
    tau = np.random.default_rng(6).standard_normal(200_000)
    tau[::31] = 5.0
    blocks = Blocks([tau], 10_000)

    def scan(function: Callable[[list[Any]], Any]) -> list[Any]:
        results = blocks.scan(function)
        held.append(sum(one.between.size for row in results for one in row if hasattr(one, "between")))
        return results

    (cutoff,) = cutoffs([100_000], scan, tau.size, 10_000)
    assert np.array_equal(kept(tau, cutoff, 10_000), reference(tau, 100_000))
    assert max(held) <= 4000


def test_torch_keeps_the_same() -> None:
    """The cutoff of a torch tensor, and what is kept of it, are NumPy's."""
    tau = np.random.default_rng(7).integers(-5, 6, 5000) * 0.5
    parts = [torch.from_numpy(tau[start : start + 1000].copy()) for start in range(0, 5000, 1000)]
    (cutoff,) = cutoffs([1234], lambda function: [function([part]) for part in parts], 5000, 1000)
    result = torch.cat([keep(part, cutoff, number) for number, part in enumerate(parts)])
    assert np.array_equal(result.numpy(), reference(tau, 1234))
