"""`polylect.arbitrage.generate`: one model answers a prompt table, through the same engine and store as an arbitrage."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage import stages
from polylect.arbitrage.cluster import cluster
from polylect.arbitrage.folder import OutputFolder
from polylect.arbitrage.manifest import made_by, teachers_as_dict
from polylect.arbitrage.outputs import TableWriter, read_part
from polylect.arbitrage.plans import Plan
from polylect.arbitrage.preparing import prepare
from polylect.arbitrage.prompt_table import PromptTable
from polylect.arbitrage.settings import Settings
from polylect.arbitrage.starting import Summary, checks_of, finished_summary, identity_of, in_folder, prompt_table
from polylect.arbitrage.teachers import Teacher, teachers_of
from polylect.progress import StageProgress
from polylect.records import Completion

if TYPE_CHECKING:
    from polylect.arbitrage.checks import Checks
    from polylect.models.engine import Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["generate"]


def generate(
    prompts: str | Path,
    model: str | Model,
    *,
    out: str | Path,
    resume: bool = False,
    max_in_flight: int | None = None,
    store: str | Path | None = None,
    checks: Checks | bool = False,
    retries: Retries | None = None,
    executor: str = "local",
    ray_address: str | None = None,
    num_gpus: float = 0.0,
    progress: StageProgress | None = None,
    **settings: Any,
) -> Summary:
    """Let one model answer a table of prompts; write completions.parquet and manifest.json.

    A killed run goes on where it stopped when it is called again with the same arguments; a finished one is returned as it is.

    Args:
        prompts: a .parquet or .jsonl table, see `polylect.arbitrage.prompt_table`.
        model: a spec (`served:http://127.0.0.1:8000/v1#name`, a local name or folder, ...) or a model.
        out: folder of the result: new, or that of an unfinished run.
        resume: ask again what failed in a finished run.
        max_in_flight: most requests at a time.
        store: SQLite file of answers to use instead of the folder's own.
        checks: settings of the checks of every answer, or whether there are any.
        retries: how the engine tries again.
        executor: "local", or "ray": a Ray cluster's actors open the models and ask; this process writes the store.
        ray_address: of the cluster; None: that of $RAY_ADDRESS, else a new one on this machine.
        num_gpus: of an actor on the cluster.
        progress: called with (stage, done, total, note).
        settings: those of `polylect.arbitrage.Settings` about sampling and the prompt table.

    Raises:
        DataError: the prompt table breaks a rule.
        RecipeError: a setting is wrong.
        ModelError: the model cannot be had.
        RunError: the folder is in use, or holds something else.
        EndpointError: nothing was answered; what is stored is kept.
    """
    from polylect.models.engine import Limits

    strict = checks_of(checks)
    chosen = Settings.of({"repeats": "off", "pairs": "none", "reroute": False, **settings})
    where = cluster(executor, ray_address, num_gpus)
    table = prompt_table(prompts, chosen)
    teachers = _teacher(model, chosen)
    used = {name: value for name, value in chosen.as_dict().items() if name in _USED}
    identity = identity_of("generate", table, strict, model=teachers_as_dict(teachers), **used)
    limits = Limits(in_flight=max_in_flight)

    def run(folder: OutputFolder, answers: Store) -> Summary:
        return _run(stages.Work(chosen, teachers, answers, folder, strict, None, limits, retries, progress, where), table)

    return in_folder(out, identity, store, run, resume=resume)


_USED = ("max_tokens", "temperature", "top_p", "samples", "stop", "seed", "languages", "splits", "skip_bad_rows", "heldout_share")


def _run(work: stages.Work, table: PromptTable) -> Summary:
    folder = work.folder
    began = time.monotonic()
    prepared = _once(folder, "prepare", lambda: prepare(table, folder.path, folder.work, work.settings).as_dict())
    count = prepared["prompts"]

    def plan() -> dict[str, Any]:
        work.plans("plan").write([Plan(1, (0,))] * len(window) for window in work.prompts())
        return {}

    _once(folder, "plan", plan)
    asked = _once(folder, "ask", lambda: stages.ask_planned(work, [count]))
    _once(folder, "check", lambda: stages.check_answers(work, count))
    written = _written(work)
    folder.finish(
        {
            **made_by("polylect generate"),
            "inputs": {"prompts": str(table.path)},
            "prompts": prepared,
            **written,
            "requests": {"ask": asked},
            "seconds": {"all": round(time.monotonic() - began, 3)},
            "resumed": folder.resumed,
        }
    )
    return finished_summary(folder, found="unfinished" if folder.resumed else "")


def _written(work: stages.Work) -> dict[str, Any]:
    """Write the answers as one table; return what it holds: rows, statuses, reasons, tokens and their price."""
    status: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    with TableWriter(work.folder.path / "completions.parquet", Completion) as writer:
        for number, _ in enumerate(work.prompts()):
            rows = read_part(work.part("checked", number), Completion)
            writer.write(rows)
            for row in rows:
                status[row.status] += 1
                reasons.update([row.reason] if row.reason is not None else [])
                tokens.update(prompt=row.prompt_tokens, completion=row.completion_tokens)
    return {
        "rows": {"completions": writer.rows},
        "status": dict(status),
        "reasons": dict(reasons.most_common()),
        "tokens": dict(tokens),
        "cost_usd": round(work.teachers[0].model.price.of(tokens["prompt"], tokens["completion"]), 6),
    }


def _teacher(model: str | Model, settings: Settings) -> list[Teacher]:
    """Return the model as the only teacher of a pool."""
    from polylect.models.spec import open_model

    if not isinstance(model, str):
        return teachers_of([model], settings.sampling)
    return [replace(one, member=replace(one.member, spec=model)) for one in teachers_of([open_model(model)], settings.sampling)]


def _once(folder: OutputFolder, stage: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do a stage that is not whole yet; return what it noted."""
    return folder.done(stage) or folder.mark(stage, do())
