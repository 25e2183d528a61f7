"""More than one machine: the Ray cluster on which a run's models answer (`runtime.executor: ray`)."""

from __future__ import annotations

import os
import secrets
import selectors
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from polylect.errors import RunError

__all__ = ["Cluster", "RayHead"]

_ADDRESS = "RAY_ADDRESS"
_PATIENCE = 120.0
"""Seconds that Ray may take to start; it needs some 5 on two cores."""

_HOLD = """
import logging, sys
import ray
ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What an actor that holds a model asks of the cluster; never part of a step's key.

    Attributes:
        num_cpus: cores of an actor, which are its threads as well.
        num_gpus: GPUs of an actor whose model is no endpoint.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0


class RayHead:
    """The cluster of one run: the one that $RAY_ADDRESS names ("auto": the one on this machine), else one that is started here.

    What is started here lives in a process that ends with this one, however that ends; only who has the run's own token can
    use it. Use as a context manager.

    Args:
        log: file that takes what Ray says.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> RayHead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def environment(self) -> dict[str, str]:
        """Return what the steps' processes need to find the cluster, which is there when this returns.

        Raises:
            RunError: Ray is not installed or does not start.
        """
        if find_spec("ray") is None:
            raise RunError("runtime.executor: ray: Ray is not installed. Install it with: pip install 'polylect[ray]'")
        if os.environ.get(_ADDRESS):
            return {}
        # A cluster that is started here would report its use to its makers, and take work from whoever reaches its port.
        own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        environment = {**own, **os.environ}
        return {**{name: environment[name] for name in own}, _ADDRESS: self._start(environment)}

    def _start(self, environment: Mapping[str, str]) -> str:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _HOLD],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
            )
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(_PATIENCE) else ""
        if not line:
            self._process.kill()
            self._process.wait()
            raise RunError(f"runtime.executor: ray: Ray does not start on this machine. What it said is in {self._log}.")
        return line.strip()
