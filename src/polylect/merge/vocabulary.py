"""Align the vocabularies of checkpoints by token string, so that rows of embeddings are merged with rows of the same token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polylect.errors import MergeError
from polylect.merge import tokenizer_files
from polylect.merge.token_ids import remap_ids
from polylect.merge.tokenizer_files import TokenizerFiles, shown

__all__ = ["Alignment", "Counts", "Vocabulary", "align", "difference", "remap_ids", "same", "tokens"]

_PARTS = ("normalizer", "pre_tokenizer", "decoder")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one tokenizer.

    ids: token string -> id, added tokens included. added: added token -> whether it is special (skipped when text is decoded).
    kind: type of the tokenizer's model. roles: "bos", "eos", "pad", "unk" -> token, where the files name one.
    """

    folder: Path
    kind: str
    ids: Mapping[str, int]
    added: Mapping[str, bool]
    roles: Mapping[str, str]

    @property
    def size(self) -> int:
        """Rows that the tokens need: the highest id and one."""
        return max(self.ids.values(), default=-1) + 1


@dataclass(frozen=True)
class Counts:
    """Tokens of one model against those of the output.

    kept: in both. dropped: in the model alone. missing: in the output alone. moved: kept under another id.
    """

    kept: int
    dropped: int
    missing: int
    moved: int


@dataclass(frozen=True)
class Alignment:
    """One vocabulary for the output and where each model has its rows.

    vocabulary: the output's tokens that have rows. size: rows of the output's embedding.
    rows, base_rows: int64 of shape (size,): for every row of the output the model's row, or -1 where it has none.
    plain, base_plain: whether those rows are 0, 1, 2, ... and, if the number of the model's rows is known, all of them.
    vocabularies, base_vocabulary: the tokens of each model that have rows.
    files: tokenizer files of the output, name (with "/" in it for subfolders) -> content.
    counts, base_counts: what became of each model's tokens. notes: what a user should know, one sentence or two each.
    """

    vocabulary: Vocabulary
    size: int
    rows: tuple[np.ndarray, ...]
    base_rows: np.ndarray | None
    plain: tuple[bool, ...]
    base_plain: bool
    vocabularies: tuple[Vocabulary, ...]
    base_vocabulary: Vocabulary | None
    files: Mapping[str, bytes]
    counts: tuple[Counts, ...]
    base_counts: Counts | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Model:
    """One model of an alignment: its tokenizer, the tokens that have rows, and the number of rows if it is known."""

    files: TokenizerFiles
    vocabulary: Vocabulary
    rows: int | None

    @property
    def size(self) -> int:
        return self.vocabulary.size if self.rows is None else self.rows


def tokens(folder: Path) -> Vocabulary:
    """Return the vocabulary of the checkpoint in `folder`, read from its tokenizer.json.

    Raises:
        MergeError: the file is missing, damaged or contradicts itself (see `tokenizer_files.read`).
    """
    return _vocabulary(tokenizer_files.read(folder), None)


def same(first: Path | Vocabulary, second: Path | Vocabulary) -> bool:
    """Say whether both have the same tokens under the same ids; of folders whose tokenizer.json are equal nothing is parsed."""
    if isinstance(first, Path) and isinstance(second, Path) and _equal_files(first, second):
        return True
    return _as_vocabulary(first).ids == _as_vocabulary(second).ids


def difference(first: Path | Vocabulary, second: Path | Vocabulary) -> str:
    """Return in one line how the tokens of two vocabularies differ: counts and the first few of each; "" if they do not."""
    one, two = _as_vocabulary(first), _as_vocabulary(second)
    alone = _first_few((token for token in one.ids if token not in two.ids), one.ids)
    extra = _first_few((token for token in two.ids if token not in one.ids), two.ids)
    moved = _first_few((token for token, index in one.ids.items() if two.ids.get(token, index) != index), one.ids)
    parts = [
        f"{alone[0]:,} tokens only in {one.folder} ({alone[1]})" if alone[0] else "",
        f"{extra[0]:,} only in {two.folder} ({extra[1]})" if extra[0] else "",
        f"{moved[0]:,} with another id ({moved[1]})" if moved[0] else "",
    ]
    return "; ".join(part for part in parts if part)


