"""Rewrite the token ids that configuration files name when a model's tokens get other ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from polylect.errors import MergeError
from polylect.merge.tokenizer_files import shown

if TYPE_CHECKING:
    from polylect.merge.vocabulary import Alignment, Vocabulary

__all__ = ["remap_ids"]

_ID_KEY = re.compile(r"(?:_token_ids?|_token_index|^suppress_tokens|^begin_suppress_tokens|^bad_words_ids)$")
"""Keys of config.json and generation_config.json whose values are token ids, at any depth."""


def remap_ids(config: Mapping[str, Any], vocabulary: Vocabulary, alignment: Alignment) -> dict[str, Any]:
    """Return a model's config.json or generation_config.json with the ids of the output, and with its vocab_size.

    An id without a token stays where the output's row of that number has no token either.

    Args:
        config: the content of the file.
        vocabulary: of the model that the file belongs to (`Alignment.vocabularies` has it).
        alignment: of the output.

    Raises:
        MergeError: the file names a token that the output does not have, or the model has an embedding per layer (Gemma 3n)
            whose rows would move.
    """
    content: dict[str, Any] = dict(config)
    if vocabulary.ids != alignment.vocabulary.ids:
        content = _renumbered(content, _translation(vocabulary, alignment))
    if "model_type" in content:
        _set_size(content, alignment.size, vocabulary)
    return content


def _translation(vocabulary: Vocabulary, alignment: Alignment) -> Callable[[int, str], int]:
    token_of = {index: token for token, index in vocabulary.ids.items()}
    output = alignment.vocabulary.ids
    taken = set(output.values())

    def new_id(index: int, key: str) -> int:
        token = token_of.get(index)
        if token is not None and token in output:
            return output[token]
        if token is None and index < alignment.size and index not in taken:
            return index
        what = "which is the id of no token" if token is None else f"the token {shown(token)}, which the output does not have"
        raise MergeError(
            f"{vocabulary.folder}: {key} is {index}, {what}. Take configuration and generation settings of the model whose "
            'tokenizer is kept, or vocabulary "union".'
        )

    return new_id


def _renumbered(content: Any, new_id: Callable[[int, str], int]) -> Any:
    if isinstance(content, list):
        return [_renumbered(entry, new_id) for entry in content]
    if not isinstance(content, dict):
        return content
    return {
        key: _new_ids(value, key, new_id) if _ID_KEY.search(key) else _renumbered(value, new_id) for key, value in content.items()
    }


def _new_ids(value: Any, key: str, new_id: Callable[[int, str], int]) -> Any:
    if isinstance(value, list):
        return [_new_ids(entry, key, new_id) for entry in value]
    # Negative ids mean "none" in older configurations; true and false are no ids.
    return new_id(value, key) if type(value) is int and value >= 0 else value


def _set_size(content: dict[str, Any], size: int, vocabulary: Vocabulary) -> None:
    holder = content
    if isinstance(content.get("text_config"), dict):
        holder = content["text_config"] = {**content["text_config"]}
    if "vocab_size_per_layer_input" in holder and holder.get("vocab_size") != size:
        raise MergeError(
            f"{vocabulary.folder}: config.json has vocab_size_per_layer_input; models with an embedding per layer can be merged "
            "only with one and the same vocabulary."
        )
    holder["vocab_size"] = size
    if "vocab_size" in content:
        content["vocab_size"] = size
