"""The parent's side of the workers: start the server that forks them, hand out jobs, hear what becomes of them."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.errors import RunError

__all__ = ["Worker", "Workers", "default_threads"]


def default_threads(jobs: int) -> int:
    """Return how many threads a step may use when `jobs` run side by side: the cores at hand shared out.

    A step that runs alone leaves one core to the rest of the machine: PyTorch waits for its slowest thread, and on a core
    that something else needs this has cost a factor of 16.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1 if jobs == 1 else cores // jobs)


def _environment(threads: int, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the workers: the caller's, with thread counts and a fixed hash seed for reproducible sets."""
    counts = ("OMP", "MKL", "OPENBLAS", "RAYON", "VECLIB", "NUMEXPR")
    return {
        **os.environ,
        **{f"{library}_NUM_THREADS": str(threads) for library in counts},
        "POLARS_MAX_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "0",
        **more,
    }


@dataclass
class Worker:
    """One step at work. `status` is None while it lives, then its exit code (negative: the signal that killed it)."""

    number: int
    connection: socket.socket
    pid: int = 0
    status: int | None = None
    error: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    buffer: bytes = b""


class Workers:
    """Starts its server with the first job, so that a run with nothing to do loads nothing. Use as a context manager.

    Args:
        preload: modules that the server imports.
        threads: of one worker.
        log: file that takes what the server says.
        lock_fd: descriptor of the run folder's lock, kept open by the server.
        environment: called when the server starts; returns variables that the workers see besides the caller's.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str],
        threads: int,
        log: Path,
        lock_fd: int,
        environment: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.preload, self.threads, self.log, self.lock_fd = list(preload), threads, log, lock_fd
        self._environment = environment
        self.server: subprocess.Popen[bytes] | None = None
        self.loaded: float | None = None
        self._control: socket.socket | None = None
        self._buffer = b""
        self._workers: dict[int, Worker] = {}
        self._count = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def submit(self, job: Mapping[str, Any]) -> Worker:
        """Have a worker forked for `job` (see `worker.job_of`) and return its handle at once."""
        if self._control is None:
            self._control = self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"w"], [theirs.fileno()])
        ours.sendall(json.dumps(job).encode() + b"\n")
        ours.setblocking(False)
        worker = Worker(number=self._count, connection=ours)
        self._workers[worker.number] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)
        self._count += 1
        return worker

    def wait(self, timeout: float) -> list[Worker]:
        """Take in messages for at most `timeout` seconds; return the workers that ended.

        Raises:
            RunError: the server is gone, and the workers with it.
        """
        ended = []
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                self._hear(key.data)
        for key, _ in self._selector.select(0):
            if key.data is None:
                ended += self._hear_server()
        return ended

    def pids(self) -> list[int]:
        """Return the process ids of the server and of all living workers."""
        server = [self.server.pid] if self.server is not None else []
        return server + [worker.pid for worker in self._workers.values() if worker.pid]

    def stop(self, patience: float = 3.0) -> None:
        """End the server; it kills all workers that still run, and the kernel does if it cannot."""
        if self.server is None or self._control is None:
            return
        self._control.close()
        if self.loaded is None:  # it still imports and hears nothing; no worker exists yet
            self.server.kill()
        try:
            self.server.wait(patience)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        for worker in self._workers.values():
            worker.connection.close()
        self._selector.close()
        self.server = self._control = None

    def _start(self) -> socket.socket:
        environment = _environment(self.threads, self._environment())
        ours, theirs = socket.socketpair()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            f"from polylect.run.forkserver import serve; serve({theirs.fileno()}, {self.preload!r}, {os.getpid()})"
        )
        with theirs, self.log.open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno(), self.lock_fd],
                start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
            )
        self._selector.register(ours, selectors.EVENT_READ, None)
        return ours

    def _hear_server(self) -> list[Worker]:
        assert self._control is not None
        received = self._control.recv(65536)
        if not received:
            raise RunError(self._lost())
        lines = (self._buffer + received).split(b"\n")
        self._buffer = lines.pop()
        ended = [self._server_said(json.loads(line)) for line in lines]
        return [worker for worker in ended if worker is not None]

    def _server_said(self, message: Mapping[str, Any]) -> Worker | None:
        if "ready" in message:
            self.loaded = message["ready"]
            return None
        worker = self._workers[message["worker"]]
        if "pid" in message:
            worker.pid = message["pid"]
            return None
        self._hear(worker)
        worker.status = message["status"]
        if worker.connection.fileno() >= 0:
            self._drop(worker)
        del self._workers[worker.number]
        return worker

    def _lost(self) -> str:
        assert self.server is not None
        status = self.server.wait()
        how = f"was killed by signal {-status}: out of memory?" if status < 0 else f"ended with code {status}"
        return (
            f"the server process of the workers {how} Its log is {self.log}. Run the same command again: finished steps are kept."
        )

    def _hear(self, worker: Worker) -> None:
        """Take in everything that a worker has sent so far."""
        if worker.connection.fileno() < 0:
            return
        for line in self._lines(worker):
            message = json.loads(line)
            if message["type"] == "error":
                worker.error = message
            else:
                worker.progress = message

    def _lines(self, worker: Worker) -> Iterator[bytes]:
        while True:
            try:
                received = worker.connection.recv(65536)
            except BlockingIOError:
                return
            except ConnectionResetError:
                received = b""
            if not received:
                self._drop(worker)
                return
            *lines, worker.buffer = (worker.buffer + received).split(b"\n")
            yield from lines

    def _drop(self, worker: Worker) -> None:
        self._selector.unregister(worker.connection)
        worker.connection.close()
