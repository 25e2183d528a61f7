"""Answers of merges: made, asked and thrown away one at a time; what has been answered is never merged again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.merge.search import Weights, text
from polylect.progress import StepProgress
from polylect.records import Completion, Prompt, content_hash

if TYPE_CHECKING:
    from polylect.models.local import LocalModel
    from polylect.models.requests import Generated, Request, Sampling
    from polylect.models.store import Store

__all__ = ["MERGING", "Candidates", "Mixture", "discard"]

MERGING = ".merging"
"""Folder of the merge that is being loaded."""

_ADAPTER = "adapter_config.json"
_OF_METHODS = ("density", "normalize", "rescale", "scale", "t")
"""Settings that plain averaging has no use for."""


@dataclass(frozen=True)
class Mixture:
    """What is merged and how, all but the weights.

    Args:
        models: checkpoint folders, or adapter folders.
        method: of `polylect.merge.merge`.
        base: what task vectors are taken against.
        settings: further arguments of `polylect.merge.merge`, such as density, scale or dtype.
    """

    models: tuple[Path, ...]
    method: str = "linear"
    base: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """A short name of each model, the same as in the tables of a merge."""
        from polylect.merge.inputs import labels

        return labels(self.models)

    def check(self) -> None:
        """Check that the models can be loaded and merged, from headers and configurations alone.

        Raises:
            ModelError: a folder holds no model.
            MergeError: the models do not fit each other, or the method lacks what it needs.
        """
        from polylect.merge.api import merge
        from polylect.models.checkpoint import check

        merge(list(self.models), method=self.method, base=self.base, dry_run=True, **self.settings)
        for folder in self.models:
            if not _is_adapter(folder):
                check(folder)

    def fingerprints(self) -> dict[str, str]:
        """Return a hash of the contents of every model, by its name, and of the base."""
        found = {label: _fingerprint(model) for label, model in zip(self.labels, self.models, strict=True)}
        return found if self.base is None else {**found, "the base": _fingerprint(self.base)}

    def licences(self) -> set[str | None]:
        """Return the licences of all models and of the base; None stands for one that is not known."""
        from polylect.models import describe

        folders = [*self.models, *([self.base] if self.base is not None else [])]
        return {describe(folder)["licence"] for folder in folders if not _is_adapter(folder)}

    def alone(self, weights: Weights) -> Path | None:
        """Return the checkpoint that has all the weight, which is then taken as it is.

        None where several have some; and where it is an adapter, which merging puts into its base.
        """
        folder = self.models[weights.index(1.0)] if 1.0 in weights else None
        return None if folder is None or _is_adapter(folder) else folder

    def write(self, weights: Weights, out: Path, **more: Any) -> None:
        """Write the merge by `weights` to the new folder `out`; `more` goes before the settings.

        One checkpoint that has all the weight is averaged with nothing, whatever the method: it comes out as it is.
        """
        from polylect.merge.api import merge

        settings = {**self.settings, **more}
        method = self.method
        if self.alone(weights) is not None:
            method = "linear"
            settings = {name: value for name, value in settings.items() if name not in _OF_METHODS}
        merge(list(self.models), method=method, base=self.base, weights=weights, out=out, **settings)


def discard(folder: Path) -> None:
    """Remove a merged model, and what a killed merge has left of it."""
    for path in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(path, ignore_errors=True)


def _is_adapter(folder: Path) -> bool:
    return not (folder / "config.json").is_file() and (folder / _ADAPTER).is_file()


def _fingerprint(folder: Path) -> str:
    from polylect.models import fingerprint

    contents = fingerprint(folder)
    return content_hash(contents, (folder / _ADAPTER).read_text(encoding="utf-8")) if _is_adapter(folder) else contents


class Candidates:
    """Answers prompts with the merge by any weights.

    Args:
        mixture: what is merged.
        folder: where merges lie for as long as they are loaded.
        store: answers that were given before; a killed search goes on from here.
        sampling: how to answer.
        batch_size: prompts that are answered together.
        threads: of merging and of torch; None: as many as there are cores.
    """

    def __init__(
        self, mixture: Mixture, folder: Path, store: Store, sampling: Sampling, batch_size: int, threads: int | None = None
    ) -> None:
        self.mixture, self._folder, self._store = mixture, folder, store
        self.sampling, self._batch_size, self._threads = sampling, batch_size, threads
        self.fingerprints = mixture.fingerprints()
        self.key = content_hash(self.fingerprints, mixture.method, dict(mixture.settings))
        self.merges = 0
        self._loaded: LocalModel | None = None
        self._weights = ""

    def answers(
        self, weights: Weights, prompts: Sequence[Prompt], name: str, progress: StepProgress | None = None
    ) -> list[Completion]:
        """Answer `prompts` with the merge by `weights`, named `name` in the answers."""
        from polylect.models import answer

        return answer(
            prompts,
            _Candidate(self, weights),
            name=name,
            key=content_hash(self.key, text(weights)),
            sampling=self.sampling,
            store=self._store,
            progress=progress,
        )

    def write(self, weights: Weights, out: Path, **more: Any) -> None:
        """Write the merge by `weights` to the new folder `out` (see `Mixture.write`)."""
        threads = {} if self._threads is None else {"threads": self._threads}
        self.mixture.write(weights, out, **threads, **more)

    def tokenizing(self, weights: Weights) -> LocalModel:
        """Return the model that is loaded, whichever it is, else the merge by `weights`: all have the same tokenizer."""
        return self._loaded or self.model(weights)

    def model(self, weights: Weights) -> LocalModel:
        """Return the merge by `weights`, loaded; the one before it is let go first."""
        if self._loaded is not None and self._weights == text(weights):
            return self._loaded
        alone = self.mixture.alone(weights)
        if alone is not None:
            return self._load(alone, text(weights))
        self._loaded = None
        folder = self._folder / MERGING
        discard(folder)
        try:
            self.write(weights, folder, statistics="none")
            self.merges += 1
            return self._load(folder, text(weights))
        finally:
            # The weights stay mapped for as long as the model lives.
            discard(folder)

    def _load(self, folder: Path, weights: str) -> LocalModel:
        from polylect.models.local import LocalModel

        self._loaded = None
        if self._threads is not None:
            import torch

            torch.set_num_threads(self._threads)
        self._loaded, self._weights = LocalModel(folder, batch_size=self._batch_size), weights
        return self._loaded


@dataclass(frozen=True)
class _Candidate:
    """A merge as `polylect.models.answer` asks it: batches come from the tokenizer alone, weights only when they must answer."""

    candidates: Candidates
    weights: Weights

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        return self.candidates.tokenizing(self.weights).batches(requests, sampling)

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        return await self.candidates.model(self.weights).answer(batch, sampling)
