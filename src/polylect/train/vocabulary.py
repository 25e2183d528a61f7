"""Trim a model's vocabulary to the tokens that some languages need: a new checkpoint that any Hugging Face user can load.

On text that the kept tokens cover, the new tokenizer gives the same tokens (see `polylect.train.trim_tokenizer` for why) and the
model the same logits. Gemma 3 270M spends 63 % of its parameters on 262,144 rows; with a few thousand, training on a CPU is
three to four times as fast. The idea of cutting multilingual vocabularies by corpus: Abdaoui et al. 2020, "Load What You Need".
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.models.checkpoint import check, describe, read_config
from polylect.train import trim_tokenizer, trim_weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Coverage", "TrimReport", "trim"]

_BATCH = 2_000
_HELD_BACK = 10
"""One text in ten is held back while coverage is measured; the final vocabulary is made from all of them."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How a vocabulary made from nine tenths of a language's texts does on the other tenth.

    `same` is the share of held-back texts that get the same tokens as before; `fallback` the share of their tokens that are
    single bytes standing for (a part of) a character, `fallback_before` the same with the whole vocabulary; `length` the number
    of tokens divided by that with the whole vocabulary. All None when no text was held back (fewer than ten or so).
    """

    language: str
    texts: int
    tokens: int
    held_back: int
    same: float | None
    fallback: float | None
    fallback_before: float | None
    length: float | None


@dataclass(frozen=True, kw_only=True)
class TrimReport:
    """What trimming did: rows of the embedding, parameters and bytes before and after, coverage per language.

    `checked` texts were encoded by both tokenizers and gave the same tokens.
    """

    rows_before: int
    rows_after: int
    parameters_before: int
    parameters_after: int
    bytes_before: int
    bytes_after: int
    checked: int
    languages: tuple[Coverage, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


def trim(
    model: Path,
    texts_by_language: Mapping[str, Iterable[str]],
    out: Path,
    *,
    keep_specials: bool = True,
    extra_tokens: Sequence[str] = (),
) -> TrimReport:
    """Write a checkpoint into `out` that has only the tokens that the texts need.

    Kept besides the tokens of the texts: intermediate tokens of their merges, single bytes, the characters of the alphabets
    in use, special tokens, tokens that configuration or chat template name, names of roles, and `extra_tokens`. Weights
    stream one tensor at a time. `out` appears whole or not at all if it does not exist yet.

    Args:
        model: a checkpoint folder (see `polylect.models.resolve`) with a BPE tokenizer.
        texts_by_language: language tag -> texts; they are held in memory.
        out: a folder that does not exist or holds no model.
        keep_specials: keep all tokens that the tokenizer marks as special, not only those that a configuration names.
        extra_tokens: more tokens of the vocabulary to keep, as the tokenizer spells them (a space is "\u2581" or "\u0120").

    Raises:
        ModelError: the checkpoint is damaged or unfit, there is no text, `out` already holds a model, an extra token is not
            in the vocabulary, or the trimmed tokenizer would treat a given text differently (nothing is written).
    """
    texts = {language: list(rows) for language, rows in texts_by_language.items()}
    _check_request(model, texts, out)
    rows = trim_weights.vocabulary_rows(read_config(model))
    selection = _Selection(model, keep_specials=keep_specials, extra_tokens=extra_tokens)
    coverage = _coverages(selection, texts)
    everything = [text for language in texts for text in texts[language]]
    content, keep = selection.rebuild(everything)
    if keep[-1] >= rows:
        raise ModelError(f"{model}: token {keep[-1]} has no row in the embedding of {rows} rows. The checkpoint is inconsistent.")
    checked = _check_same(selection.tokenizer, load_tokenizer(content), keep, everything)
    temporary = out.with_name(f".{out.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        _write_checkpoint(model, temporary, content, keep, rows)
        report = _report(describe(model), describe(temporary), checked, coverage)
        _write_manifest(temporary, describe(model), report)
        _move(temporary, out)
    except OSError as error:
        raise ModelError(
            f"{out}: cannot write the trimmed model ({error.strerror or error}). Free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return report


class _Selection:
    """A model's tokenizer and the rule that selects its tokens for a set of texts."""

    def __init__(self, model: Path, *, keep_specials: bool, extra_tokens: Sequence[str]) -> None:
        from transformers import AutoTokenizer

        slow_or_fast = AutoTokenizer.from_pretrained(model)
        if not slow_or_fast.is_fast:
            raise ModelError(f"{model}: its tokenizer has no fast version (tokenizer.json), which trimming needs.")
        self.tokenizer: Tokenizer = slow_or_fast.backend_tokenizer
        self.content: dict[str, Any] = json.loads(self.tokenizer.to_str())
        trim_tokenizer.supported(self.content)
        self._ranks = trim_tokenizer.merge_ranks(self.content)
        self._ids = set(slow_or_fast.all_special_ids) | _named_ids(model)
        self._keep_specials = keep_specials
        self._always = set(extra_tokens) | self._template_tokens(slow_or_fast.chat_template)
        if missing := [token for token in extra_tokens if self.tokenizer.token_to_id(token) is None]:
            raise ModelError(f"{model}: not in the vocabulary: {', '.join(map(repr, missing[:5]))} (extra tokens to keep).")

    def rebuild(self, texts: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
        """Return tokenizer.json for `texts` and the old ids in the order of the new ones."""
        # A text may also come after a space, where many vocabularies have other tokens for its first word.
        used = {index for row in _encode(self.tokenizer, [*texts, *(f" {text}" for text in texts)]) for index in row}
        wanted = self._always | {str(self.tokenizer.id_to_token(index)) for index in used}
        wanted |= trim_tokenizer.required_tokens(self.content, wanted, self._ids, keep_specials=self._keep_specials)
        return trim_tokenizer.rebuild(self.content, trim_tokenizer.closure(self.content, wanted, self._ranks))

    def fallback_ids(self) -> set[int]:
        """Return the ids of the tokens that are single bytes of characters."""
        byte_level = trim_tokenizer.is_byte_level(self.content)
        vocabulary = self.content["model"]["vocab"]
        return {index for token, index in vocabulary.items() if trim_tokenizer.is_fallback(token, byte_level=byte_level)}

    def _template_tokens(self, template: Any) -> set[str]:
        """Return what conversations are written with: the template's own words, and the names of the roles.

        The roles come from the messages, and a base model may be given a template later.
        """
        written = template if isinstance(template, str) else json.dumps(template, ensure_ascii=False) if template else ""
        used = self.tokenizer.encode(f"{written}\nsystem\nuser\nassistant\nmodel\n\n").tokens
        return {*used, *(entry["content"] for entry in self.content["added_tokens"] if entry["content"] in written)}


def _check_request(model: Path, texts: Mapping[str, list[str]], out: Path) -> None:
    check(model)
    if not any(texts.values()):
        raise ModelError(
            "no text was given: trimming keeps the tokens of texts in the languages to serve. Give at least one file."
        )
    if out.exists() and (not out.is_dir() or (out / "config.json").exists() or any(out.glob("*.safetensors"))):
        raise ModelError(f"{out}: already exists and is a file or holds a model. Delete it, or choose another folder.")


def _named_ids(model: Path) -> set[int]:
    generation = model / "generation_config.json"
    ids = trim_weights.config_ids(read_config(model))
    return ids | trim_weights.config_ids(json.loads(generation.read_text(encoding="utf-8"))) if generation.is_file() else ids


def _encode(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[list[int]]:
    """Yield the token ids of each text, without special tokens around it."""
    for batch in _batches(texts):
        # The fast variant fills in no token strings and offsets: only ids may be read from it.
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            yield encoding.ids


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    rows = iter(texts)
    while batch := list(islice(rows, _BATCH)):
        yield batch


def load_tokenizer(content: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that a tokenizer.json describes."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _check_same(before: Tokenizer, after: Tokenizer, keep: Sequence[int], texts: list[str]) -> int:
    """Return the number of texts, all of which both tokenizers segment alike; `keep` is the old id of each new id."""
    pairs = zip(texts, _encode(before, texts), _encode(after, texts), strict=True)
    different = [text for text, old, new in pairs if old != [keep[index] for index in new]]
    if different:
        raise ModelError(
            f"{len(different)} of {len(texts)} texts would be segmented differently by the trimmed tokenizer, first "
            f"{different[0][:80]!r}. Nothing was written; please report this tokenizer."
        )
    return len(texts)


def _coverages(selection: _Selection, texts: Mapping[str, list[str]]) -> tuple[Coverage, ...]:
    """Measure, per language, a vocabulary made from the texts that are not held back on those that are."""
    content, keep = selection.rebuild([text for rows in texts.values() for text in rows if not _held_back(text)])
    trimmed = load_tokenizer(content)
    fallback = selection.fallback_ids()

    def share(rows: list[list[int]]) -> float | None:
        total = sum(map(len, rows))
        return sum(index in fallback for row in rows for index in row) / total if total else None

    coverages = []
    for language, rows in texts.items():
        held = [text for text in rows if _held_back(text)]
        before = list(_encode(selection.tokenizer, held))
        after = [[keep[index] for index in row] for row in _encode(trimmed, held)]
        tokens = sum(map(len, before))
        coverages.append(
            Coverage(
                language=language,
                texts=len(rows),
                tokens=sum(map(len, _encode(selection.tokenizer, rows))),
                held_back=len(held),
                same=sum(old == new for old, new in zip(before, after, strict=True)) / len(held) if held else None,
                fallback=share(after),
                fallback_before=share(before),
                length=sum(map(len, after)) / tokens if tokens else None,
            )
        )
    return tuple(coverages)


def _held_back(text: str) -> bool:
    # By content, so that the same texts are held back whatever their order, and copies of one text go together.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % _HELD_BACK == 0


def _write_checkpoint(model: Path, folder: Path, content: Mapping[str, Any], keep: Sequence[int], rows: int) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    trim_weights.renumber_files(model, folder, {old: new for new, old in enumerate(keep)})
    trim_weights.copy_weights(model, folder, rows, keep)


def _report(before: Mapping[str, Any], after: Mapping[str, Any], checked: int, languages: tuple[Coverage, ...]) -> TrimReport:
    return TrimReport(
        rows_before=before["vocabulary"],
        rows_after=after["vocabulary"],
        parameters_before=before["parameters"],
        parameters_after=after["parameters"],
        bytes_before=before["bytes"],
        bytes_after=after["bytes"],
        checked=checked,
        languages=languages,
    )


def _write_manifest(folder: Path, before: Mapping[str, Any], report: TrimReport) -> None:
    manifest = {"stage": "trim", "origin": before["source"], "licence": before["licence"], **report.as_dict()}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _move(temporary: Path, out: Path) -> None:
    if not out.exists():
        temporary.rename(out)
        return
    # A folder that is there already is filled with config.json last: without it no reader takes the folder for a model.
    for path in sorted(temporary.iterdir(), key=lambda path: path.name == "config.json"):
        path.replace(out / path.name)
