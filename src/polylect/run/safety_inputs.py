"""The files of a recipe's safety: found, hashed, and held against each other and the recipe before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import DataError, ModelError, RecipeError
from polylect.recipe import Recipe
from polylect.recipe_safety import RecipeSafety

if TYPE_CHECKING:
    from polylect.safety.distilling_preamble import Preambles
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["check_inputs", "hashes", "preambles_of", "prompts_of", "texts"]

_SHOWN = 3


def hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of every file or folder of safety by its key.

    Raises:
        RecipeError: one does not exist.
    """
    from polylect.safety.folder import digest

    found = {}
    for key, name in files.items():
        hashed = digest(Path(name))
        if hashed is None:
            raise RecipeError(f"safety.{key}: {name} does not exist. Paths are relative to the working directory.")
        found[key] = hashed
    return found


def prompts_of(path: str, key: str) -> tuple[SafetyPrompt, ...]:
    """Return the prompts of a set.

    Raises:
        RecipeError: it cannot be read; names the recipe's key, file, row and column.
    """
    from polylect.safety.prompts import read_prompts

    try:
        return read_prompts(Path(path)).prompts
    except DataError as error:
        raise RecipeError(f"safety.{key}: {error}") from error


def preambles_of(path: str, key: str) -> Preambles:
    """Return the preambles of a file.

    Raises:
        RecipeError: it cannot be read.
    """
    from polylect.safety.distilling_preamble import read_preambles

    try:
        return read_preambles(Path(path))
    except (DataError, RecipeError) as error:
        raise RecipeError(f"safety.{key}: {error}") from error


def check_inputs(recipe: Recipe) -> None:
    """Find out before hours of work what the files of safety lack.

    Raises:
        RecipeError: a file cannot be read; no language has both harmful prompts and a preamble; nothing can be measured;
            a prompt that is measured is distilled, too; a model is not well named.
    """
    safety = recipe.safety
    if safety is None:
        return
    _check_models(safety)
    distilled: tuple[SafetyPrompt, ...] = ()
    if safety.prompts is not None and safety.preamble is not None:
        distilled = prompts_of(safety.prompts, "prompts")
        _check_preambles(safety, recipe.languages, distilled)
        if safety.anchor_preamble is not None:
            preambles_of(safety.anchor_preamble, "anchor_preamble")
    if safety.evaluate is not None:
        measured = [one for one in prompts_of(safety.evaluate.prompts, "evaluate.prompts") if one.language in recipe.languages]
        if not any(one.harmful and not one.lost for one in measured):
            raise RecipeError(
                f"safety.evaluate.prompts: {safety.evaluate.prompts} has no harmful prompt in {', '.join(recipe.languages)}: "
                "there is nothing to measure. Give prompts in the recipe's languages."
            )
        _check_apart(distilled, measured)
        _check_format(safety.evaluate.judge_format)


def _check_models(safety: RecipeSafety) -> None:
    from polylect.models.spec import parse_spec

    judge = safety.evaluate.judge if safety.evaluate else None
    for key, spec in (("teacher", safety.teacher), ("anchor_model", safety.anchor_model), ("evaluate.judge", judge)):
        if spec is None or (key != "evaluate.judge" and (spec == "base" or spec.startswith("teacher/"))):
            continue
        try:
            parsed = parse_spec(spec)
        except ModelError as error:
            raise RecipeError(f"safety.{key}: {error}") from error
        place = Path(parsed.target).expanduser()
        named = place.is_absolute() or spec.startswith((".", "~")) or spec.count("/") > 1
        if parsed.local and named and not place.is_dir():
            raise RecipeError(f"safety.{key}: no checkpoint is in {spec}. Paths are relative to the working directory.")


def _check_format(name: str | None) -> None:
    from polylect.errors import EvaluationError
    from polylect.safety.judge_formats import judge_format_of

    if name is None:
        return
    try:
        judge_format_of(name)
    except EvaluationError as error:
        raise RecipeError(f"safety.evaluate.judge_format: {error}") from error


def _check_preambles(safety: RecipeSafety, languages: Collection[str], prompts: Collection[SafetyPrompt]) -> None:
    preambles = preambles_of(str(safety.preamble), "preamble")
    harmful = {one.language for one in prompts if one.harmful and not one.lost}
    wanted = [tag for tag in safety.languages or languages if tag in harmful]
    lacking = [tag for tag in wanted if preambles.of(tag) is None]
    # A language that the recipe names and that cannot be distilled is a mistake; one that it does not name is left out.
    if not wanted or len(lacking) == len(wanted) or (lacking and safety.languages):
        has = ", ".join(sorted(preambles.by_language)) or "none"
        missing = f"no preamble for {', '.join(lacking)}" if wanted else "no harmful prompts in the languages to distil"
        raise RecipeError(
            f"safety.preamble: {missing}. Harmful prompts are in {', '.join(sorted(harmful)) or 'no language'}, preambles in "
            f"{has}. Write the missing ones, or name the languages to distil in safety.languages."
        )


def _check_apart(distilled: Collection[SafetyPrompt], measured: Collection[SafetyPrompt]) -> None:
    """A model is not measured on what it has learnt: no text may be in both sets."""
    learnt = {(one.language, one.text) for one in distilled}
    both = [f"{one.item} ({one.language})" for one in measured if (one.language, one.text) in learnt]
    if both:
        more = ", ..." if len(both) > _SHOWN else ""
        raise RecipeError(
            f"safety.evaluate.prompts: {len(both)} of its prompts are in safety.prompts, too: {', '.join(both[:_SHOWN])}{more}. "
            "Models would be measured on what they have learnt: take them out of one of the two."
        )


def texts(files: Mapping[str, Path | str], languages: Collection[str]) -> dict[str, list[str]]:
    """Return what safety asks and tells, per language: what a trimmed vocabulary must cover besides the recipe's prompts."""
    found: dict[str, list[str]] = {tag: [] for tag in languages}
    for tag, text in _texts(files, languages):
        found[tag].append(text)
    return {tag: sorted(set(own)) for tag, own in found.items()}


def _texts(files: Mapping[str, Path | str], languages: Collection[str]) -> Iterator[tuple[str, str]]:
    for key, path in files.items():
        if key.endswith("preamble"):
            told = preambles_of(str(path), key)
            yield from ((tag, line) for tag in languages for line in (told.of(tag) or "").splitlines() if line)
            continue
        for one in prompts_of(str(path), key):
            if one.language in languages:
                yield one.language, one.text
                if one.reference:
                    yield one.language, one.reference
