"""The weights of the learned detector: what its file holds, how it is read and written, and what is refused."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ChecksumError, ModelError
from polylect.safety.detectors.features import Features
from polylect.safety.outcomes import Outcome

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LEARNED", "Weights", "shipped"]

LEARNED: tuple[Outcome, ...] = ("complied", "refused", "irrelevant")
"""The outcomes that are told apart by weights. Those of the first are 0: only differences count."""

_FILE = "learned.npz"


@dataclass(frozen=True, eq=False)
class Weights:
    """What was learnt, as it is stored: no pickle, some 70 kB.

    Attributes:
        name: what the detector is called.
        rows: fingerprint of the rows it was trained on.
        pieces: int8, (buckets, 2): of pieces of words, in units of `step`.
        step: float32, (2,).
        names: of the quantities of `features.numbers`.
        numbers: float32, (names, 2).
    """

    name: str
    rows: str
    pieces: np.ndarray
    step: np.ndarray
    names: tuple[str, ...]
    numbers: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", dict(zip(self.names, self.numbers, strict=True)))

    @property
    def fingerprint(self) -> str:
        """Checksum of all that is stored: 32 hexadecimal digits."""
        return _checksum(self._arrays())

    @property
    def languages(self) -> frozenset[str]:
        """Tags of the languages that were in the rows."""
        return frozenset(name.removeprefix("language:") for name in self.names if name.startswith("language:"))

    def probabilities(self, found: Features) -> dict[Outcome, float]:
        """Return the probability of each of `LEARNED`."""
        import numpy as np

        scores = np.zeros(len(LEARNED))
        scores[1:] = self.pieces[list(found.places)].sum(axis=0, dtype=np.int64) * self.step * found.each
        by_name: Mapping[str, np.ndarray] = getattr(self, "_by_name")  # noqa: B009
        for name, value in found.numbers.items():
            if name in by_name:
                scores[1:] += value * by_name[name]
        shares = np.exp(scores - scores.max())
        return dict(zip(LEARNED, (shares / shares.sum()).tolist(), strict=True))

    def write(self, path: Path) -> None:
        """Write the weights with their checksum."""
        import numpy as np

        held = self._arrays()
        held["checksum"] = np.array(_checksum(held))
        np.savez_compressed(path, **held)  # type: ignore[arg-type]  # no key is "allow_pickle"

    @classmethod
    def read(cls, path: Path | resources.abc.Traversable) -> Weights:
        """Read weights that `write` has written.

        Raises:
            ModelError: the file cannot be read, or is none of weights.
            ChecksumError: it holds something else than was written.
        """
        import numpy as np

        keys = [field.name for field in fields(cls)]
        try:
            with path.open("rb") as file:
                # Of any other file NumPy says how to load it unsafely.
                if not zipfile.is_zipfile(file):
                    raise ValueError("not an .npz archive")
                file.seek(0)
                with np.load(file, allow_pickle=False) as held:
                    arrays: dict[str, Any] = {key: held[key] for key in keys}
                    said = str(held["checksum"])
        except Exception as error:  # a damaged archive raises errors of many kinds
            raise ModelError(
                f"{path}: no weights of a learned detector ({error}); train it again or install Polylect anew"
            ) from None
        if _checksum(arrays) != said:
            raise ChecksumError(f"{path}: the weights are not those that were written; train again or install Polylect anew")
        return cls(
            str(arrays["name"]),
            str(arrays["rows"]),
            arrays["pieces"],
            arrays["step"],
            tuple(arrays["names"].tolist()),
            arrays["numbers"],
        )

    def _arrays(self) -> dict[str, np.ndarray]:
        import numpy as np

        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}


@cache
def shipped() -> Weights:
    """Return the weights that come with Polylect."""
    return Weights.read(resources.files("polylect.safety.detectors") / _FILE)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        one = arrays[name]
        digest.update(f"{name} {one.dtype} {one.shape}".encode() + one.tobytes())
    return digest.hexdigest()
