"""Self-instruct in many languages: new tasks from seed tasks of each language, without a detour through English.

After Wang et al. 2023, "Self-Instruct" (ACL; arXiv 2212.10560), section 2.2: eight examples per request, six seeds and two made
before; a task that is too like one that is there already is dropped (there ROUGE-L of words >= 0.7, here the Dice similarity of
character n-grams, which needs no words). No list of forbidden words: such a list is of one language.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages
from polylect.errors import DataError
from polylect.languages import in_language
from polylect.models.requests import Generated, Request, Sampling
from polylect.prompts.asking import Asker, Progress, manifest
from polylect.prompts.drift import drift
from polylect.prompts.instructions import INSTRUCT, Templates, load_templates
from polylect.prompts.lengths import ratio
from polylect.prompts.output import Output, check_folder, write_manifest
from polylect.prompts.parsing import listed
from polylect.prompts.rows import source_rows
from polylect.prompts.similarity import Collection as Texts
from polylect.prompts.similarity import loops
from polylect.prompts.splits import draw
from polylect.records import Prompt, content_hash

if TYPE_CHECKING:
    from polylect.models.engine import Limits
    from polylect.models.interface import Model

__all__ = ["SAMPLING", "instruct"]

COMMAND = "prompts instruct"
SAMPLING = Sampling(max_tokens=1024, temperature=1.0)
LIKE = 0.7
"""Dice similarity from which a task repeats another one."""

SEEDS, MADE = 6, 2
"""Examples of a request: seed tasks, and tasks made before."""

SHORTEST, LONGEST = 15, 1500
"""Characters of a task in a language as dense as English."""

ROUND = 64
"""Most requests per language between two looks at what they gave."""

BUDGET = 4
"""Requests allowed per language, as a multiple of those needed if every task were kept."""


@dataclass
class _Language:
    """What is known of one language while its tasks are made."""

    tag: str
    seeds: list[str]
    texts: Texts
    made: list[str] = field(default_factory=list)
    requests: int = 0
    seen: int = 0

    def wants(self, number: int, budget: int, per_request: int) -> int:
        """Return the requests to send now: what the missing tasks take at the share kept so far, within budget and round."""
        missing = number - len(self.made)
        if missing <= 0:
            return 0
        kept = max(0.1, len(self.made) / self.seen) if self.seen else 1.0
        return min(math.ceil(missing / (per_request * kept)), budget - self.requests, ROUND)


def instruct(
    seeds: Path,
    model: Model,
    number: int,
    out: Path,
    *,
    only: Collection[str] = (),
    per_request: int = 8,
    budget: int | None = None,
    sampling: Sampling = SAMPLING,
    templates: Path | None = None,
    store: Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make `number` new tasks per language from seeds; return the manifest.

    `out` gets `prompts.parquet` (kind "instruct"), `rejected.parquet` with what was refused and why, `manifest.json`, which says
    for each language whether it ended with "enough" tasks or at the "budget", and the store of answers. The same seeds and
    answers give the same tasks in the same order.

    Args:
        seeds: a .parquet or .jsonl table with `language` and `text`.
        model: who makes the tasks.
        number: of tasks per language.
        out: output folder.
        only: tags of the languages to use; empty for all of the seeds.
        per_request: tasks asked for at a time.
        budget: most requests per language; by default `BUDGET` times what is needed if every task is kept.
        sampling: of the model.
        templates: YAML file of instructions by language; see `polylect.prompts.instructions`.
        store: file of a store that is shared with other runs.
        limits: of the engine.
        progress: called with the engine's counts.

    Raises:
        DataError: the seeds break a rule, or a language has none.
        LanguageError: a tag names no known language.
        RecipeError: the templates break a rule.
        RunError: `out` holds the output of other settings.
    """
    wanted = tuple(dict.fromkeys(map(languages.canonical, only)))
    states = _states(seeds, wanted)
    most = budget or BUDGET * math.ceil(number / per_request)
    instructions = load_templates("instruct", INSTRUCT, templates)
    settings = {
        "seeds": str(seeds), "model": model.name, "languages": wanted, "number": number, "per_request": per_request,
        "budget": most, "max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p,
        "seed": sampling.seed, "templates": instructions.as_dict(),
    }  # fmt: skip
    check_folder(out, COMMAND, settings)
    with Asker(model, out, sampling, store=store, limits=limits, progress=progress) as asker, Output(out) as output:
        while asked := _requests(states, number, most, per_request, sampling.seed, instructions):
            asker.ask([request for _, request in asked])
            for state, answer in asker.answers(asked):
                _take(state, answer, number, output, model)
    ended = {s.tag: {"requests": s.requests, "made": len(s.made), "ended": _end(s, number)} for s in states}
    done = {**manifest(COMMAND, settings, asker, output), "languages": ended}
    write_manifest(out, done)
    return done


