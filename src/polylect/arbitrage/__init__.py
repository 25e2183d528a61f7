"""Arbitrage between teachers: who answers best in which language, and what follows from it."""

from polylect.arbitrage.pairs import PairRules, pairs
from polylect.arbitrage.routing import Candidate, best_single, candidates, examples, routes, single_examples

__all__ = ["Candidate", "PairRules", "best_single", "candidates", "examples", "pairs", "routes", "single_examples"]
