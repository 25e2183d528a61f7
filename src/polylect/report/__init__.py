"""The report of a run: HTML for people, JSON and CSV for programs, one picture. No new statistic is computed here."""

from __future__ import annotations

from polylect.report.arbitrage_page import arbitrage_report
from polylect.report.data import Asset, ReportData, Sample, StageRow, StepRow
from polylect.report.document import SCHEMA_VERSION, read
from polylect.report.files import write
from polylect.report.gap_page import write_gap
from polylect.report.judge_data import JudgeData, JudgeRow
from polylect.report.merge_data import MergeStep, merge_step
from polylect.report.merge_page import merge_report
from polylect.report.picture import picture
from polylect.report.run_safety_data import DistilledRow, MixtureRow, RunSafety, SafetyChange, SafetyRate
from polylect.report.safety_attack import attack_report
from polylect.report.safety_distil import distil_report
from polylect.report.safety_drift import drift_report
from polylect.report.safety_page import safety_report

__all__ = [
    "SCHEMA_VERSION",
    "Asset",
    "DistilledRow",
    "JudgeData",
    "JudgeRow",
    "MergeStep",
    "MixtureRow",
    "ReportData",
    "RunSafety",
    "SafetyChange",
    "SafetyRate",
    "Sample",
    "StageRow",
    "StepRow",
    "arbitrage_report",
    "attack_report",
    "distil_report",
    "drift_report",
    "merge_report",
    "merge_step",
    "picture",
    "read",
    "safety_report",
    "write",
    "write_gap",
]
