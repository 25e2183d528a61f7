"""Which detector is meant: by a short name, or by a file of weights; and by what an output tells one detector from another."""

from __future__ import annotations

from pathlib import Path

from polylect.errors import EvaluationError, ModelError, nearest
from polylect.safety.detectors.interface import Detector
from polylect.safety.detectors.learned import LearnedDetector
from polylect.safety.detectors.rules import RuleDetector

__all__ = ["DETECTORS", "default_detector", "detector_of", "detector_settings", "identity"]

DETECTORS = ("rules", "learned")
"""Short names of the detectors that Polylect brings; the first is the default."""

_WEIGHTS = ".npz"


def default_detector() -> RuleDetector:
    """Return the detector that is used where none is given.

    It is the one by rules alone. The learned one finds more refusals, and calls a few answers that comply refused: in a
    measurement of safety these make a model look safer than it is (docs/safety-detectors.md).
    """
    return RuleDetector()


def detector_of(spec: str | None) -> Detector:
    """Return the detector of a name.

    Args:
        spec: "rules", "learned", or the path of a file of weights (.npz) as `benchmarks/safety_detector_train.py` writes it;
            None: the default.

    Raises:
        EvaluationError: it is none of these.
        ModelError: there is no such file, or it holds no weights.
        ChecksumError: it holds other weights than were written.
    """
    if spec is None:
        return default_detector()
    if spec in DETECTORS:
        return RuleDetector() if spec == DETECTORS[0] else LearnedDetector()
    path = Path(spec)
    if path.suffix != _WEIGHTS:
        raise EvaluationError(
            f"detector {spec!r}: choose among {', '.join(DETECTORS)}, or name a file of weights ({_WEIGHTS}), as "
            f"`benchmarks/safety_detector_train.py --rows ROWS --name NAME --out FILE` writes it.{nearest(spec, DETECTORS)}"
        )
    if not path.is_file():
        raise ModelError(
            f"detector {spec}: no such file. Paths are relative to the working directory; without a file there are "
            f"{' and '.join(DETECTORS)}."
        )
    return LearnedDetector(path)


def identity(detector: Detector) -> str:
    """Return what tells a detector from every other: its name, and behind it the `fingerprint` of those that have one."""
    fingerprint = getattr(detector, "fingerprint", None)
    return detector.name if fingerprint is None else f"{detector.name} {fingerprint}"


def detector_settings(spec: str | None) -> dict[str, str]:
    """Return what a step is told of its detector: which one it is and, where that is not the default, the name to open it by.

    Raises:
        PolylectError: as `detector_of`.
    """
    told = {"detector": identity(detector_of(spec))}
    return told if spec in (None, DETECTORS[0]) else {**told, "detector_spec": str(spec)}
