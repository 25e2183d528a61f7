"""Documentation practice in papers, abstracts and cards: which languages are studied, and whether English-only work says so."""

from polylect.gap.survey.surveying import gap_survey

__all__ = ["gap_survey"]
