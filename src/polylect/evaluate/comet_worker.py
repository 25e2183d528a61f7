"""Scores translations with COMET, in the Python of an environment that has `unbabel-comet`; nothing of Polylect is imported.

Arguments: the model, a JSON file with a list of {"src", "mt", "ref"}, and the JSON file that the scores go to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["main"]


def main(model: str, samples: str, scores: str) -> None:
    """Load a model by name or checkpoint, score the samples, and write a list of numbers."""
    import torch
    from comet import download_model, load_from_checkpoint  # type: ignore[import-not-found]

    scorer = load_from_checkpoint(model if Path(model).is_file() else download_model(model))
    rows = json.loads(Path(samples).read_text(encoding="utf-8"))
    found = scorer.predict(rows, batch_size=8, gpus=int(torch.cuda.is_available()), progress_bar=False)
    Path(scores).write_text(json.dumps([float(score) for score in found["scores"]]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
