"""Detectors: outcomes of answers by rules that declare their languages and abstain everywhere else."""

from __future__ import annotations

from polylect.safety.detectors.default import RuleDetector, default_detector
from polylect.safety.detectors.interface import Detector
from polylect.safety.detectors.measuring import Agreement, measure

__all__ = ["Agreement", "Detector", "RuleDetector", "default_detector", "measure"]
