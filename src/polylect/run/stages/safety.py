"""Stages of a recipe's safety: distil refusals from an earlier checkpoint, mix them with the run's data, measure models."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polylect import tables
from polylect.errors import DataError
from polylect.progress import StageProgress
from polylect.records import MULTIPLE, Example, Pair
from polylect.run.context import Context
from polylect.run.safety_inputs import prompts_of
from polylect.run.safety_mixture import Mixture, Source, mixed_pairs, mixed_rows
from polylect.run.stages.common import about, draw, write_drops

if TYPE_CHECKING:
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["CHANGES", "SOURCE", "compare", "distil", "evaluate", "mixture"]

CHANGES = "changes.json"
"""File of the comparison's output: what changed from the first model to each later one, paired prompt by prompt."""

SOURCE = "source.json"
"""File of the distillation's output: which prompts are harmless, their categories, and who is whose twin."""

_SAME = ("turn", "samples", "temperature", "top_p", "max_tokens", "keep", "least_letters", "languages", "anchor_samples")
_SHOWN = 4

R = TypeVar("R", Example, Pair)


def distil(context: Context) -> None:
    """Let the teacher refuse with the preamble before a prompt, and keep what the student is to learn without it.

    Raises:
        DataError: no refusal was kept; names the reasons.
    """
    from polylect.safety.detectors import detector_of
    from polylect.safety.distilling import distil as distilled
    from polylect.safety.policy import leaks

    settings, paths = context.settings, context.paths
    with _store(context):
        found = distilled(
            _model(context, "teacher") or "",
            paths["prompts"],
            paths["preamble"],
            out=context.out,
            anchor_model=_model(context, "anchor_model"),
            anchor_preamble=paths.get("anchor_preamble"),
            stop=tuple(settings["stop"]),
            detector=detector_of(settings.get("detector_spec")),
            check=leaks if settings["drop_leaks"] else None,
            seed=context.seed,
            progress=_progress(context),
            **{key: settings[key] for key in _SAME},
        )
    prompts = prompts_of(str(paths["prompts"]), "prompts")
    own = [one for one in prompts if one.language in settings["languages"]]
    _write_source(context.out / SOURCE, own)
    context.note(sources=_sources(own))
    drops = Counter({"not in a language that is distilled": len(prompts) - len(own)})
    write_drops(context, +(drops + _dropped(found.document["rows"])))
    _note_distilled(context, found.document, found.manifest)


def _model(context: Context, role: str) -> str | None:
    """Return what opens a model: the checkpoint of another step, or what the recipe names."""
    if role in context.inputs:
        return str(context.inputs[role])
    spec: str | None = context.settings[role]
    if role == "teacher" and spec is not None and Path(spec).is_dir():
        context.note(model=about(spec, Path(spec)))
    return spec


@contextmanager
def _store(context: Context) -> Iterator[None]:
    """Let a command of `polylect safety` work in the step's folder, on the run's own store of answers, which survives kills."""
    from polylect.models import Store

    shared, own = context.store.absolute() / "answers.sqlite", context.out / ".store"
    with Store(shared):
        own.mkdir()
    (own / shared.name).symlink_to(shared)
    yield
    shutil.rmtree(own)
    (context.out / ".lock").unlink(missing_ok=True)


def _progress(context: Context) -> StageProgress:
    """Show what a command of `polylect safety` tells: the stage that it is in, how far, and what it cost so far."""
    return lambda stage, done, total, note: context.progress(done, total, "answers", " ".join(filter(None, (stage, note))))


def _write_source(path: Path, prompts: Sequence[SafetyPrompt]) -> None:
    """Write what the mixture needs to know of the prompts, without their texts."""
    rows = [
        {"item": one.item, "language": one.language, "harmful": one.harmful, "twin": one.twin, "categories": one.categories}
        for one in prompts
    ]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def _sources(prompts: Sequence[SafetyPrompt]) -> list[list[str]]:
    """Return source and licence of the prompts, for the report's list of what a run was made of."""
    return [list(pair) for pair in sorted({(one.source or "unknown", one.licence) for one in prompts})]


def _source(path: Path) -> Source:
    """Read the source of the safety rows. Either of two twins may name the other."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    harmless = frozenset((row["item"], row["language"]) for row in rows if not row["harmful"])
    twin = {}
    for row in rows:
        if row["twin"] is not None:
            place, other = (row["item"], row["language"]), (row["twin"], row["language"])
            twin[place if row["harmful"] else other] = other if row["harmful"] else place
    return Source(harmless, {(row["item"], row["language"]): tuple(row["categories"]) for row in rows}, twin)


def _dropped(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Return what became of the answers that were not kept, by language and reason."""
    found: Counter[str] = Counter()
    for row in rows:
        if row["language"] == MULTIPLE:
            continue
        what = "refusals" if row["prompts"] == "harmful" else "harmless answers"
        for reason, count in row["dropped"].items():
            found[f"{row['language']}: {what}: {reason}"] += count
        for name in ("spare", "harm_lost", "without_preamble"):
            found[f"{row['language']}: {what}: {name.replace('_', ' ')}"] += row[name]
    return found


