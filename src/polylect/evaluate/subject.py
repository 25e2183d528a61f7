"""Who is evaluated: one spec, opened in the ways that benchmarks need it, and no sooner than they do."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import EvaluationError, ModelError
from polylect.models.spec import Spec, open_model, parse_spec

if TYPE_CHECKING:
    from polylect.models.engine import Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.likelihood import Likelihood
    from polylect.models.local import LocalModel
    from polylect.models.reward import RewardModel

__all__ = ["Subject"]


class Subject:
    """A model by its spec; opened for generation, for log-likelihoods or as a reward model when it is first asked to be.

    A local checkpoint is loaded once for the first two.

    Args:
        spec: see `polylect.models.open_model`.
        name: what the tables call it; None: the folder's name, or the spec's target.
        dtype: of a local model's weights.
        batch_tokens: most tokens of a pass of a local model when options are scored; None: what suits the device.
        batch_rows: most questions of such a pass; None: any number.
        limits: what an endpoint may be asked at a time, where it scores options; of these the calls in flight.
        retries: how to try an endpoint again, where it scores options.
        settings: further ones of the model's kind, such as `revision`, `key_env`.
    """

    def __init__(
        self,
        spec: str,
        *,
        name: str | None = None,
        dtype: str | None = None,
        batch_tokens: int | None = None,
        batch_rows: int | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        **settings: Any,
    ) -> None:
        self.spec, self._parsed = spec, parse_spec(spec)
        self.name = name or _name(spec, self._parsed)
        self._dtype, self._batch_tokens, self._batch_rows = dtype, batch_tokens, batch_rows
        self._limits, self._retries = limits, retries
        self._settings = {key: value for key, value in settings.items() if value is not None}

    @cached_property
    def _local(self) -> LocalModel:
        from polylect.models.hub import resolve
        from polylect.models.likelihood import as_dtype
        from polylect.models.local import LocalModel

        settings = dict(self._settings)
        folder = resolve(self._parsed.target, settings.pop("revision", None))
        return LocalModel(folder, name=self.name, dtype=as_dtype(self._dtype), **settings)

    @property
    def local(self) -> bool:
        """Whether it is a checkpoint on this machine."""
        return self._parsed.local

    @cached_property
    def model(self) -> Model:
        """The model, for generation."""
        if self._parsed.local:
            return self._local
        return open_model(self.spec, name=self.name, **self._settings)

    @cached_property
    def likelihood(self) -> Likelihood:
        """The model, for scoring options."""
        from polylect.models.likelihood import open_likelihood

        if self._parsed.local:
            from polylect.models.likelihood_local import LocalLikelihood

            return LocalLikelihood(self._local, batch_tokens=self._batch_tokens, batch_rows=self._batch_rows)
        in_flight = self._limits.in_flight if self._limits else None
        settings = {"in_flight": in_flight, "retries": self._retries} if self._parsed.kind == "served" else {}
        return open_likelihood(self.spec, name=self.name, **{**settings, **self._settings})

    @cached_property
    def reward(self) -> RewardModel:
        """The model, as a reward model.

        Raises:
            EvaluationError: it is no local checkpoint.
        """
        from polylect.models.reward import RewardModel

        if not self._parsed.local:
            raise EvaluationError(
                f"{self.spec}: this benchmark compares rewards of given answers, which takes a reward model by name or folder."
            )
        return RewardModel(self._parsed.target, revision=self._settings.get("revision"), dtype=self._dtype)

    @property
    def fingerprint(self) -> str:
        """What decides the answers of what was opened; "" before."""
        for form in ("likelihood", "model", "reward"):
            if form in self.__dict__:
                return str(getattr(self, form).fingerprint)
        return ""

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of the model."""
        notes = self.likelihood.notes if "likelihood" in self.__dict__ else {}
        return {"name": self.name, "spec": self.spec, "fingerprint": self.fingerprint, **({"likelihood": notes} if notes else {})}

    def close(self) -> None:
        """Give back what is held. Connections of endpoints belong to event loops that have ended."""
        self.__dict__.pop("likelihood", None)
        for form in ("model", "_local", "reward"):
            self.__dict__.pop(form, None)


def _name(spec: str, parsed: Spec) -> str:
    """Return a short name: the folder's, the served model's, or the spec itself.

    Raises:
        ModelError: the folder has no name.
    """
    if parsed.kind == "served":
        return parsed.short
    if parsed.local and Path(parsed.target).exists():
        if not parsed.short:
            raise ModelError(f"{spec}: this folder has no name. Give one with --name.")
        return parsed.short
    return str(parsed)