def align(
    folders: Sequence[Path],
    base: Path | None,
    mode: Literal["union", "base", "first"],
    row_counts: Sequence[int] | None = None,
) -> Alignment:
    """Align the vocabularies of the models in `folders`, and of `base`, by token string.

    "first" and "base" take that model's tokenizer and number of rows as they are. "union" extends the first model's tokenizer
    by the tokens that others have and it has not, in the order of their ids; the base adds none, but where the models are
    trimmed versions of it, its order of BPE merges decides. Rows past the first model's tokens (padding) are used for new
    tokens before the embedding grows; it grows to the number of tokens and is not padded again. A row without a token goes
    with the same row of another model if that has no token there either. Every row of the output has a row in at least one
    model, or in the base for "base".

    Args:
        folders: the models.
        base: the base model, if there is one.
        mode: which tokens the output has.
        row_counts: rows of each model's embedding, and last of the base's if there is one. None: as many as there are tokens.

    Raises:
        MergeError: a tokenizer cannot be read, the tokenizers cannot be united, no base is there for "base", or a model
            has no token in common with the output.
    """
    everything = [*folders, *([base] if base else [])]
    if mode == "base" and base is None:
        raise MergeError('vocabulary "base": no base model was given. Give one, or use vocabulary "first" or "union".')
    if row_counts is not None and len(row_counts) != len(everything):
        raise MergeError(f"row_counts: {len(row_counts)} numbers for {len(everything)} models (base included).")
    models, notes = _read(everything, row_counts, merges=mode == "union")
    reference = models[-1] if mode == "base" else models[0]
    output, size, files = reference.vocabulary, reference.size, tokenizer_files.copies(reference.files.folder)
    if mode == "union" and any(model.vocabulary.ids.keys() - output.ids.keys() for model in models[: len(folders)]):
        output, size, files, more = _union(models[: len(folders)], models[-1] if base else None)
        notes += more
    for number, model in enumerate(models):
        notes += _notes(reference.files, model.files, as_base=number == len(folders))
    placed = [_rows(output, size, model.vocabulary, model.size) for model in models]
    rows, counts = [row for row, _ in placed], [count for _, count in placed]
    _check_shared(models, counts, output)
    plain = [_plain(row, model) for row, model in zip(rows, models, strict=True)]
    at = len(folders)
    return Alignment(
        vocabulary=output,
        size=size,
        rows=tuple(rows[:at]),
        base_rows=rows[at] if base else None,
        plain=tuple(plain[:at]),
        base_plain=plain[at] if base else False,
        vocabularies=tuple(model.vocabulary for model in models[:at]),
        base_vocabulary=models[at].vocabulary if base else None,
        files=files,
        counts=tuple(counts[:at]),
        base_counts=counts[at] if base else None,
        notes=tuple(notes),
    )


def _vocabulary(files: TokenizerFiles, rows: int | None) -> Vocabulary:
    ids = files.vocabulary if rows is None else {token: index for token, index in files.vocabulary.items() if index < rows}
    added = {token: bool(entry.get("special", False)) for token, entry in files.added.items()}
    return Vocabulary(files.folder, files.kind, ids, added, files.roles)


def _check_shared(models: Sequence[_Model], counts: Sequence[Counts], output: Vocabulary) -> None:
    for model, count in zip(models, counts, strict=True):
        if not count.kept:
            raise MergeError(
                f"{model.files.folder}: not one of its tokens is among those of {output.folder}; nothing can be aligned."
            )


def _as_vocabulary(source: Path | Vocabulary) -> Vocabulary:
    return source if isinstance(source, Vocabulary) else tokens(source)


def _equal_files(first: Path, second: Path) -> bool:
    one, two = first / "tokenizer.json", second / "tokenizer.json"
    if not one.is_file() or not two.is_file() or one.stat().st_size != two.stat().st_size:
        return False
    return one.samefile(two) or one.read_bytes() == two.read_bytes()


def _first_few(found: Any, ids: Mapping[str, int]) -> tuple[int, str]:
    ordered = sorted(found, key=ids.__getitem__)
    return len(ordered), ", ".join(map(shown, ordered[:3])) + (", ..." if len(ordered) > 3 else "")


def _read(folders: Sequence[Path], row_counts: Sequence[int] | None, *, merges: bool) -> tuple[list[_Model], list[str]]:
    models: list[_Model] = []
    notes = []
    for number, folder in enumerate(folders):
        twin = next((model.files for model in models if _equal_files(model.files.folder, folder)), None)
        files = tokenizer_files.read(folder, merges=merges, twin=twin)
        rows = None if row_counts is None else row_counts[number]
        whole = _vocabulary(files, None)
        vocabulary = whole if rows is None or whole.size <= rows else _vocabulary(files, rows)
        if left_out := len(whole.ids) - len(vocabulary.ids):
            notes.append(f"{folder}: {left_out:,} tokens have no row in its embedding of {rows:,} rows and take no part.")
        models.append(_Model(files, vocabulary, rows))
    return models, notes


