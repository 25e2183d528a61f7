"""Safety context distillation: a model teaches itself to refuse what it refuses when it is told to.

The student's own earlier checkpoint, with a safety preamble before the prompt, is the teacher; what it answers is sampled,
filtered, and learnt without the preamble (Üstün et al. 2024, "Aya Model", section 6, after Askell et al. 2021, section 2).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import DataError
from polylect.models.requests import Sampling
from polylect.progress import StageProgress, silent
from polylect.records import Example, Pair
from polylect.safety.detectors import Detector, default_detector, identity
from polylect.safety.distilling_asking import Asker
from polylect.safety.distilling_filter import CUT_OFF, LEAST_LETTERS, Check
from polylect.safety.distilling_preamble import Preambles, Turn, read_preambles, turn_of
from polylect.safety.distilling_rows import Origin, Tally
from polylect.safety.distilling_selecting import Selection, anchors_of, refusals_of
from polylect.safety.document import make_document
from polylect.safety.folder import SafetyFolder, SafetyRun, named_file, write_json
from polylect.safety.mistakes import usable_again
from polylect.safety.prompts import PromptSet, SafetyPrompt, chosen, read_prompts

if TYPE_CHECKING:
    from polylect.models.engine import Limits, Retries
    from polylect.models.interface import Model

__all__ = ["TEMPERATURE", "TOP_P", "Distillation", "distil"]

TEMPERATURE, TOP_P = 0.9, 0.8
"""Of the teacher's samples (Üstün et al. 2024, section 6)."""


class Distillation(SafetyRun):
    """What a distillation came to."""


@dataclass(frozen=True)
class _Task:
    """What one call was told and read."""

    prompts: PromptSet
    preambles: Preambles
    anchor_preambles: Preambles
    detector: Detector
    check: Check | None
    sampling: Sampling
    settings: dict[str, Any]


def distil(
    model: str,
    prompts: Path,
    preamble: Path,
    *,
    out: Path,
    anchor_model: str | None = None,
    anchor_preamble: Path | None = None,
    anchor_samples: int = 1,
    kind: str | None = None,
    samples: int = 1,
    temperature: float = TEMPERATURE,
    top_p: float = TOP_P,
    max_tokens: int = 256,
    stop: tuple[str, ...] = (),
    keep: int = 1,
    least_letters: int = LEAST_LETTERS,
    turn: Turn | None = None,
    detector: Detector | None = None,
    check: Check | None = None,
    languages: Sequence[str] | None = None,
    dtype: str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: StageProgress | None = None,
) -> Distillation:
    """Write training rows that make a model refuse without a preamble what it refuses with one.

    The folder gets sft.parquet (`Example` rows: refusals, and answers to harmless prompts), pairs.parquet (`Pair` rows),
    safety.json (counts) and manifest.json. The same call on the same folder goes on where a killed one stopped.

    Args:
        model: spec of the student's own checkpoint, which is the teacher.
        prompts: a prompt set (`polylect.safety.read_prompts`). Harmless prompts in it are answered without the preamble and
            kept as anchors that hold over-refusal down; where they have a reference, if they say it.
        preamble: a file (`read_preambles`).
        out: folder of the result.
        anchor_model: who answers the harmless prompts; None: `model`.
        anchor_preamble: a file (`read_preambles`) whose text stands before the harmless prompts, worked examples for a model that
            needs them; None: they are asked bare. A language that it lacks is asked bare, too.
        anchor_samples: answers per harmless prompt, of which the first good one is kept; 1: the greedy answer.
        kind: of the prompt set; None: told by its columns.
        samples: of the teacher per harmful prompt.
        temperature: of the samples.
        top_p: of the samples.
        max_tokens: most new tokens of an answer.
        stop: texts that end an answer.
        keep: most refusals that are kept per prompt.
        least_letters: fewest letters of a refusal that explains.
        turn: where the preamble stands; None: a system turn where the chat template has one, else the user's.
        detector: what filters (`polylect.safety.detectors.detector_of`); None: the one by rules.
        check: a further rule for refusals.
        languages: tags; None: every language of the set that has a preamble.
        dtype: of a local model's weights.
        seed: of the samples.
        limits: what an endpoint may be asked at a time.
        retries: how to try again.
        progress: called with (stage, done, total, note).

    Raises:
        DataError: a table or the preamble cannot be read, or there are no harmful prompts in a language with a preamble.
        RunError: the folder is in use, or holds something else.
        EndpointError: not one request was answered.
        PolylectError: whatever model or store raise.
    """
    detector = detector or default_detector()
    given = read_preambles(preamble)
    asked = _chosen(read_prompts(prompts, kind), languages, prompts, given, preamble)
    settings = {
        "model": model, "prompts": named_file(prompts), "kind": asked.kind, "keep": keep,
        "preamble": named_file(preamble), "anchor_model": anchor_model, "anchor_preamble": named_file(anchor_preamble),
        "anchor_samples": anchor_samples, "samples": samples, "temperature": temperature, "top_p": top_p,
        "max_tokens": max_tokens, "stop": list(stop), "turn": turn, "seed": seed, "least_letters": least_letters,
        "languages": languages and sorted(languages), "dtype": dtype, "detector": identity(detector),
        "check": getattr(check, "__name__", None),
    }  # fmt: skip
    sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p, samples=samples, stop=stop, seed=seed)
    anchors = read_preambles(anchor_preamble) if anchor_preamble else Preambles({})
    task = _Task(asked, given, anchors, detector, check, sampling, settings)
    with SafetyFolder(out, settings) as folder:
        if folder.finished is not None:
            return Distillation(out, folder.read("safety.json"), folder.finished, "finished")
        from polylect.models.engine import Retries
        from polylect.models.store import Store

        # A command that is given again means it: what an endpoint refused the last time is asked once more.
        again = replace(retries or Retries(), failed=True)
        with usable_again(folder), Store(folder.store / "answers.sqlite") as store:
            return _distilled(task, folder, Asker(store, limits, again, progress or silent))


