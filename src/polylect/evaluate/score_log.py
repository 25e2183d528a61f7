"""Scores of options, appended to a file batch by batch, so that a run that was killed asks for none of them twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polylect.models.likelihood import OptionScore, Question
from polylect.records import content_hash

__all__ = ["ScoreLog"]


class ScoreLog:
    """Option scores by key, in one JSON-lines file.

    A line that a kill has cut short is passed over; it is the last one of a process, so the next begins on a line of its own.

    Args:
        path: of the file; made with its folder when it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._found: dict[str, list[OptionScore]] = {}
        self.torn = 0
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
        for line in lines:
            self._take(line)
        if lines and lines[-1]:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    @staticmethod
    def key(fingerprint: str, settings: Mapping[str, Any], question: Question) -> str:
        """Return the hash of what decides the scores of a question: model, precision, contexts and continuations."""
        return content_hash("likelihood", fingerprint, dict(settings), [list(option) for option in question])

    def get(self, key: str) -> list[OptionScore] | None:
        """Return the stored scores of a question."""
        return self._found.get(key)

    def put(self, rows: Iterable[tuple[str, list[OptionScore]]]) -> None:
        """Append scores; they are on the disk when this returns. What failed is kept in memory alone: it is asked again."""
        lines = []
        for key, scores in rows:
            self._found[key] = scores
            if all(score.logprob is not None for score in scores):
                values = [[score.logprob, score.tokens, score.greedy] for score in scores]
                lines.append(json.dumps([key, values], separators=(",", ":")) + "\n")
        if lines:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(lines))
                file.flush()
                os.fsync(file.fileno())

    def _take(self, line: str) -> None:
        if not line.strip():
            return
        try:
            key, values = json.loads(line)
            self._found[key] = [OptionScore(float(logprob), int(tokens), greedy) for logprob, tokens, greedy in values]
        except (ValueError, TypeError):
            self.torn += 1
