"""Does a trimmed vocabulary hold the words of a refusal? What it lacks is spelt in pieces, and hard to learn and to say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.recipe import Recipe
from polylect.run.mix_or_merge_data import trained_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["spelling", "vocabulary_notes"]

_PIECES = 1.1
"""Tokens against those of the whole vocabulary from which on it is told."""


def vocabulary_notes(recipe: Recipe, base: Path, data: Iterable[Path]) -> Iterator[str]:
    """Yield what a recipe's trimmed vocabulary does to the answers of the safety data; nothing where it is not trimmed.

    Args:
        recipe: whose model is trained.
        base: its trimmed base model.
        data: tables of safety data.
    """
    paths = list(data)
    if not recipe.model.trim_vocabulary or not paths:
        return
    whole = _whole(recipe.model.base)
    if whole is None or not (base / "tokenizer.json").is_file():
        yield (
            "model.trim_vocabulary keeps the tokens of the recipe's own texts: words that only safety texts have are spelt in "
            "smaller pieces, alike for all candidates"
        )
        return
    longer = {tag: found for tag, found in spelling(base, whole, _answers(paths)).items() if found > _PIECES}
    if longer:
        times = ", ".join(f"{tag} {found:.1f}" for tag, found in longer.items())
        yield (
            f"model.trim_vocabulary keeps the tokens of the recipe's own texts: answers of the safety data take {times} times "
            "as many tokens as with the whole vocabulary, alike for all candidates. What is spelt in pieces is learnt badly: let "
            "the vocabulary hold these texts (`polylect train trim`, then model.base), or do not trim"
        )


def _whole(name: str) -> Path | None:
    """Return the folder of the untrimmed model if it is on this machine."""
    from polylect.errors import ModelError
    from polylect.models import resolve
    from polylect.models.bundled import BUNDLED

    if name not in BUNDLED and not Path(name).is_dir():
        return None
    try:
        folder = Path(resolve(name))
    except ModelError:
        return None
    return folder if (folder / "tokenizer.json").is_file() else None


def _answers(data: Iterable[Path]) -> dict[str, list[str]]:
    """Return language -> the answers that safety data teach."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in data:
        for tag, texts in trained_texts(path):
            found[tag].append(texts[0])
    return found


def spelling(trimmed: Path, whole: Path, texts: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Return language -> tokens of its texts with a trimmed vocabulary, divided by those with the whole one."""
    from tokenizers import Tokenizer

    short, long = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (trimmed, whole))
    return {tag: _tokens(short, own) / max(_tokens(long, own), 1) for tag, own in texts.items()}


def _tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> int:
    return sum(len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False))
