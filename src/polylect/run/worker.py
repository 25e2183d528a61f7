"""The life of one step in its own process: read the job, call the stage function, make the output whole, publish it."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import platform
import random
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polylect
from polylect import errors
from polylect.errors import PolylectError
from polylect.run.cluster import Cluster
from polylect.run.context import Context
from polylect.run.disk import full_disk_message, is_disk_full
from polylect.run.keys import Identity
from polylect.run.outputs import MANIFEST, SCHEMA, Outputs, folder_bytes, sync_folder, write_manifest
from polylect.run.steps import JSON, Step

__all__ = ["job_of", "main"]


def job_of(
    step: Step,
    identity: Identity,
    folder: Path,
    out: Path,
    log: Path,
    builds: Mapping[str, str],
    build: str,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Return what a worker must know, as JSON values; `builds` are those of the inputs, `build` is the new output's own."""
    return {
        "step": {**vars(step), "settings": dict(step.settings), "inputs": dict(step.inputs)}
        | {"files": dict(step.files), "paths": dict(step.paths), "libraries": list(step.libraries)},
        "key": identity.key,
        "parts": identity.parts,
        "folder": str(folder),
        "out": str(out),
        "log": str(log),
        "builds": dict(builds),
        "build": build,
        "cluster": None if cluster is None else vars(cluster),
    }


def main(connection: socket.socket) -> int:
    """Carry out the job that arrives on `connection`; progress and the error, if any, go back as JSON lines."""
    with connection.makefile("rb") as stream:
        job = json.loads(stream.readline())

    def send(message: Mapping[str, JSON]) -> None:
        connection.sendall(json.dumps(message).encode() + b"\n")

    started = time.monotonic()
    try:
        _redirect(Path(job["log"]))
        print(f"=== {_now()} step {job['step']['name']}, key {job['key'][:12]}, process {os.getpid()}")
        _carry_out(job, send)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a stage are failures of its step too
        _log_failure(error)
        send(_described(error, Path(job["folder"]), job["step"]["name"]))
        return 1
    print(f"=== {_now()} finished in {time.monotonic() - started:.1f} s")
    return 0


def _redirect(log: Path) -> None:
    """Send standard output and error to the log, at the level of descriptors: C libraries and child processes follow."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    faulthandler.enable(file=2)


def _carry_out(job: Mapping[str, Any], send: Callable[[Mapping[str, JSON]], None]) -> None:
    folder, out = Path(job["folder"]), Path(job["out"])
    step = Step(**{**job["step"], "libraries": tuple(job["step"]["libraries"])})
    outputs = Outputs(folder)
    inputs = {role: outputs.path(source) for role, source in step.inputs.items()}
    cluster = None if job["cluster"] is None else Cluster(**job["cluster"])
    context = Context(step=step, inputs=inputs, out=out, store=folder / "store", send=send, cluster=cluster)
    random.seed(step.seed)
    began, started = _now(), time.monotonic()
    _function(step)(context)
    send({"type": "progress", "done": None, "total": None, "unit": "", "note": "writing to disk"})
    made_by_stage = _taken_manifest(out)
    size = folder_bytes(out)
    sync_folder(out)
    measured = {"started": began, "seconds": round(time.monotonic() - started, 3), "bytes": size, "notes": context.notes}
    write_manifest(out, {**_about(job, step), **measured, **made_by_stage})
    outputs.publish(out, step.name)


def _about(job: Mapping[str, Any], step: Step) -> dict[str, JSON]:
    """Return what the manifest says of a step and of what carried it out."""
    return {
        "schema": SCHEMA,
        "name": step.name,
        "title": step.title,
        "key": job["key"],
        "build": job["build"],
        "parts": job["parts"],
        "inputs": job["builds"],
        "peak_memory_mb": round(_peak_memory(), 1),
        "polylect": polylect.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _function(step: Step) -> Callable[[Context], object]:
    module, _, name = step.function.partition(":")
    function: Callable[[Context], object] = getattr(importlib.import_module(module), name)
    return function


def _taken_manifest(out: Path) -> dict[str, JSON]:
    """Take in a manifest that the stage function wrote itself: its content becomes the field "stage" of the step's own."""
    path = out / MANIFEST
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return {"stage": content}


def _peak_memory() -> float:
    """Return the largest resident size of this process or of one of its children so far, in 10^6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, KiB on Linux (getrusage(2))
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit / 1e6


def _log_failure(error: BaseException) -> None:
    """Write the traceback to the log; on a full disk that fails too, and the message to the parent has to do."""
    try:
        traceback.print_exception(error)
        print(f"=== {_now()} failed: {_last_line(error)}")
    except OSError as failed:
        if not is_disk_full(failed):
            raise


def _described(error: BaseException, folder: Path, name: str) -> dict[str, JSON]:
    """Return the error as the parent gets it: the nearest kind of polylect.errors (or ""), message and exit code."""
    if is_disk_full(error):
        return {"type": "error", "kind": "RunError", "text": full_disk_message(folder, f"step {name!r}"), "exit_code": 2}
    if isinstance(error, PolylectError):
        kind = next(base.__name__ for base in type(error).__mro__ if base.__name__ in (*errors.__all__, "PolylectError"))
        return {"type": "error", "kind": kind, "text": str(error), "exit_code": error.exit_code}
    if isinstance(error, MemoryError):
        return {"type": "error", "kind": "", "text": "out of memory", "exit_code": 2}
    return {"type": "error", "kind": "", "text": _last_line(error), "exit_code": 1}


def _last_line(error: BaseException) -> str:
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
