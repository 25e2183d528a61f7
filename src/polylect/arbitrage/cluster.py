"""Where teachers run: in this process, or on a Ray cluster (`executor: ray`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polylect.arbitrage.teachers import Teacher
from polylect.errors import RecipeError
from polylect.models.requests import Request

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["EXECUTORS", "Cluster", "cluster"]

EXECUTORS = ("local", "ray")


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
        jobs: Sequence[tuple[Teacher, Iterable[Request]]],
        store: Store,
        *,
        limits: Limits | None,
        retries: Retries | None,
        progress: Callable[[Counts], None] | None,
    ) -> Counts:
        """Ask everything that the jobs want and the store does not hold.

        Raises:
            RecipeError: a teacher was given as a model, which cannot be sent to another machine.
            ModelError, EndpointError: as `run_on_ray`.
        """
        from polylect.models.ray_shards import RayJob, run_on_ray

        made = []
        for teacher, requests in jobs:
            if not teacher.member.spec:
                raise RecipeError(f"{teacher.name}: a model object cannot be sent to a Ray cluster. Give a pool file, or a spec.")
            own = teacher.member.limits
            given = own if own.in_flight or own.requests_per_minute or own.tokens_per_minute else limits
            made.append(
                RayJob(
                    spec=teacher.member.spec,
                    requests=requests,
                    sampling=teacher.sampling,
                    settings=teacher.member.opening(),
                    limits=given,
                    num_cpus=self.num_cpus,
                    num_gpus=self.num_gpus,
                )
            )
        return run_on_ray(made, store, address=self.address, retries=retries, progress=progress)


def cluster(executor: str, address: str | None, num_gpus: float, *, budget: bool = False) -> Cluster | None:
    """Return the cluster that an executor names; None: this process asks.

    Raises:
        RecipeError: no such executor, or a budget, which is kept where the answers are asked and cannot be shared by machines.
    """
    if executor not in EXECUTORS:
        raise RecipeError(f"executor {executor!r}: one of {', '.join(EXECUTORS)} is needed.")
    if executor == "local":
        return None
    if budget:
        raise RecipeError("--budget: is not kept on a Ray cluster. Leave it out, or use the executor local.")
    return Cluster(address, num_gpus=num_gpus)
