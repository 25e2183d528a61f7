"""Where teachers run: in this process, or on a Ray cluster (`executor: ray`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polylect.errors import ModelError, RecipeError

if TYPE_CHECKING:
    from polylect.arbitrage.asking import Order
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.ray_crew import RayJob
    from polylect.models.ray_worker import Opened
    from polylect.models.store import Store

__all__ = ["EXECUTORS", "Cluster", "cluster"]

EXECUTORS = ("local", "ray")

_BUDGETED = 64
"""Requests of a shard where there is a budget. Their cost is set aside until they are answered, by an estimate that is too high
at first: fewer of them leave more of the budget to be used."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that asks the teachers; its actors open the models, this process writes the store.

    Attributes:
        address: of the cluster, see `polylect.models.ray_shards.run_on_ray`.
        num_cpus: of an actor.
        num_gpus: of an actor.
    """

    address: str | None = None
    num_cpus: float = 1.0
    num_gpus: float = 0.0

    def run(
        self,
        orders: Sequence[Order],
        store: Store,
        *,
        limits: Limits | None,
        retries: Retries | None,
        progress: Callable[[Counts], None] | None,
    ) -> Counts:
        """Ask everything that the orders want and the store does not hold.

        Budgets are kept here: requests are admitted as shards are made of them, and settled as their rows arrive.

        Raises:
            RecipeError: a teacher was given as a model, which cannot be sent to another machine.
            ModelError, EndpointError: as `run_on_ray`, or a node has another model of a teacher's name than this machine.
        """
        from polylect.models.ray_shards import run_on_ray

        jobs = [self._job(order, limits) for order in orders]
        return run_on_ray(jobs, store, address=self.address, retries=retries, progress=progress)

    def _job(self, order: Order, limits: Limits | None) -> RayJob:
        from polylect.models.ray_crew import RayJob

        teacher, member = order.teacher, order.teacher.member
        if not member.spec:
            raise RecipeError(f"{teacher.name}: a model object cannot be sent to a Ray cluster. Give a pool file, or a spec.")

        def check(opened: Opened) -> None:
            # Answers are looked up by the key that this machine's model gives them.
            if opened.fingerprint != teacher.model.fingerprint:
                raise ModelError(
                    f"{teacher.name}: a node has another model behind {member.spec} than this machine "
                    f"(fingerprints {opened.fingerprint} and {teacher.model.fingerprint}). Copy the same folder to every node, "
                    "or name a revision."
                )

        job = RayJob(
            spec=member.spec,
            requests=order.requests,
            sampling=teacher.sampling,
            settings=member.opening(),
            limits=order.limits or limits,
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            opened=check,
        )
        return job if order.asker is None else replace(job, shard=_BUDGETED, stored=order.asker.settle)


def cluster(executor: str, address: str | None, num_gpus: float) -> Cluster | None:
    """Return the cluster that an executor names; None: this process asks.

    Raises:
        RecipeError: no such executor.
    """
    if executor not in EXECUTORS:
        raise RecipeError(f"executor {executor!r}: one of {', '.join(EXECUTORS)} is needed.")
    if executor == "local":
        return None
    return Cluster(address, num_gpus=num_gpus)