def _chosen(found: PromptSet, tags: Sequence[str] | None, path: Path, preambles: Preambles, preamble: Path) -> PromptSet:
    """Return the prompts of some languages.

    Raises:
        DataError: no harmful prompt that kept its harm is in a language with a preamble.
        EvaluationError: there is no prompt in these languages.
    """
    own = chosen(found, tags, None, path)
    kept = own.prompts
    if not any(one.harmful and not one.lost and preambles.of(one.language) for one in kept):
        present = ", ".join(sorted({one.language for one in kept if one.harmful})) or "none"
        raise DataError(
            f"{preamble}: no preamble for any harmful prompt of {path}. Languages with harmful prompts: {present}; with a "
            f"preamble: {', '.join(sorted(preambles.by_language)) or 'none'}. Write the missing ones."
        )
    return own


def _distilled(task: _Task, folder: SafetyFolder, asker: Asker) -> Distillation:
    """Ask, filter and write."""
    began = time.monotonic()
    tally = Tally()
    teacher = _open(task.settings["model"], task.settings["dtype"])
    origin, turn = Origin.of(teacher), task.settings["turn"] or turn_of(teacher)
    asked = [one for one in task.prompts.prompts if _asked(one, task.preambles, tally)]
    harmful, harmless = ([one for one in asked if one.harmful is wanted] for wanted in (True, False))
    sampled = asker.with_preamble(harmful, teacher, task.preambles, turn, task.sampling)
    bare = asker.without(harmful, teacher, task.sampling, "without preamble")
    anchor_origin, answered = _anchors(task, teacher, origin, harmless, asker)
    selection = Selection(task.detector, task.settings["least_letters"], task.check, task.settings["keep"], tally)
    examples, pairs = refusals_of(selection, harmful, sampled, bare, origin, task.preambles)
    examples += anchors_of(selection, harmless, answered, anchor_origin)
    described = {
        "model": origin.__dict__, "anchor_model": anchor_origin.__dict__, "turn": turn, "answers": asker.spent,
        "seconds": round(time.monotonic() - began, 3),
    }  # fmt: skip
    return _written(task, folder, tally, examples, pairs, described)


def _asked(prompt: SafetyPrompt, preambles: Preambles, tally: Tally) -> bool:
    """Count a prompt, and tell whether it is asked: it kept its harm, and its language has a preamble."""
    tally.add(prompt, prompts=1)
    if prompt.lost:
        tally.add(prompt, harm_lost=1)
    elif preambles.of(prompt.language) is None:
        tally.add(prompt, without_preamble=1)
    return not prompt.lost and preambles.of(prompt.language) is not None


def _anchors(
    task: _Task, teacher: Model, origin: Origin, harmless: Sequence[SafetyPrompt], asker: Asker
) -> tuple[Origin, dict[tuple[str, str], Any]]:
    """Return who answered the harmless prompts, and the answers."""
    spec = task.settings["anchor_model"]
    model = teacher if spec is None or not harmless else _open(spec, task.settings["dtype"])
    turn, count = task.settings["turn"] or turn_of(model), task.settings["anchor_samples"]
    sampling = (
        Sampling(task.sampling.max_tokens, stop=task.sampling.stop) if count == 1 else replace(task.sampling, samples=count)
    )
    return Origin.of(model), asker.harmless(harmless, model, task.anchor_preambles, turn, sampling)


def _open(spec: str, dtype: str | None) -> Model:
    """Open a model under a short name: its folder's, or that of the spec."""
    from polylect.models.likelihood import as_dtype
    from polylect.models.spec import open_model, parse_spec

    parsed = parse_spec(spec)
    return open_model(spec, name=parsed.short or None, **({"dtype": as_dtype(dtype)} if parsed.local else {}))


def _written(
    task: _Task, folder: SafetyFolder, tally: Tally, examples: list[Example], pairs: list[Pair], described: dict[str, Any]
) -> Distillation:
    """Write tables and document, the manifest last."""
    rows = tally.rows()
    summary = {
        "set": task.prompts.name, "model": described["model"]["name"], "detector": task.detector.name,
        "turn": described["turn"], "samples": task.sampling.samples, "rows": len(examples), "pairs": len(pairs),
        "languages": sorted({one.language for one in examples}), "skipped": dict(task.prompts.skipped),
    }  # fmt: skip
    document = make_document("distil", rows, summary, [*task.prompts.notes, *_notes(rows, task.detector)])
    tables.write(folder.path / "sft.parquet", examples, Example)
    tables.write(folder.path / "pairs.parquet", pairs, Pair)
    write_json(folder.path / "safety.json", document)
    manifest = folder.finish("safety distil", {**described, "rows": len(examples), "pairs": len(pairs)})
    return Distillation(folder.path, document, manifest, "unfinished" if folder.resumed else "")


def _notes(rows: Sequence[dict[str, Any]], detector: Detector) -> list[str]:
    """Say what a reader of the counts should know."""
    notes = []
    for row in rows:
        if row["prompts"] != "harmful" or row["language"] == "mul":
            continue
        if row["language"] not in detector.languages:
            notes.append(f"{row['language']}: the detector {detector.name} does not cover it: no answer could be kept.")
        elif row["answers"] and not row["kept"]:
            cut = row["dropped"].get(CUT_OFF, 0) > row["answers"] / 2
            step = "Let them end at a line break (--first-line), or give more tokens" if cut else "Give more samples"
            notes.append(f"{row['language']}: no refusal was kept. {step}, or examples in the preamble.")
    return notes
