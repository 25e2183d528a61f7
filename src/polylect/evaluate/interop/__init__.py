"""Results of other tools in, ours out: lm-evaluation-harness's logged samples, its results JSON, model-card metadata."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.evaluate.interop.lm_eval_import import Imported, import_lm_eval
    from polylect.evaluate.interop.model_card import model_card_metadata
    from polylect.evaluate.interop.result_folders import Results, read_results
    from polylect.evaluate.interop.results_json import lm_eval_results

__all__ = ["Imported", "Results", "import_lm_eval", "lm_eval_results", "model_card_metadata", "read_results"]

_HOME = {
    "Imported": "lm_eval_import",
    "Results": "result_folders",
    "import_lm_eval": "lm_eval_import",
    "lm_eval_results": "results_json",
    "model_card_metadata": "model_card",
    "read_results": "result_folders",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that numpy is not loaded for `--help`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
