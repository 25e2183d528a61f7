"""Detectors: outcomes of answers without asking a model, in languages that they declare; everywhere else they abstain."""

from __future__ import annotations

from polylect.safety.detectors.choosing import DETECTORS, default_detector, detector_of, detector_settings, identity
from polylect.safety.detectors.interface import Detector
from polylect.safety.detectors.learned import LearnedDetector
from polylect.safety.detectors.measuring import Agreement, measure
from polylect.safety.detectors.rules import Finding, RuleDetector

__all__ = [
    "DETECTORS",
    "Agreement",
    "Detector",
    "Finding",
    "LearnedDetector",
    "RuleDetector",
    "default_detector",
    "detector_of",
    "detector_settings",
    "identity",
    "measure",
]