def _note_distilled(context: Context, document: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Note the counts in the manifest.

    Raises:
        DataError: no refusal was kept.
    """
    sums = {row["prompts"]: row for row in document["rows"] if row["language"] == MULTIPLE}
    row = sums.get("harmful", {})
    spent = manifest["answers"]
    context.note(
        rows=document["summary"]["rows"],
        pairs=document["summary"]["pairs"],
        refusals=row.get("kept", 0),
        tokens=spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0),
        cost=spent.get("cost", 0),
    )
    if not row.get("kept"):
        reasons = Counter(row.get("dropped", {})).most_common(_SHOWN)
        told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons) or "none was given"
        raise DataError(
            f"safety: no refusal was kept of {row.get('answers', 0):,} answers to harmful prompts: {told}. Write worked examples "
            "of a question and its refusal into safety.preamble, give more safety.samples, or choose another safety.teacher."
        )


def mixture(context: Context) -> None:
    """Write the training's rows (or pairs) in some languages with a share of refusals (or safety pairs) among them.

    Raises:
        DataError: there are no pairs to mix, or no rows without safety.
    """
    settings, languages = context.settings, context.settings["languages"]
    told = settings.get("safety_languages", languages)
    safety, name = context.inputs["safety"], settings["table"]
    options: dict[str, Any] = {"keep_general": settings["keep_general"], "seed": context.seed}
    if settings["kind"] == "sft":
        general = _general(context, name, languages)
        rows = _read(safety / "sft.parquet", Example, told)
        options["anchors"] = settings["anchors"]
        _write(context, mixed_rows(general, rows, _source(safety / SOURCE), settings["share"], **options), Example)
        return
    general_pairs = _read(context.inputs["general"] / name, Pair, languages)
    pairs = _read(safety / "pairs.parquet", Pair, told)
    _check_pairs(settings["share"], languages, len(general_pairs), len(pairs))
    _write(context, mixed_pairs(general_pairs, pairs, settings["share"], **options), Pair)


def _general(context: Context, table: str, languages: Sequence[str]) -> list[Example]:
    """Return the rows without safety: the arbitrage's, or some of them and the model's own answers to other prompts.

    Raises:
        DataError: of the latter there are none.
    """
    rows = _read(context.inputs["general"] / table, Example, languages)
    if "most_general" not in context.settings:
        return rows
    rows = draw(rows, context.settings["most_general"], context.seed, "general")
    there = {row.prompt_id for row in rows}
    folder = context.inputs.get("rehearsal")
    own = [] if folder is None else _read(folder / table, Example, languages)
    kept = [row for row in own if row.prompt_id not in there]
    context.note(arbitrage=len(rows), rehearsed=len(kept), rehearsed_elsewhere=len(own) - len(kept))
    if not rows and not kept:
        raise DataError(
            "safety.last: neither a row of the arbitrage nor an answer of the model's own is left to stand beside the refusals: "
            "a model that only refuses would be learnt. Look at drops.json of the steps `arbitrage` and `rehearsal`."
        )
    return [*rows, *kept]


def _check_pairs(share: float, languages: Sequence[str], general: int, safety: int) -> None:
    """See that there is something to train on.

    Raises:
        DataError: the share is 1 and there are no safety pairs, or it is less and there are no others.
    """
    if share == 1 and not safety:
        raise DataError(
            f"safety.pairs: 1, but no safety pair is in {', '.join(languages)}: a pair needs a refusal with the preamble and a "
            "compliance without it (safety.json of the step `safety` counts both). Lower safety.pairs, or give more prompts."
        )
    if share < 1 and not general:
        raise DataError(
            f"safety.pairs: {share:g}, but the arbitrage has no pair in {', '.join(languages)} to mix safety pairs with. Lower "
            "arbitrage.min_margin, add teachers to the pool, or set safety.pairs to 1."
        )


def _read(path: Path, kind: type[R], languages: Sequence[str]) -> list[R]:
    return [row for row in tables.read(path, kind, allow_empty=True) if row.language in languages]


def _write(context: Context, found: Mixture[R], kind: type[R]) -> None:
    tables.write(context.out / context.settings["table"], found.rows, kind)
    write_drops(context, found.dropped)
    context.note(**found.as_dict())


def evaluate(context: Context) -> None:
    """Measure one model's safety as `polylect safety eval` does; the output is a folder that `polylect report` shows."""
    from polylect.safety.detectors import detector_of
    from polylect.safety.evaluation import evaluate as evaluated

    settings, path = context.settings, context.paths["evaluate.prompts"]
    with _store(context):
        found = evaluated(
            str(context.inputs["model"]),
            path,
            out=context.out,
            name=settings["stage"],
            languages=_with_prompts(path, settings["languages"]),
            detector=detector_of(settings.get("detector_spec")),
            judge=settings["judge"],
            judge_format=settings["judge_format"],
            max_tokens=settings["max_tokens"],
            stop=tuple(settings["stop"]),
            limit=settings["limit"],
            seed=context.seed,
            progress=_progress(context),
        )
    prompts = prompts_of(str(path), "evaluate.prompts")
    write_drops(context, +Counter({
        "not in a language of the recipe": sum(one.language not in settings["languages"] for one in prompts),
        **{f"{tag}: {why}": n for tag, reasons in found.document["summary"]["unscored"].items() for why, n in reasons.items()},
    }))  # fmt: skip
    context.note(sources=_sources([one for one in prompts if one.language in settings["languages"]]))
    spent = found.manifest["answers"]
    tokens = spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0)
    context.note(rows=found.manifest["rows"], tokens=tokens, cost=spent.get("cost", 0))


def _with_prompts(path: Path, languages: Sequence[str]) -> list[str]:
    there = {one.language for one in prompts_of(str(path), "evaluate.prompts")}
    return [tag for tag in languages if tag in there]


def compare(context: Context) -> None:
    """Write what changed in safety from the base to every later model."""
    from polylect.safety.changes import compare_evaluations

    names: list[str] = context.settings["stages"]
    document = compare_evaluations([context.inputs[name] for name in names], seed=context.seed)
    for name, one in zip(names, document["summary"]["evaluations"], strict=True):
        # A run's folder may move: its evaluations are named by their steps.
        one["folder"] = f"steps/{context.step.inputs[name]}"
    (context.out / CHANGES).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    context.note(stages=len(names), rows=len(document["rows"]))
