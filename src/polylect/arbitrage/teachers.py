"""The teachers of a run: members of the pool whose models are open, and their answers as the store has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polylect.models.interface import Model
from polylect.models.requests import Generated, Sampling
from polylect.records import Completion, Prompt, content_hash

if TYPE_CHECKING:
    from polylect.models.pool import Member, Pool
    from polylect.models.store import Keys, Store

__all__ = ["LOST", "Asked", "Teacher", "close_models", "completion", "completions", "teachers_of"]

Asked = tuple[int, ...]
"""Indices of the teachers that are asked for one prompt."""

LOST = "no answer in the store"
"""Reason of a completion that the store lacks, because its store was changed from outside."""


@dataclass(frozen=True)
class Teacher:
    """A member of the pool whose model is open, and how it samples."""

    member: Member
    model: Model
    sampling: Sampling

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.member.name

    @property
    def languages(self) -> tuple[str, ...] | None:
        """The languages it serves, canonical tags; None: all."""
        return self.member.languages

    @property
    def translated(self) -> bool:
        """Whether its answers are translations from English."""
        return self.member.spec.startswith("pivot:")

    @property
    def may_train(self) -> bool | None:
        """Whether its outputs may train models; None: nobody said."""
        return self.model.may_train

    @property
    def licence(self) -> str | None:
        """Of its outputs."""
        return self.model.licence

    @cached_property
    def revision(self) -> str:
        """What decides its answers besides its name."""
        return self.member.revision or self.model.fingerprint

    @cached_property
    def keys(self) -> Keys:
        """Makes the keys of its answers."""
        from polylect.models.store import Keys

        return Keys(self.model.fingerprint, self.sampling)

    def as_dict(self) -> dict[str, Any]:
        """Return what decides its answers and how they may be used, as plain values."""
        price = self.model.price
        return {
            "spec": self.member.spec,
            "fingerprint": self.model.fingerprint,
            "revision": self.member.revision,
            "languages": None if self.languages is None else list(self.languages),
            "sampling": {**asdict(self.sampling), "stop": list(self.sampling.stop)},
            "prompting": content_hash(self.member.system, self.member.shots, self.member.number),
            "price": {"input": price.input, "output": price.output},
            "licence": self.licence,
            "may_train": self.may_train,
        }


def teachers_of(pool: Pool | Sequence[Model], sampling: Sampling) -> list[Teacher]:
    """Open the members of a pool; a plain list of models is a pool of models that serve every language.

    Raises:
        RecipeError: two models have one name.
        ModelError: a model cannot be had.
    """
    from polylect.models.engine import Limits
    from polylect.models.pool import Member, Pool

    if isinstance(pool, Pool):
        return [Teacher(member, member.open(), member.sampling_for(sampling)) for member in pool.members.values()]
    return [Teacher(Member(name=model.name, spec="", limits=Limits()), model, sampling) for model in pool]


def close_models(teachers: Sequence[Teacher]) -> None:
    """Let the models' memory go: what scores the answers may need it."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def close() -> None:
        for teacher in teachers:
            await teacher.model.close()

    # In a thread of its own, since the caller's may have an event loop that runs (a notebook).
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(close())).result()


def completions(prompts: Sequence[Prompt], asked: Sequence[Asked], teachers: Sequence[Teacher], store: Store) -> list[Completion]:
    """Return the completions of a window from the store: by prompt, then teacher as asked, then sample; failures are rows."""
    wanted: list[tuple[Prompt, Teacher, int, bytes]] = []
    limits: dict[int, list[bytes]] = {}
    for prompt, indices in zip(prompts, asked, strict=True):
        for index in indices:
            teacher = teachers[index]
            keys = teacher.keys.of(teacher.member.request(prompt))
            limits.setdefault(teacher.sampling.max_tokens, []).extend(keys)
            wanted += [(prompt, teacher, sample, key) for sample, key in enumerate(keys)]
    found = {limit: store.get(keys, limit) for limit, keys in limits.items()}
    return [
        completion(prompt, teacher, sample, found[teacher.sampling.max_tokens].get(key))
        for prompt, teacher, sample, key in wanted
    ]


def completion(prompt: Prompt, teacher: Teacher, sample: int, answer: Generated | None) -> Completion:
    """Return the row of one answer, or of why there is none."""
    reason = LOST if answer is None else answer.reason
    return Completion(
        prompt_id=prompt.id,
        item=prompt.item,
        language=prompt.language,
        model=teacher.name,
        sample=sample,
        text=answer.text if answer else "",
        finish_reason=answer.finish_reason if answer else "",
        prompt_tokens=answer.prompt_tokens if answer else 0,
        completion_tokens=answer.completion_tokens if answer else 0,
        status="failed" if reason is not None else "ok",
        reason=reason,
        revision=teacher.revision,
    )
