"""Compiles the merge kernel when a wheel or an editable install is built, if there is a C compiler; else NumPy does its work.

One shared library for all versions of Python (it is called through ctypes and knows nothing of Python), in it the functions of
kernel.c once per level of instructions, of which the processor at hand takes the highest it has.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/polylect/merge/native")
# No fused multiply-add: results are those of NumPy, bit for bit. Nobody reads errno or traps floating-point faults.
FLAGS = ["-O3", "-std=c11", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
LEVELS = {0: [], 3: ["-march=x86-64-v3"], 4: ["-march=x86-64-v4"]}


class CustomBuildHook(BuildHookInterface):
    """Adds the compiled kernel to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say that it was left out; a compiler that fails is no reason not to install the rest."""
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None or os.name == "nt":
            self.app.display_warning("no C compiler: merging will use NumPy, which gives the same results, more slowly")
            return
        folder = Path(self.root) / FOLDER
        library = folder / "kernel.shared"
        try:
            build(compiler, folder / "kernel.c", library)
        except (OSError, subprocess.SubprocessError) as error:
            library.unlink(missing_ok=True)
            said = getattr(error, "stderr", None) or str(error)
            self.app.display_warning(f"the merge kernel cannot be compiled, merging will use NumPy, more slowly: {said}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["artifacts"].append(str(FOLDER / "kernel.shared"))


def build(compiler: str, source: Path, library: Path) -> None:
    """Compile `source` for every level that this kind of processor has, and link the parts to `library`."""
    levels = LEVELS if platform.machine() in {"x86_64", "AMD64"} else {0: []}
    mark = f"-DSOURCE={zlib.crc32(source.read_bytes())}u"
    with tempfile.TemporaryDirectory() as made:
        parts = [Path(made) / f"level{level}.o" for level in levels]
        for part, (level, flags) in zip(parts, levels.items(), strict=True):
            run(compiler, *FLAGS, *flags, mark, f"-DLEVEL={level}", "-c", str(source), "-o", str(part))
        linked = Path(made) / library.name
        run(compiler, "-shared", *map(str, parts), "-o", str(linked), "-lm")
        # Not copied over: a process may have the old one mapped.
        fresh = library.with_suffix(f".{os.getpid()}")
        shutil.copyfile(linked, fresh)
        fresh.replace(library)


def run(*command: str) -> None:
    """Run the compiler; its words go into the error."""
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
