"""`polylect.arbitrage.arbitrate`: a prompt table and a pool in, all answers, training sets and the routing report out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage import stages
from polylect.arbitrage.cluster import cluster
from polylect.arbitrage.folder import OutputFolder
from polylect.arbitrage.manifest import file_hash, made_by, teachers_as_dict
from polylect.arbitrage.outputs import write_json
from polylect.arbitrage.preparing import prepare
from polylect.arbitrage.prompt_table import PromptTable
from polylect.arbitrage.settings import Settings
from polylect.arbitrage.starting import Summary, checks_of, finished_summary, identity_of, in_folder, prompt_table
from polylect.arbitrage.teachers import Teacher, close_models, teachers_of
from polylect.errors import RecipeError
from polylect.progress import StageProgress

if TYPE_CHECKING:
    from polylect.arbitrage.arbiters import Arbiter
    from polylect.arbitrage.checks import Checks
    from polylect.arbitrage.choosing import Written
    from polylect.arbitrage.router_base import BaseRouter
    from polylect.models.engine import Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.pool import Pool
    from polylect.models.store import Store

__all__ = ["arbitrate"]


def arbitrate(
    prompts: str | Path,
    pool: str | Path | Pool | Sequence[Model],
    arbiter: str | Path | Mapping[str, Any] | Arbiter,
    router: str = "reward",
    *,
    out: str | Path,
    resume: bool = False,
    max_in_flight: int | None = None,
    budget: str | None = None,
    store: str | Path | None = None,
    checks: Checks | bool = True,
    retries: Retries | None = None,
    executor: str = "local",
    ray_address: str | None = None,
    num_gpus: float = 0.0,
    progress: StageProgress | None = None,
    **settings: Any,
) -> Summary:
    """Let a pool of teachers answer prompts in many languages, and make training sets of the answers that an arbiter prefers.

    A killed run goes on where it stopped when it is called again with the same arguments; a finished one is returned as it is.

    Args:
        prompts: a .parquet or .jsonl table, see `polylect.arbitrage.prompt_table`.
        pool: a POOL.yaml, a pool, or models that serve every language.
        arbiter: an ARBITER.yaml, its content, or an arbiter.
        router: random, single, fixed, reward, learned, fuse, or the name of a plug-in.
        out: folder of the result: new, or that of an unfinished run.
        resume: make a finished output anew from its store, and ask again what failed.
        max_in_flight: most requests at a time per endpoint, where the pool says nothing else.
        budget: what may be spent per language: "sw=2usd,default=200000tokens".
        store: SQLite file of answers to use instead of the folder's own.
        checks: settings of the checks of every answer, or whether there are any.
        retries: how the engine tries again.
        executor: "local", or "ray": a Ray cluster's actors open the models and ask; this process writes the store.
        ray_address: of the cluster; None: that of $RAY_ADDRESS, else a new one on this machine.
        num_gpus: of an actor on the cluster.
        progress: called with (stage, done, total, note).
        settings: see `polylect.arbitrage.Settings`.

    Raises:
        DataError: the prompt table breaks a rule.
        RecipeError: pool, arbiter, router or a setting is wrong.
        ModelError: a model cannot be had.
        RunError: the folder is in use, or holds something else.
        EndpointError: nothing was answered; what is stored is kept.
    """
    from polylect.models.pool import Pool

    chosen = Settings.of(settings)
    where = cluster(executor, ray_address, num_gpus)
    table = prompt_table(prompts, chosen)
    teachers = _teachers(pool, chosen)
    made = _router(router, teachers, chosen)
    spending = _budget(budget, teachers)
    strict = checks_of(checks)
    identity = identity_of(
        "arbitrage",
        table,
        strict,
        teachers=teachers_as_dict(teachers),
        arbiter=_identity(arbiter),
        router={"name": router, **asdict(made.settings)},
        budget=budget,
        **{name: value for name, value in chosen.as_dict().items() if name != "router_settings"},
    )
    owned = isinstance(pool, (str, Path, Pool))

    def run(folder: OutputFolder, answers: Store) -> Summary:
        work = stages.Work(chosen, teachers, answers, folder, strict, spending, _limits(max_in_flight), retries, progress, where)
        with closing(spending) if spending else nullcontext():
            return _Run(work, table, made, arbiter, owned=owned).run()

    return in_folder(out, identity, store, run, resume=resume)


class _Run:
    """The stages in their order; each is done once, whatever kills come between. `owned`: the teachers are closed when asked."""

    def __init__(self, work: stages.Work, table: PromptTable, router: BaseRouter, arbiter: Any, *, owned: bool) -> None:
        self.work, self.table, self.router, self._source, self._owned = work, table, router, arbiter, owned
        self.notes: dict[str, dict[str, Any]] = {}

    def run(self) -> Summary:
        """Do what is left to do."""
        from polylect.arbitrage.arbiters import TwoPass
        from polylect.arbitrage.fusing import PREFIX, fuse, writer_of

        work, folder = self.work, self.work.folder
        arbiter = _arbiter(self._source, work)
        writer = writer_of(work, self.router)
        prepared = self._stage(
            "prepare", lambda: prepare(self.table, folder.path, folder.work, work.settings, self._reading).as_dict()
        )
        count = prepared["prompts"]
        if self.router.probe:
            self._probe(arbiter, count)
            if isinstance(arbiter, TwoPass):
                # Its spread is that of the first windows, whether the probe was made now or before a kill.
                arbiter = _arbiter(self._source, work)
        counts = self._stage("plan", lambda: stages.plan_prompts(work, self.router, count))["counts"]
        self._stage("ask", lambda: stages.ask_planned(work, counts))
        again = self._stage("check", lambda: stages.check_answers(work, count))["counts"]
        if any(again):
            self._stage("reroute", lambda: stages.ask_again(work, again))
        if self._owned and writer is None:
            close_models(work.teachers)
        self._stage("score", lambda: stages.score_answers(work, arbiter, count))
        if writer is not None:
            self._stage("fuse", lambda: fuse(work, self.router, arbiter, writer, count))
            work.scored = PREFIX
        return self._write(count, writer)

    def _reading(self, done: int, total: int | None, note: str) -> None:
        self.work.tell("prepare", done, total, note)

    def _stage(self, name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a stage that is not whole yet; return what it noted."""
        notes = self.work.folder.done(name)
        if notes is None:
            began = time.monotonic()
            notes = do()
            notes = self.work.folder.mark(name, {**notes, "seconds": round(time.monotonic() - began, 3)})
        self.notes[name] = notes
        return notes

    def _probe(self, arbiter: Arbiter, count: int) -> None:
        from polylect.arbitrage.routers import load

        fresh = self.work.folder.done("probe") is None
        notes = self._stage("probe", lambda: stages.probe(self.work, self.router, arbiter, count))
        if not fresh:
            self.router = load(self.work.folder.work / "router", self.work.teachers)
            self.router.probe = notes["share"]

    def _write(self, count: int, writer: Teacher | None) -> Summary:
        from polylect.arbitrage.account_report import report
        from polylect.arbitrage.accounts import Accounts
        from polylect.arbitrage.choosing import write_tables

        work, folder = self.work, self.work.folder
        began = time.monotonic()
        translation = next((teacher.name for teacher in work.teachers if teacher.translated), None)
        accounts = Accounts([t.name for t in work.teachers], translation=translation, writer=writer.name if writer else None)
        written = write_tables(work, self.router, accounts, count, writer)
        for stage in ("ask", "reroute"):
            work.count_stored(stage)
        routing = report(
            accounts,
            seed=work.settings.seed,
            router={"name": self.router.name, **self.router.account()},
            budget=work.budget.report() if work.budget and work.budget.limits else None,
        )
        write_json(folder.path / "routing.json", routing)
        if self.router.probe:
            shutil.copytree(folder.work / "router", folder.path / "router", dirs_exist_ok=True)
        self.notes["write"] = {"seconds": round(time.monotonic() - began, 3)}
        manifest = {**made_by("polylect arbitrage"), **_counts(self.table.path, self.notes, written), "resumed": folder.resumed}
        folder.finish(manifest)
        return finished_summary(folder, found="unfinished" if folder.resumed else "")


