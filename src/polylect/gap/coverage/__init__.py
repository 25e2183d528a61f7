"""The coverage ledger: for which languages a model is claimed, trained, evaluated, human-checked, safety-tested, mitigated."""

from polylect.gap.coverage.ledger import gap_coverage
from polylect.gap.coverage.requirements import Required, missing_levels, parse_levels

__all__ = ["Required", "gap_coverage", "missing_levels", "parse_levels"]
