"""The process that has the heavy libraries loaded and forks one worker per step.

The standard library's forkserver is not used because it imports the caller's script again in each worker (a script without
`if __name__ == "__main__"` would start itself over), hides failed preloads, is one per process with one environment, has no
public way to be stopped, and outlives a killed parent for as long as a worker lives. Linux and macOS; not Windows.

Protocol over one socket pair: each byte from the parent carries the descriptor of a new worker's own socket; JSON lines go back:
{"ready": seconds}, {"worker": n, "pid": pid}, {"worker": n, "status": exit code, negative for a signal}.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

__all__ = ["serve"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(control_fd: int, preload: Sequence[str], parent: int) -> None:
    """Import `preload`, then fork a worker for every request until the parent closes its end or dies."""
    _die_with(parent)
    control = socket.socket(fileno=control_fd)
    started = time.monotonic()
    _load(preload)
    # Objects that live for ever are taken out of the garbage collector's sight: its marks would copy shared pages.
    gc.collect()
    gc.freeze()
    _tell(control, ready=time.monotonic() - started)
    _Server(control).loop()


def _load(preload: Sequence[str]) -> None:
    """Import each module; a failure is logged and left to the step that needs the module."""
    for name in preload:
        try:
            importlib.import_module(name)
        except Exception:
            print(f"preloading {name} failed; a step that needs it will say so:", file=sys.stderr)
            traceback.print_exc()
    sys.stderr.flush()


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, be it by kill -9 (Linux; elsewhere the closed socket tells)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _tell(control: socket.socket, **message: Any) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


class _Server:
    """Serves one parent; `pids` maps the running workers to the number of their request."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.pids: dict[int, int] = {}
        self.count = 0
        self.wake, self.wake_write = socket.socketpair()
        self.wake.setblocking(False)
        self.wake_write.setblocking(False)
        signal.set_wakeup_fd(self.wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def loop(self) -> None:
        """Fork on request and report ends; return when the parent is gone."""
        try:
            while True:
                ready, _, _ = select.select([self.control, self.wake], [], [])
                if self.wake in ready:
                    self.wake.recv(4096)
                    self.reap()
                if self.control in ready and not self.accept():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for pid in self.pids:
                _kill_group(pid)

    def accept(self) -> bool:
        """Fork the worker that is asked for; return False at the end of requests."""
        request, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
        if not request:
            return False
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self.become_worker(descriptors[0], server)
        os.close(descriptors[0])
        self.pids[pid] = self.count
        _tell(self.control, worker=self.count, pid=pid)
        self.count += 1
        return True

    def become_worker(self, descriptor: int, server: int) -> NoReturn:
        """Run one job in the forked child and never return into the server's loop."""
        code = 1
        try:
            os.setpgid(0, 0)
            _die_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self.control, self.wake, self.wake_write):
                inherited.close()
            from polylect.run.worker import main

            code = main(socket.socket(fileno=descriptor))
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
                ctypes.CDLL(None).fflush(None)
            os._exit(code)

    def reap(self) -> None:
        """Report every worker that has ended, and end what it may have left running."""
        statuses: Mapping[int, int] = dict(_ended())
        for pid, status in statuses.items():
            number = self.pids.pop(pid, None)
            if number is not None:
                _kill_group(pid)
                _tell(self.control, worker=number, status=os.waitstatus_to_exitcode(status))


def _ended() -> list[tuple[int, int]]:
    found = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(ended)
    return found


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