def _end(state: _Language, number: int) -> str:
    return "enough" if len(state.made) >= number else "budget"


def _states(path: Path, wanted: Sequence[str]) -> list[_Language]:
    """Return the languages in the order wanted, else sorted, with their seeds."""
    found: dict[str, list[str]] = {}
    for row in source_rows(path):
        if not wanted or row.language in wanted:
            found.setdefault(row.language, []).append(row.text)
    for tag in wanted:
        if tag not in found:
            raise DataError(
                f"{path}: no seed in {tag!r}; it has {', '.join(sorted(found)) or 'none of the languages'}. Add seeds."
            )
    states = []
    for tag in wanted or sorted(found):
        texts = Texts(tag)
        for text in found[tag]:
            texts.add(text)
        states.append(_Language(tag, list(dict.fromkeys(found[tag])), texts))
    return states


def _requests(
    states: Sequence[_Language], number: int, budget: int, per_request: int, seed: int, templates: Templates
) -> list[tuple[_Language, Request]]:
    """Return the next requests of all languages that need more; none when all have ended."""
    asked = []
    for state in states:
        for _ in range(state.wants(number, budget, per_request)):
            key = f"{state.tag}:{state.requests}"
            examples = _examples(state, draw(seed, key))
            text = templates.fill(state.tag, examples=examples, count=per_request)
            asked.append((state, Request(key, text)))
            state.requests += 1
    return asked


def _examples(state: _Language, seed: int) -> str:
    """Return the examples of one request as a numbered list, drawn by a hash of the request's name."""
    random_ = random.Random(seed)  # noqa: S311
    made = random_.sample(state.made, min(MADE, len(state.made)))
    drawn = made + random_.sample(state.seeds, min(SEEDS + MADE - len(made), len(state.seeds)))
    random_.shuffle(drawn)
    return "\n".join(f"{place}. {' '.join(text.split())}" for place, text in enumerate(drawn, start=1))


def _take(state: _Language, answer: Generated, number: int, output: Output, model: Model) -> None:
    """Take the new tasks of one answer into the language, or reject them with their reason."""
    found, reason = ([], answer.reason) if answer.reason else listed(answer.text, cut=answer.finish_reason == "length")
    if reason is not None:
        output.reject(answer.key, "", state.tag, answer.text, reason)
    for place, text in enumerate(found):
        state.seen += 1
        wrong = "beyond the number asked for" if len(state.made) >= number else _wrong(state, text)
        if wrong is None and not output.add(_made(state.tag, text, model)):
            wrong = "like one that is there"
        if wrong is not None:
            output.reject(answer.key, "", state.tag, text, wrong, place)
            continue
        state.made.append(text)
        state.texts.add(text)


def _wrong(state: _Language, text: str) -> str | None:
    length = len(text) / min(1.0, ratio(state.tag))
    if not SHORTEST <= length <= LONGEST:
        return "too short" if length < SHORTEST else "too long"
    if loops(text):
        return "repetition"
    if in_language(text, state.tag, drift()) is False:
        return "wrong language"
    return "like one that is there" if state.texts.likeness(text) >= LIKE else None


def _made(tag: str, text: str, model: Model) -> Prompt:
    return Prompt(
        item=f"instruct:{content_hash(tag, text)}",
        language=tag,
        kind="instruct",
        split="prompt",
        text=text,
        references=(),
        source=f"self-instruct by {model.name}",
        licence=model.licence or "unknown",
    )
