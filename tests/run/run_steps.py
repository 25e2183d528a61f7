"""Stage functions small enough to watch the runner at work; not a test module."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from polylect.errors import DataError, EndpointError
from polylect.run import Context, Step


def step(name: str, function: str = "write", *sources: str, **more: object) -> Step:
    """Return a step that calls a function of this module on the outputs of `sources`."""
    inputs = {f"input{number}": source for number, source in enumerate(sources)}
    return Step(name=name, function=f"run_steps:{function}", inputs=inputs, **more)  # type: ignore[arg-type]


def diamond(**settings: object) -> list[Step]:
    """Return base -> sft/left, sft/right -> merge; `settings` are those of sft/left."""
    return [
        step("merge", "write", "sft/left", "sft/right"),
        step("sft/left", "write", "base", settings=settings),
        step("sft/right", "write", "base"),
        step("base"),
    ]


def executions(folder: Path) -> list[str]:
    """Return the names of the steps in the order in which they were started, over all runs of a folder."""
    path = folder / "store" / "executions.txt"
    return path.read_text().split() if path.exists() else []


def _count(context: Context) -> None:
    with (context.store / "executions.txt").open("a") as file:
        file.write(context.step.name + "\n")


def write(context: Context) -> None:
    """Write the name of the step and what its inputs hold."""
    _count(context)
    text = "".join((path / "text.txt").read_text() for path in context.inputs.values())
    (context.out / "text.txt").write_text(f"{context.step.name}({text}{context.settings.get('word', '')})")
    (context.out / "deep" / "er").mkdir(parents=True)
    (context.out / "deep" / "er" / "data.bin").write_bytes(b"x" * 1000)
    context.note(rows=3, licences=["CC0-1.0"])


def nap(context: Context) -> None:
    """Sleep for settings["seconds"], telling how far it is; leave start and end times behind."""
    _count(context)
    began = time.time()
    for number in range(10):
        context.progress(number + 1, 10, "naps", note="resting")
        time.sleep(context.settings.get("seconds", 0.3) / 10)
    (context.out / "text.txt").write_text(f"{began} {time.time()}")


def refuse(context: Context) -> None:
    """Raise an error that is the user's to mend."""
    raise DataError("prompts.parquet, row 7, column 'text': empty. Fill it in.")


def unreachable(context: Context) -> None:
    """Raise the error of a service that is down."""
    raise EndpointError("http://localhost:1: no answer after 5 tries. Start the server.")


def crash(context: Context) -> None:
    """Fail by a bug."""
    (context.out / "half.bin").write_bytes(b"x" * 1000)
    {}["the missing key"]


def chatter(context: Context) -> None:
    """Write to both standard streams, from Python and from a child process."""
    _count(context)
    print("from print")
    print("from stderr", file=sys.stderr)
    os.system("echo from a child process")  # noqa: S605


def kill_itself(context: Context) -> None:
    """End as a process does that the kernel kills for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(context: Context) -> None:
    """End the process behind the runner's back."""
    os._exit(7)


def fill_disk(context: Context) -> None:
    """Fail as every write does on a full disk."""
    (context.out / "half.bin").write_bytes(b"x" * 1000)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def wrapped_full_disk(context: Context) -> None:
    """Fail as libraries do that hide the system's error behind one of their own."""
    raise RuntimeError("I/O error: No space left on device (os error 28)")


def fill_small_disk(context: Context) -> None:
    """Write more than the small file system of the test can hold."""
    (context.out / "big.bin").write_bytes(b"x" * 8_000_000)


def stage_manifest(context: Context) -> None:
    """Write a manifest of its own, as stages do that can be called without the runner."""
    (context.out / "manifest.json").write_text('{"method": "linear"}')


def leave_child(context: Context) -> None:
    """Return while a child process still runs."""
    child = subprocess.Popen(["sleep", "60"])
    context.note(child=child.pid)


def environment(context: Context) -> None:
    """Note what the worker sees of its surroundings."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "PYTHONHASHSEED")
    preloaded = "wave" in sys.modules
    context.note(**{name: os.environ.get(name) for name in names}, preloaded=preloaded, pid=os.getpid(), hash=hash("polylect"))
    context.note(path=str(context.paths.get("model", "")), files=dict(context.step.files))


def orphan(context: Context) -> None:
    """Leave the ids of the worker and its server where the test finds them, then hang in a call that never returns."""
    _count(context)
    (context.store / "pids.txt").write_text(f"{os.getpid()} {os.getppid()}")
    while True:
        time.sleep(60)


def orphan_once(context: Context) -> None:
    """Hang at the first attempt only."""
    if context.step.name in executions(context.store.parent):
        write(context)
    else:
        orphan(context)
