"""The house rules: walls between the parts, a fast command line, public lists that are true, files of a readable size."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import polylect

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
HEAVY = {
    "accelerate", "aiohttp", "altair", "babel", "datasets", "matplotlib", "numpy", "pandas", "peft", "polars", "py3langid",
    "pyarrow", "pydantic", "ray", "sacrebleu", "scipy", "sklearn", "torch", "transformers", "trl",
}  # fmt: skip
MODULES = sorted(found.name for found in walk_packages(polylect.__path__, "polylect."))
PACKAGES = ["polylect", *sorted(found.name for found in walk_packages(polylect.__path__, "polylect.") if found.ispkg)]
# These hold functions that register themselves, and are imported for nothing else.
REGISTERED = "polylect.prompts.kinds."
# Settings are pydantic models, and pydantic models need pydantic: whoever imports these modules asks for settings.
SETTINGS = {
    "polylect.merge.step_settings", "polylect.models.pool_settings", "polylect.recipe", "polylect.recipe_safety",
    "polylect.safety.step_settings", "polylect.train.settings",
}  # fmt: skip


def python(code: str) -> str:
    """Run code in a Python of its own; return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of the checkout in `folder`."""
    tool = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [tool, "--config", folder / ".importlinter", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_walls_stand() -> None:
    """Every import contract of .importlinter is kept."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_planted_violations_are_caught(tmp_path: Path) -> None:
    """An import across each wall, planted in a copy, breaks the contract that guards it, and no other."""
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    planted = {
        "train/planted.py": "from polylect.evaluate import results",
        "models/planted.py": "def ask():\n    from polylect.run import execute\n    return execute",
        "report/planted.py": "from polylect.verifiable import normalise",
        "languages/planted.py": "import torch",
    }
    for name, code in planted.items():
        (tmp_path / "src" / "polylect" / name).write_text(f"{code}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    for name in planted:
        module = f"polylect.{name.removesuffix('.py').replace('/', '.')}"
        assert module in done.stdout, f"{module} was not caught"
    assert done.stdout.count(" BROKEN") == 4


def test_help_imports_nothing_heavy() -> None:
    """`polylect --help` leaves every large library alone."""
    code = "import sys; sys.argv = ['polylect', '--help']; from polylect.cli import main; main(); print(sorted(sys.modules))"
    loaded = set(re.findall(r"'([^']+)'", python(code).splitlines()[-1]))
    assert "polylect.cli.main" in loaded
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("polylect.run")} == set()


@pytest.mark.serial
def test_help_answers_at_once() -> None:
    """The median of five calls of `polylect --help` stays far from a noticeable wait (benchmarks/startup.py has the figure)."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "polylect", "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - began)
        assert "polylect run recipes/quickstart.yaml" in done.stdout
    median = statistics.median(seconds)
    print(f"polylect --help: median {1000 * median:.0f} ms of {[round(1000 * s) for s in seconds]}")
    assert median < 0.5


def test_every_module_is_light_to_import() -> None:
    """No module imports a large library at its top, but for numpy in the arithmetic of evaluation, merging and training."""
    code = (
        "import sys, json\nfrom importlib import import_module\n"
        f"heavy, found = set({sorted(HEAVY)!r}), {{}}\n"
        f"for name in {[name for name in MODULES if name not in SETTINGS]!r}:\n"
        "    before = set(sys.modules)\n    import_module(name)\n"
        "    new = (set(sys.modules) - before) & heavy\n"
        "    if new: found[name] = sorted(new)\n"
        "print(json.dumps(found))"
    )
    loaded = json.loads(python(code))
    assert {name: libraries for name, libraries in loaded.items() if set(libraries) - {"numpy", "pydantic"}} == {}
    numeric = {name for name, libraries in loaded.items() if "numpy" in libraries}
    arithmetic = ("polylect.evaluate.", "polylect.gap.performance.", "polylect.merge.", "polylect.run.merge_search")
    assert {name for name in numeric if not name.startswith(arithmetic)} <= {
        "polylect.resampling",
        "polylect.models.gguf_convert",
        "polylect.models.gguf_file",
        "polylect.train.trim_weights",
        "polylect.train.vocabulary",
    }
    assert {name for name, libraries in loaded.items() if "pydantic" in libraries} <= {
        "polylect.run.api",
        "polylect.run.estimate",
    }


def test_import_has_no_side_effects() -> None:
    """Importing every package changes no environment variable, logger, signal handler, warning filter or working folder."""
    code = (
        "import os, sys, logging, signal, threading, warnings\nfrom importlib import import_module\n"
        "def state():\n"
        "    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]\n"
        "    root = logging.getLogger()\n"
        "    return (dict(os.environ), os.getcwd(), handlers, list(root.handlers), root.level, threading.active_count(),\n"
        "            list(warnings.filters), sorted(n for n in logging.root.manager.loggerDict if n.startswith('polylect')))\n"
        "before = state()\n"
        f"for name in {PACKAGES!r}: import_module(name)\n"
        "after = state()\n"
        "print([b == a for b, a in zip(before, after)])"
    )
    assert python(code).strip() == str([True] * 8)


def rank(name: str) -> tuple[int, str]:
    """Sort constants before classes before functions, each by name: the order that ruff keeps."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("name", [*PACKAGES, *(name for name in MODULES if name not in PACKAGES)])
def test_public_list_is_true(name: str) -> None:
    """Every module says what is public, but for those that only register; each name is there, once, in order."""
    module = import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    if name.startswith(REGISTERED) or name == "polylect.run.stages":
        assert not hasattr(module, "__all__")
        return
    assert list(module.__all__) == sorted(set(module.__all__), key=rank)
    for public in module.__all__:
        assert getattr(module, public) is not None


@pytest.mark.parametrize("name", ["polylect.models", "polylect.train", "polylect.evaluate"])
def test_unknown_name_of_a_lazy_package_is_an_attribute_error(name: str) -> None:
    """A package that loads its parts when asked says which name it does not have."""
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        import_module(name).no_such_name  # noqa: B018


def texts() -> Iterator[Path]:
    """Yield the text files of the repository; what git ignores and what tools leave behind is passed over."""
    skipped = {".git", ".venv", "runs", "dist", "build", "__pycache__", "node_modules"}
    for folder, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in skipped and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder) / name for name in files)


def test_files_are_of_a_readable_size() -> None:
    """No Python file has more than 400 lines: a larger one is two."""
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in texts() if path.suffix == ".py"}
    assert len(lengths) > 100
    assert {str(path): length for path, length in lengths.items() if length > 400} == {}


def test_repository_names_no_workplace() -> None:
    """No file speaks of the machine it was written on: its folders, or a home."""
    # Put together here, so that this file does not hold what it looks for.
    pattern = re.compile(rb"/" + rb"work\b(?!-)|/" + rb"tmp/w\b|/" + rb"root/|/" + rb"home/\w+/")
    found = []
    for path in texts():
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            found += [f"{path.relative_to(ROOT)}: {match[0].decode()}" for match in pattern.finditer(content)]
    assert found == []


def test_tests_have_names_of_their_own() -> None:
    """Two test files of one name cannot be collected side by side."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