def _union(models: Sequence[_Model], base: _Model | None) -> tuple[Vocabulary, int, dict[str, bytes], list[str]]:
    from polylect.merge.vocabulary_union import unite

    first = models[0]
    union = unite([model.files for model in models], [model.vocabulary.ids for model in models], base.files if base else None)
    added = {entry["content"]: bool(entry.get("special", False)) for entry in union.content["added_tokens"]}
    vocabulary = Vocabulary(first.files.folder, first.files.kind, union.vocabulary, added, first.files.roles)
    size = max(first.size, vocabulary.size)
    return vocabulary, size, tokenizer_files.extended(first.files, union.content), list(union.notes)


def _rows(output: Vocabulary, size: int, model: Vocabulary, model_size: int) -> tuple[np.ndarray, Counts]:
    """Return for each of `size` rows of the output the row of the model, or -1, and the counts of tokens."""
    rows = np.full(size, -1, dtype=np.int64)
    own = np.fromiter(model.ids.values(), dtype=np.int64, count=len(model.ids))
    ids = np.fromiter(output.ids.values(), dtype=np.int64, count=len(output.ids))
    common = min(size, model_size)
    empty = np.ones(common, dtype=bool)
    for taken in (own, ids):
        empty[taken[taken < common]] = False
    rows[:common][empty] = np.flatnonzero(empty)
    rows[ids] = np.fromiter(map(model.ids.get, output.ids, repeat(-1)), dtype=np.int64, count=len(ids))
    kept = int((rows[ids] >= 0).sum())
    moved = int(((rows[ids] >= 0) & (rows[ids] != ids)).sum())
    return rows, Counts(kept, len(model.ids) - kept, len(ids) - kept, moved)


def _plain(rows: np.ndarray, model: _Model) -> bool:
    return len(rows) == model.size and bool((rows == np.arange(len(rows))).all())


def _notes(ours: TokenizerFiles, theirs: TokenizerFiles, *, as_base: bool) -> list[str]:
    """Return what differs between the kept tokenizer and another; of a base only what may change the meaning of tokens."""
    folder = theirs.folder
    parts = [part for part in _PARTS if theirs.content.get(part) != ours.content.get(part)]
    parts += ["model.type"] if theirs.kind != ours.kind else []
    notes = []
    if parts:
        notes.append(f"{folder}: differs from {ours.folder} in {', '.join(parts)}: equal token strings may stand for other text.")
    if as_base:
        return notes
    if _processor(theirs) != _processor(ours):
        notes.append(f"{folder}: puts other special tokens around text (post_processor) than {ours.folder}, whose way is kept.")
    notes += _token_notes(ours, theirs)
    if theirs.template != ours.template:
        notes.append(f"{folder}: has another chat template than {ours.folder}, whose template is kept.")
    return notes


def _token_notes(ours: TokenizerFiles, theirs: TokenizerFiles) -> list[str]:
    notes = []
    for role, token in theirs.roles.items():
        if (kept := ours.roles.get(role, token)) != token:
            notes.append(
                f"{theirs.folder}: its {role} token is {shown(token)}, that of {ours.folder}, which is kept, is {shown(kept)}."
            )
    flags = [
        token
        for token, entry in theirs.added.items()
        if token in ours.added and bool(entry.get("special")) != bool(ours.added[token].get("special"))
    ]
    if flags:
        notes.append(
            f"{theirs.folder}: special in one tokenizer and not in the other: {len(flags):,} added tokens, first "
            f"{shown(flags[0])}; as in {ours.folder}."
        )
    return notes


def _processor(files: TokenizerFiles) -> Any:
    return _without_ids(files.content.get("post_processor"))


def _without_ids(part: Any) -> Any:
    """Return a post-processor without token ids: trimmed versions of a tokenizer number tokens differently."""
    if isinstance(part, dict):
        return {key: _without_ids(value) for key, value in part.items() if key != "ids"}
    if isinstance(part, list):
        # BertProcessing and RobertaProcessing write ["[SEP]", 102].
        return [_without_ids(value) for value in part if type(value) is not int]
    return part
