"""Translations of a prompt set into many languages, with protected spans, checks, one second try, and a reason for every loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages
from polylect.errors import DataError
from polylect.languages.scripts import letter_scripts
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.translators.as_model import Translates, TranslatorModel, direction
from polylect.models.translators.protect import Masked, bare, mask, restore
from polylect.prompts.asking import Asker, Progress, manifest
from polylect.prompts.output import Output, check_folder, write_manifest
from polylect.prompts.rows import source_rows
from polylect.prompts.translation_checks import wrong_with
from polylect.records import Prompt

if TYPE_CHECKING:
    from polylect.models.engine import Limits
    from polylect.models.interface import Model

__all__ = ["translate"]

COMMAND = "prompts translate"
_SAMPLING = Sampling(max_tokens=4096)
_SECOND = {"marks": "word", "numbers": True}
"""The second try: marks that look like words, and numbers masked as well."""


@dataclass(frozen=True)
class _Task:
    """One prompt to be translated into one language: what the translator sees first (`masked`) and second (`again`)."""

    prompt: Prompt
    target: str
    masked: Masked
    again: Masked

    def request(self, second: bool = False) -> Request:
        """Return the request of a try."""
        masked = self.again if second else self.masked
        key = f"{self.prompt.id}:{self.target}{':2' if second else ''}"
        return Request(key, masked.text, system=direction(self.prompt.language, self.target))

    def result(self, answer: Generated, second: bool = False) -> tuple[str, str | None]:
        """Return the translation and None, or what came and what is wrong with it."""
        if answer.reason is not None:
            return answer.text, answer.reason
        if answer.finish_reason == "length":
            return answer.text, "cut off"
        text, reason = restore(self.again if second else self.masked, answer.text.strip())
        return text, reason or wrong_with(self.prompt.text, text, self.prompt.language, self.target)


def translate(
    prompts: Path,
    to: Sequence[str],
    translator: Translates,
    out: Path,
    *,
    source: str | None = None,
    keep_source: bool = False,
    store: Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Translate a table of prompts into every language of `to`; return the manifest.

    `out` gets `prompts.parquet` (the same `item` in the new language, the translator's name in `translator`), `rejected.parquet`
    with what was refused and why, `manifest.json`, and the store of answers, from which a run that was stopped goes on.
    References are kept where they have no letters (numbers, dates); others are answers in the source's language and left out.

    Args:
        prompts: a .parquet or .jsonl table with `language` and `text`; see `source_rows`.
        to: tags of the languages to translate into; a prompt in one of them is not translated into it.
        translator: see `polylect.models.translators`.
        out: output folder.
        source: translate only the prompts of this language.
        keep_source: write the source prompts to `prompts.parquet` as well.
        store: file of a store that is shared with other runs.
        limits: of the engine.
        progress: called with the engine's counts.

    Raises:
        DataError: the table breaks a rule, or has no prompt to translate.
        LanguageError: a tag names no known language.
        RunError: `out` holds the output of other settings.
    """
    targets = tuple(dict.fromkeys(map(languages.canonical, to)))
    only = languages.canonical(source) if source else None
    settings = {"prompts": str(prompts), "to": targets, "translator": translator.name, "source": only, "keep_source": keep_source}
    check_folder(out, COMMAND, settings)
    model = _as_model(translator)

    def tasks() -> Iterator[_Task]:
        return (task for prompt in source_rows(prompts) for task in _tasks(prompt, targets, only))

    if next(tasks(), None) is None:
        raise DataError(f"{prompts}: no prompt to translate into {', '.join(targets)}. Look at its languages, and at --from.")
    with Asker(model, out, _SAMPLING, store=store, limits=limits, progress=progress) as asker, Output(out) as output:
        asker.ask(task.request() for task in tasks())
        asker.ask(_second_tries(asker, tasks, model), seed=1)
        if keep_source:
            for prompt in source_rows(prompts):
                output.add(prompt)
        unchanged = sum(_not_sent(prompt, targets, only, output) for prompt in source_rows(prompts))
        second_tries = _write(asker, tasks, model, output)
    done = manifest(COMMAND, settings, asker, output)
    done["unchanged"] = unchanged
    done["second_tries"] = second_tries
    write_manifest(out, done)
    return done


def _as_model(translator: Translates) -> Model:
    return TranslatorModel(translator)


def _tasks(prompt: Prompt, targets: Sequence[str], only: str | None) -> Iterator[_Task]:
    """Yield what is sent of a prompt."""
    if only not in {None, prompt.language} or prompt.messages is not None or not _has_words(prompt):
        return
    masked, again = mask(prompt.text), mask(prompt.text, **_SECOND)  # type: ignore[arg-type]
    yield from (_Task(prompt, target, masked, again) for target in targets if target != prompt.language)


def _has_words(prompt: Prompt) -> bool:
    """Tell whether there is something to translate: 12 + 5 = ? and code are the same in every language."""
    return bool(letter_scripts(bare(prompt.text)))


def _not_sent(prompt: Prompt, targets: Sequence[str], only: str | None, output: Output) -> int:
    """Write a prompt that the translator never sees: as it is where it has no words, else rejected; return how many as is."""
    if only not in {None, prompt.language}:
        return 0
    others = [target for target in targets if target != prompt.language]
    if prompt.messages is not None:
        for target in others:
            output.reject(prompt.id, prompt.item, target, prompt.text, "conversation: earlier turns are not translated")
    elif not _has_words(prompt):
        return sum(output.add(_in(prompt, target, prompt.text, None)) for target in others)
    return 0


def _tries_again(task: _Task, model: Model) -> bool:
    """Tell whether a second try can give something else: the translator sees another text, or draws at random."""
    return task.again.text != task.masked.text or bool(getattr(model, "sampled", False))


def _second_tries(asker: Asker, tasks: Callable[[], Iterator[_Task]], model: Model) -> Iterator[Request]:
    """Yield the requests of the tasks whose first translation was refused."""
    for task, answer in asker.answers((task, task.request()) for task in tasks()):
        if _tries_again(task, model) and task.result(answer)[1] is not None:
            yield task.request(second=True)


def _write(asker: Asker, tasks: Callable[[], Iterator[_Task]], model: Model, output: Output) -> dict[str, int]:
    """Write every translation or its rejection; return how many second tries there were and how many helped."""
    counts = {"made": 0, "helped": 0}
    first = asker.answers((task, task.request()) for task in tasks())
    for task, answer in first:
        text, reason = task.result(answer)
        if reason is not None and _tries_again(task, model):
            counts["made"] += 1
            ((_, answer),) = asker.answers([(task, task.request(second=True))], seed=1)
            again, why = task.result(answer, second=True)
            counts["helped"] += why is None
            text, reason = (again, why) if why is None else (text, reason)
        if reason is None and not output.add(_in(task.prompt, task.target, text, model.name)):
            reason = "same text as another translation"
        if reason is not None:
            output.reject(task.prompt.id, task.prompt.item, task.target, text, reason)
    return counts


def _in(prompt: Prompt, language: str, text: str, translator: str | None) -> Prompt:
    """Return the prompt of the same item in another language."""
    return Prompt(
        item=prompt.item,
        language=language,
        kind=prompt.kind,
        split=prompt.split,
        text=text,
        references=tuple(one for one in prompt.references if not letter_scripts(one)),
        source=prompt.source,
        licence=prompt.licence,
        translator=translator,
    )
