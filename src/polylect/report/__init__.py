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
from polylect.report.safety_page import safety_report

__all__ = [
    "SCHEMA_VERSION",
    "Asset",
    "JudgeData",
    "JudgeRow",
    "MergeStep",
    "ReportData",
    "Sample",
    "StageRow",
    "StepRow",
    "arbitrage_report",
    "merge_report",
    "merge_step",
    "picture",
    "read",
    "safety_report",
    "write",
    "write_gap",
]
