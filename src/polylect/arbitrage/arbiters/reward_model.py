"""The arbiter `reward_model`: a sequence classifier with one output scores every answer (docs/reward-model.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from polylect.arbitrage.arbiters.base import Arbiter, scored, unscored, why_unscored
from polylect.arbitrage.arbiters.registry import Context, arbiter
from polylect.arbitrage.arbiters.settings import read
from polylect.errors import ModelError
from polylect.models.reward_inputs import dialogue
from polylect.records import Completion, Prompt, Score

if TYPE_CHECKING:
    from polylect.models.canaries import Canary, LanguageTest
    from polylect.models.reward import RewardModel

__all__ = ["RewardModelArbiter", "reward_model"]


@dataclass(frozen=True)
class _Settings:
    """Keys of ARBITER.yaml; see `polylect.models.reward.RewardModel`."""

    model: str
    revision: str | None = None
    name: str | None = None
    batch_tokens: int = 8192
    max_length: int | None = None
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    sign: int = 1
    pooling: Literal["model", "last"] = "model"
    canaries: str | None = None
    on_failed_canary: Literal["error", "warn"] = "error"


@dataclass
class RewardModelArbiter:
    """Scores answers by a reward model, after its self-test in each language that it meets.

    Attributes:
        name: the `arbiter` of its scores.
        reward: the model.
        on_failed_canary: "error" stops at a language that fails its canaries; "warn" leaves its answers unscored.
        canaries: those that take the place of Polylect's in their languages.
        tests: what the self-test found, per language tested so far.
    """

    name: str
    reward: RewardModel
    on_failed_canary: Literal["error", "warn"] = "error"
    canaries: Mapping[str, Sequence[Canary]] = field(default_factory=dict)
    tests: dict[str, LanguageTest] = field(default_factory=dict)

    def prepare(self, languages: Iterable[str]) -> None:
        """Run the self-test in the languages that it has not run in yet; `score` does so for those that it meets.

        Raises:
            ModelError: batches are scored otherwise than single texts; or a language fails its canaries and that is an error.
        """
        new = [language for language in dict.fromkeys(languages) if language not in self.tests]
        if not new:
            return
        found = self.reward.self_test(new, self.canaries)
        if found.unfit and self.on_failed_canary == "error":
            raise ModelError(_unfit(self.reward.name, [found.languages[language] for language in found.unfit]))
        self.tests.update(found.languages)

    def notes(self) -> list[str]:
        """Return one line per language: how many canaries passed, or that it was not tested."""
        return [str(self.tests[language]) for language in sorted(self.tests)]

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return one score per completion, in order; see `Arbiter.score`.

        Raises:
            ModelError: see `prepare`.
        """
        self.prepare(completion.language for completion in completions)
        reasons = [why_unscored(completion) or self._why_unfit(completion) for completion in completions]
        asked = [completion for completion, reason in zip(completions, reasons, strict=True) if reason is None]
        rewards = iter(self.reward.score(_dialogues(prompts, asked)))
        scores = []
        for completion, reason in zip(completions, reasons, strict=True):
            if reason is not None:
                scores.append(unscored(completion, self.name, reason))
                continue
            reward = next(rewards)
            scores.append(scored(completion, self.name, reward.value, reason=reward.reason))
        return scores

    def _why_unfit(self, completion: Completion) -> str | None:
        if not completion.text.strip():
            return "empty answer"
        test = self.tests[completion.language]
        return f"reward model unfit for {test}" if test.fit is False else None


@arbiter("reward_model", "a sequence-classification reward model")
def reward_model(settings: Mapping[str, Any], context: Context) -> Arbiter:
    """Return the arbiter of `settings`.

    Raises:
        RecipeError: a key is unknown, missing or has a wrong value.
        ModelError: the model cannot be opened, or is no reward model.
        DataError: the file of canaries cannot be read.
    """
    from polylect.models.canaries import read_canaries

    given = read(_Settings, settings, context)
    for key in ("batch_tokens", "max_length"):
        value = getattr(given, key)
        if value is not None and value < 1:
            raise context.refuse(key, value, "expected a whole number of tokens from 1 up.")
    if given.sign not in (1, -1):
        raise context.refuse("sign", given.sign, "expected 1 (a higher output is better) or -1 (lower is better).")
    own = read_canaries(context.path(given.canaries)) if given.canaries else {}
    name = given.name or f"reward_model:{given.model}"
    return RewardModelArbiter(name, _opened(given, context), given.on_failed_canary, own)


def _opened(given: _Settings, context: Context) -> RewardModel:
    """Return the model, which the parts of a composite share."""
    from polylect.models.reward import RewardModel

    beside = context.path(given.model)
    model = str(beside) if beside.is_dir() else given.model
    passed = ("revision", "batch_tokens", "max_length", "device", "dtype", "sign", "pooling")
    settings = {key: getattr(given, key) for key in passed}
    key = f"reward_model {model} {settings}"
    if key not in context.cache:
        context.cache[key] = RewardModel(model, **settings)
    opened: RewardModel = context.cache[key]
    return opened


def _dialogues(prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Any]:
    rows = ((prompts[completion.prompt_id], completion.text) for completion in completions)
    return [dialogue(prompt.text, text, prompt.messages) for prompt, text in rows]


def _unfit(model: str, tests: Sequence[LanguageTest]) -> str:
    cost = all(margin < 0 for test in tests for margin in test.margins.values())
    hint = " Bad answers win everywhere: if the model's output is a cost, set sign: -1." if cost else ""
    return (
        f"{model}: prefers bad answers to good ones ({'; '.join(map(str, tests))}).{hint} Take a reward model that knows "
        f"{', '.join(test.language for test in tests)}, or set on_failed_canary: warn to leave the answers there unscored."
    )
