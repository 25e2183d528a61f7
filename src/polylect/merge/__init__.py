"""Arithmetic on checkpoints, tensor by tensor."""

from polylect.merge.linear import MergeReport, linear

__all__ = ["MergeReport", "linear"]
