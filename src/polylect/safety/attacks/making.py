"""`attack`: a prompt set transformed, with what became of every prompt."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages as language_table
from polylect import tables
from polylect.errors import DataError
from polylect.progress import StageProgress, silent
from polylect.safety.attacks.base import Attacked, AttackOptions, attack_of_kind
from polylect.safety.attacks.table import AttackedPrompt, attacked_prompt
from polylect.safety.document import make_document
from polylect.safety.folder import SafetyFolder, SafetyRun, digest, write_json
from polylect.safety.mistakes import usable_again
from polylect.safety.prompts import PromptSet, SafetyPrompt, chosen, read_prompts

if TYPE_CHECKING:
    from polylect.models.translators import Translator

__all__ = ["PROMPTS", "AttackRun", "attack"]

PROMPTS = "prompts.parquet"
_HARM_LOST = "the original's translation had lost the harm"


class AttackRun(SafetyRun):
    """What `attack`, or the comparison of an attack, came to."""


def attack(
    prompts: Path,
    kind: str,
    *,
    out: Path,
    options: AttackOptions | None = None,
    translator: str | None = None,
    prompt_kind: str | None = None,
    languages: Sequence[str] | None = None,
    limit: int | None = None,
    progress: StageProgress | None = None,
) -> AttackRun:
    """Transform the prompts of a set and write them as a prompt set, with a flag for those whose meaning was kept.

    Args:
        prompts: a prompt set (`polylect.safety.read_prompts`).
        kind: one of `attack_kinds()`.
        out: folder of the result.
        options: what the kind is told; see each kind.
        translator: spec of a translator (`polylect.models.translators.translator`), opened here; in place of that in options.
        prompt_kind: of the prompt set; None: told by its columns.
        languages: attack the prompts of these languages only.
        limit: most prompts per language, harmful and harmless each; None: all.
        progress: called with (stage, done, total, note).

    Raises:
        EvaluationError: the kind is unknown or lacks what it needs, or no prompt could be transformed.
        DataError: a table cannot be read.
        RunError: the folder is in use, or holds something else.
        ModelError: the translator cannot be had.
    """
    attack_of_kind(kind)
    given = options or AttackOptions()
    given = replace(given, into=tuple(dict.fromkeys(language_table.canonical(tag) for tag in given.into)))
    read = chosen(read_prompts(prompts, prompt_kind), languages, limit, prompts)
    settings = _settings(prompts, kind, given, translator, languages, limit)
    with SafetyFolder(out, settings) as folder:
        if folder.finished is not None:
            return AttackRun(out, folder.read("safety.json"), folder.finished, "finished")
        with usable_again(folder):
            show = progress or silent
            told = replace(given, progress=lambda done, total: show("attack", done, total, ""))
            if translator is None:
                return _made(folder, read, kind, told)
            with closing(_opened(translator, folder.store / "translations.sqlite")) as opened:
                return _made(folder, read, kind, replace(told, translator=opened))


def _made(folder: SafetyFolder, read: PromptSet, kind: str, options: AttackOptions) -> AttackRun:
    """Transform the prompts and write the files, the manifest last."""
    began, out, translator = time.monotonic(), folder.path, options.translator
    asked = [one for one in read.prompts if not one.lost]
    found = [*attack_of_kind(kind)(asked, options), *_lost(read.prompts, kind)]
    document = _document(read, kind, found)
    tables.write(out / PROMPTS, [attacked_prompt(one) for one in found if one.text is not None], AttackedPrompt)
    write_json(out / "safety.json", document)
    by = translator and {"name": translator.name, "fingerprint": translator.fingerprint, "licence": translator.licence}
    manifest = folder.finish("safety attack", {"translator": by, "seconds": round(time.monotonic() - began, 3)})
    return AttackRun(out, document, manifest, "unfinished" if folder.resumed else "")


def _settings(
    prompts: Path, kind: str, options: AttackOptions, spec: str | None, tags: Sequence[str] | None, limit: int | None
) -> dict[str, Any]:
    """Return what decides the output; tables by name and content."""
    files = {name: path and {"path": str(path), "sha256": digest(path)} for name, path in _tables(prompts, options).items()}
    plain = ("into", "back", "share", "script", "least", "seed")
    told = {name: getattr(options, name) for name in plain}
    given = spec or (options.translator and options.translator.fingerprint)
    return {"kind": kind, **files, **told, "translator": given, "languages": tags and sorted(tags), "limit": limit}


def _tables(prompts: Path, options: AttackOptions) -> dict[str, Path | None]:
    return {"prompts": prompts, "words": options.words, "wrappers": options.wrappers}


def _opened(spec: str, store: Path) -> Translator:
    """Open a translator whose translations are kept, so that a stopped attack goes on."""
    from polylect.models.translators import KeptTranslator, translator

    # A language model keeps its answers itself.
    return translator(spec, store=store) if spec.startswith("llm:") else KeptTranslator(translator(spec), store)


def _lost(prompts: Iterable[SafetyPrompt], kind: str) -> list[Attacked]:
    return [Attacked(prompt=one, attack=kind, reason=_HARM_LOST) for one in prompts if one.lost]


def _document(read: PromptSet, kind: str, found: Sequence[Attacked]) -> dict[str, Any]:
    """Return the counts of an attack by attack and language.

    Raises:
        DataError: no prompt could be transformed.
    """
    reasons = Counter(one.reason for one in found if one.text is None)
    if len(found) == reasons.total():
        told = "; ".join(f"{count:,} x {reason}" for reason, count in reasons.most_common(3))
        raise DataError(f"--kind {kind}: none of {len(found):,} prompts could be transformed: {told}.")
    groups: dict[tuple[str, str], list[Attacked]] = {}
    for one in found:
        groups.setdefault((one.attack, one.prompt.language), []).append(one)
    rows = [{"attack": name, "language": tag, **_counts(own)} for (name, tag), own in sorted(groups.items())]
    summary = {
        "what": "transformed",
        "attack": kind,
        "prompts": {"name": read.name, "kind": read.kind, "skipped": dict(read.skipped)},
        "untransformed": dict(reasons.most_common()),
    }
    return make_document("attack", rows, summary, [*read.notes, *_notes(rows)])


def _counts(own: Sequence[Attacked]) -> dict[str, Any]:
    made = [one for one in own if one.text is not None]
    return {
        "prompts": len(own),
        "transformed": len(made),
        "kept": sum(one.kept is True for one in made),
        "lost": sum(one.kept is False for one in made),
        "untold": sum(one.kept is None for one in made),
        "meaning": _mean(one.meaning for one in made),
        "changed": _mean(one.changed for one in made),
        "untransformed": dict(Counter(one.reason for one in own if one.text is None).most_common()),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    untold = sum(row["untold"] for row in rows)
    lost = sum(row["lost"] for row in rows)
    return [
        *([f"{lost:,} attacked prompts lost their meaning: they stay out of success rates"] if lost else []),
        *([f"of {untold:,} attacked prompts nothing tells whether the meaning was kept"] if untold else []),
    ]
