"""What is asked of a model and what comes back: the same for every kind of model."""

from __future__ import annotations

from dataclasses import dataclass

from polylect.records import content_hash

__all__ = ["Generated", "Request", "Sampling"]


@dataclass(frozen=True)
class Sampling:
    """How to sample answers.

    Attributes:
        max_tokens: most new tokens of an answer.
        temperature: 0 is greedy.
        top_p: nucleus mass (Holtzman et al. 2020); 1 keeps every token.
        samples: answers per prompt.
        stop: texts that end an answer; they are cut off.
        seed: of the noise. The noise of a row depends on (seed, row key, sample) alone, never on its batch.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Request:
    """One prompt for a model.

    Attributes:
        key: names the request (a prompt id); seeds its noise.
        text: what the user says.
        shots: (prompt, answer) examples before it; requests that share their shots share the work for them.
        system: a system message, put before everything else.
        history: (role, content) turns of the conversation between the shots and `text`.
        language: canonical tag of `text` where the caller knows it; for those who translate, no part of the conversation.
        reply: what an assistant answered to `text`, where the model is asked to judge that: the conversation ends with it.
        bare: `text` is the whole prompt as the model reads it; no chat template is put around it.
    """

    key: str
    text: str
    shots: tuple[tuple[str, str], ...] = ()
    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    language: str = ""
    reply: str = ""
    bare: bool = False

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """The whole conversation as (role, content): what a chat model sees; shots are turns of it."""
        system = (("system", self.system),) if self.system else ()
        shots = tuple(turn for ask, reply in self.shots for turn in (("user", ask), ("assistant", reply)))
        reply = (("assistant", self.reply),) if self.reply else ()
        return (*system, *shots, *self.history, ("user", self.text), *reply)

    def hash(self) -> str:
        """Return the hash of the content that the answer depends on."""
        more = (self.reply, self.bare) if self.reply or self.bare else ()
        return content_hash(self.key, self.text, self.shots, self.system, *more)


@dataclass(frozen=True)
class Generated:
    """One answer, or why there is none.

    `finish_reason` is "stop" (end token or stop text), "length", or "" for a failure; tokens are counted by the model's
    tokenizer. `reason` is None for an answer, else why the request failed for good (`text` is empty then).
    """

    key: str
    sample: int
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    reason: str | None = None