def _counts(table: Path, notes: Mapping[str, Mapping[str, Any]], written: Written) -> dict[str, Any]:
    """Return the numbers of a manifest."""
    asked = {stage: notes[stage] for stage in ("probe", "ask", "reroute", "fuse") if stage in notes}
    return {
        "inputs": {"prompts": str(table)},
        "prompts": {name: value for name, value in notes["prepare"].items() if name != "seconds"},
        "rows": dict(written.rows),
        "status": dict(written.status),
        "reasons": dict(written.reasons.most_common()),
        "dropped": {name: dict(reasons.most_common()) for name, reasons in written.dropped.items()},
        "unserved": notes.get("plan", {}).get("unserved", {}),
        "licences": dict(written.licences.most_common()),
        "tokens": {"prompt": written.prompt_tokens, "completion": written.completion_tokens},
        "cost_usd": round(written.cost, 6),
        "requests": asked,
        "seconds": {
            **{stage: found["seconds"] for stage, found in notes.items()},
            "all": round(sum(f["seconds"] for f in notes.values()), 3),
        },
    }


def _limits(max_in_flight: int | None) -> Limits:
    from polylect.models.engine import Limits

    return Limits(in_flight=max_in_flight)


def _teachers(pool: str | Path | Pool | Sequence[Model], settings: Settings) -> list[Teacher]:
    from polylect.models.pool import load_pool

    opened = load_pool(Path(pool)) if isinstance(pool, (str, Path)) else pool
    return teachers_of(opened, settings.sampling)


def _router(name: str, teachers: Sequence[Teacher], settings: Settings) -> BaseRouter:
    """Return the router; its seed is that of the run unless it has one of its own."""
    from polylect.arbitrage.routers import router

    given = dict(settings.router_settings)
    made = router(name, teachers, given)
    if "seed" not in given and hasattr(made.settings, "seed"):
        made = router(name, teachers, {**given, "seed": settings.seed})
    return made


def _budget(text: str | None, teachers: Sequence[Teacher]) -> Any:
    """Return the budget, without limits where only costs are to be counted; None where nobody has a price."""
    from polylect.arbitrage.budget import Budget, read_budget

    if text is None and not any(teacher.model.price.input or teacher.model.price.output for teacher in teachers):
        return None
    budget = Budget(read_budget(text) if text is not None else {})
    budget.check(teacher.model for teacher in teachers)
    return budget


def _identity(arbiter: Any) -> Any:
    """Return what tells an arbiter from others: the hash of its file, its settings, or its name."""
    if isinstance(arbiter, (str, Path)):
        if not Path(arbiter).is_file():
            raise RecipeError(
                f"{arbiter}: no such file. Give a YAML file that describes the arbiter, at least `kind: verifiable`."
            )
        return file_hash(Path(arbiter))
    return dict(arbiter) if isinstance(arbiter, Mapping) else arbiter.name


def _arbiter(source: Any, work: stages.Work) -> Arbiter:
    """Return the arbiter; one made from a file is made anew, so that it has seen nothing yet."""
    from polylect.arbitrage.arbiters import load_arbiter

    if not isinstance(source, (str, Path, Mapping)):
        made: Arbiter = source
        return made
    return load_arbiter(source, store=work.store)
