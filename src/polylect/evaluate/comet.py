"""xCOMET and other COMET models (Rei et al. 2020, arXiv 2009.09025; Guerreiro et al. 2023, arXiv 2310.10482) on translations.

`unbabel-comet` 2.2 needs transformers below 5 and numpy below 2, so it cannot be installed beside Polylect: it runs in an
environment of its own, as a process that is given texts and gives scores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from polylect.errors import EvaluationError
from polylect.evaluate.task_types import Item
from polylect.records import Measurement

__all__ = ["DEFAULT", "METRIC", "Comet", "comet_rows"]

METRIC = "comet"
DEFAULT = "Unbabel/XCOMET-XL"
_INSTALL = "python -m venv comet && comet/bin/pip install 'unbabel-comet>=2.2'"


@dataclass(frozen=True)
class Comet:
    """A COMET model: a name on the hub or the path of a checkpoint, and the Python that has `unbabel-comet`."""

    model: str = DEFAULT
    python: str = sys.executable

    def check(self) -> None:
        """Check that the package is there, before anything is asked.

        Raises:
            EvaluationError: it is not; the message has the command that installs it.
        """
        try:
            done = subprocess.run([self.python, "-c", "import comet"], capture_output=True, text=True, cwd="/")
        except OSError as error:
            raise EvaluationError(f"--comet-python {self.python}: cannot be run ({error}). {self._advice()}") from error
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise EvaluationError(f"COMET: {self.python} cannot import unbabel-comet ({said[0]}). {self._advice()}")

    def score(self, samples: Sequence[dict[str, str]]) -> list[float]:
        """Return the score of each sample ("src", "mt", "ref"), times 100.

        Raises:
            EvaluationError: the scorer failed, with the last line that it wrote.
        """
        if not samples:
            return []
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "samples.json", Path(folder) / "scores.json"
            given.write_text(json.dumps(list(samples), ensure_ascii=False), encoding="utf-8")
            # As text: run as a file, its folder would come first on the path, and with it our modules of the same names.
            code = (files("polylect.evaluate") / "comet_worker.py").read_text(encoding="utf-8")
            command = [self.python, "-c", code, self.model, str(given), str(made)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode or not made.is_file():
                said = done.stderr.strip().splitlines()[-1:] or ["no message"]
                raise EvaluationError(f"COMET {self.model}: the scorer failed: {said[0]}. Run it again, or leave out --comet.")
            scores = json.loads(made.read_text(encoding="utf-8"))
        if len(scores) != len(samples):
            raise EvaluationError(f"COMET {self.model}: {len(scores)} scores of {len(samples)} translations. Report this.")
        return [100 * float(score) for score in scores]

    def _advice(self) -> str:
        return f"It needs an environment of its own: {_INSTALL}; then give --comet-python comet/bin/python."


def comet_rows(comet: Comet, items: Sequence[Item], rows: Sequence[Measurement]) -> list[Measurement]:
    """Return a row of the metric "comet" beside each row of chrF++: 0 to 100, as xCOMET has it from 0 to 1.

    What chrF++ could not score has no COMET either, for the same reason; an empty translation is worth 0.
    """
    by_key = {(item.subset, item.language, item.item): item for item in items}
    wanted = [row for row in rows if row.metric == "chrf++"]
    scored = [row for row in wanted if row.status == "ok"]
    samples = []
    for row in scored:
        item = by_key[row.subset, row.language, row.item]
        samples.append({"src": item.text, "mt": row.output, "ref": item.references[0]})
    found = dict(zip((row.id for row in scored), comet.score(samples), strict=True))
    return [replace(row, id="", metric=METRIC, score=found.get(row.id, row.score)) for row in wanted]
