"""The documentation cannot go stale: keys, columns, help texts, links and imports are held against the code."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import recipe_tables
import record_tables
from command_help import FOLDER, commands_on, with_help

from polylect.recipe import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
_COMMANDS = {
    "run", "why", "report", "languages", "merge", "merge search", "merge extract", "arbitrage", "generate", "prompts translate",
    "prompts ground", "prompts instruct", "train trim", "train reward", "eval", "compare", "power", "import lm-eval", "export",
    "gap tokenizer", "gap coverage", "gap performance", "survey", "card", "safety eval",
    "safety mix-or-merge", "safety attack",
    "safety drift", "safety distil",
}  # fmt: skip


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_keys_of_a_recipe_are_those_of_its_page() -> None:
    """Every table of keys, with values, defaults and meanings, is what the models say."""
    page = _text(recipe_tables.PAGE)
    assert recipe_tables.with_tables(page) == page, "run: python tests/docs/recipe_tables.py"


def test_no_section_of_a_recipe_is_left_out() -> None:
    """Every model of a recipe has a table on the page; sections of the same model share one."""
    sections = recipe_tables.sections()
    shown = {sections[key] for key in recipe_tables.marked(_text(recipe_tables.PAGE))}
    assert {key for key, model in sections.items() if model not in shown} == set()


def test_every_section_has_a_heading() -> None:
    """A reader finds each top-level section by its name in a heading, and each shipped recipe in the text."""
    page = _text(recipe_tables.PAGE)
    headings = " ".join(line for line in page.splitlines() if line.startswith("#"))
    top = [key for key in recipe_tables.sections() if "." not in key and key != "recipe"]
    missing = [key for key in ["pool", *top] if f"`{key}`" not in headings]
    assert missing == []


def test_shipped_recipes_are_valid_and_mentioned() -> None:
    """Each file in recipes/ can be read and is on the page."""
    files = sorted((ROOT / "recipes").glob("*.yaml"))
    assert files
    for path in files:
        assert load(path).name == path.stem
        assert f"recipes/{path.name}" in _text(recipe_tables.PAGE)


def test_the_columns_of_the_tables_are_those_of_the_records() -> None:
    """docs/run-folder.md shows every record type with its columns."""
    page = _text(record_tables.PAGE)
    assert record_tables.with_records(page) == page, "run: python tests/docs/record_tables.py"


def test_every_command_has_a_page_with_its_own_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """The synopsis and the options on a command's page are what `--help` prints."""
    monkeypatch.setenv("COLUMNS", "80")
    pages = {path: _text(path) for path in FOLDER.glob("*.md")}
    assert {command for text in pages.values() for command in commands_on(text)} == _COMMANDS
    for path, text in pages.items():
        assert with_help(text) == text, f"{path.name}: run python tests/docs/command_help.py"


def test_every_known_command_is_in_the_list_of_pages() -> None:
    """A new command without a page fails here."""
    from polylect.cli.main import _COMMANDS as GROUP
    from polylect.cli.main import _GAP, _IMPORT, _PROMPTS, _SAFETY, _TRAIN

    groups = {"train": _TRAIN, "prompts": _PROMPTS, "import": _IMPORT, "gap": _GAP, "safety": _SAFETY}
    grouped = {f"{group} {name}" for group, names in groups.items() for name in names}
    assert set(GROUP) - set(groups) | grouped == _COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    """Every link to a file of the repository leads to it, and its anchor to a heading there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(_text(page))):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", _text(path), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_compile_and_their_imports_exist(page: Path) -> None:
    """Every Python block is valid, and what it imports from Polylect is there."""
    for block in re.findall(r"^```python\n(.*?)^```$", _text(page), re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "polylect":
                module = import_module(str(node.module))
                missing = [alias.name for alias in node.names if not _has(module, str(node.module), alias.name)]
                assert missing == [], node.module


def _has(module: object, name: str, attribute: str) -> bool:
    if hasattr(module, attribute):
        return True
    try:
        import_module(f"{name}.{attribute}")
    except ModuleNotFoundError:
        return False
    return True


def test_limits_are_where_a_reader_looks() -> None:
    """What cannot be done is said on the first page and with the recipe's keys."""
    for page in ("index.md", "recipe.md"):
        assert "FSDP" in _text(ROOT / "docs" / page), page
