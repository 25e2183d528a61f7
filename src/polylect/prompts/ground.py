"""Questions and answers made from passages of a corpus, in the passage's language, with the passage kept as evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages
from polylect.errors import DataError
from polylect.languages import get, in_language
from polylect.languages.shingles import folded
from polylect.models.requests import Generated, Request, Sampling
from polylect.prompts.asking import Asker, Progress, manifest
from polylect.prompts.drift import drift
from polylect.prompts.instructions import GROUND, Templates, load_templates
from polylect.prompts.output import Output, check_folder, write_manifest
from polylect.prompts.parsing import objects
from polylect.prompts.passages import passages, sentences
from polylect.prompts.rows import source_rows
from polylect.prompts.similarity import dice, shingles
from polylect.records import Prompt

if TYPE_CHECKING:
    from polylect.models.engine import Limits
    from polylect.models.interface import Model

__all__ = ["SAMPLING", "ground", "wrong_with_question"]

COMMAND = "prompts ground"
SAMPLING = Sampling(max_tokens=1024, temperature=0.7)
SUPPORTED = 0.6
"""Share of the answer's content words that the passage must have."""

COPIED = 0.8
"""Dice similarity of a question to a sentence of the passage from which it is a copy."""

STEM = 0.6
"""Share of a word, from its beginning, that the passage must have: endings change between passage and answer."""

_STEM = {"Kore": 0.4}
"""Where particles and the copula are written onto a short word."""

ALPHABETIC_CONTENT = 4
"""Letters of a word that carries content; shorter ones count only where there is no other."""

_CONTENT = {"Arab": 3, "Hebr": 3, "Syrc": 3, "Ethi": 3, "Kore": 2, "Cans": 2}
_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})


@dataclass(frozen=True)
class _Passage:
    """One passage of a row of the corpus, the `number`-th."""

    row: Prompt
    number: int
    text: str


def ground(
    corpus: Path,
    model: Model,
    out: Path,
    *,
    only: Collection[str] = (),
    questions: int = 3,
    most: int = 1200,
    fewest: int = 200,
    sampling: Sampling = SAMPLING,
    templates: Path | None = None,
    store: Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask a model for questions that passages answer; return the manifest.

    `out` gets `prompts.parquet` (kind "grounded"; the answer in `references`, the passage in `evidence`; `item`, `source` and
    `licence` of the corpus row, so that all questions about one text, in every language it is given in, stay in one split),
    `rejected.parquet` with what was refused and why, `manifest.json`, and the store of answers.

    Args:
        corpus: a .parquet or .jsonl table with `language` and `text`, and optional `item`, `source`, `licence`.
        model: asked once per passage.
        out: output folder.
        only: tags of the languages to use; empty for all in the corpus.
        questions: asked for per passage.
        most: characters of a passage of an alphabetic script at most; scripts with denser text get as much content.
        fewest: shorter passages are left out, in the same measure.
        sampling: of the model.
        templates: YAML file of instructions by language; see `polylect.prompts.instructions`.
        store: file of a store that is shared with other runs.
        limits: of the engine.
        progress: called with the engine's counts.

    Raises:
        DataError: the corpus breaks a rule, or gives no passage.
        LanguageError: a tag names no known language.
        RecipeError: the templates break a rule.
        RunError: `out` holds the output of other settings.
    """
    wanted = tuple(dict.fromkeys(map(languages.canonical, only)))
    instructions = load_templates("ground", GROUND, templates)
    settings = {
        "corpus": str(corpus), "model": model.name, "languages": wanted, "questions": questions, "most": most, "fewest": fewest,
        "max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed,
        "templates": instructions.as_dict(),
    }  # fmt: skip
    check_folder(out, COMMAND, settings)

    def asked() -> Iterator[tuple[_Passage, Request]]:
        for passage in _passages(corpus, wanted, most, fewest):
            yield passage, _request(passage, instructions, questions)

    if next(asked(), None) is None:
        what = f" in {', '.join(wanted)}" if wanted else ""
        raise DataError(f"{corpus}: no passage of at least {fewest} characters{what}. Look at --languages, or lower --fewest.")
    with Asker(model, out, sampling, store=store, limits=limits, progress=progress) as asker, Output(out) as output:
        asker.ask(request for _, request in asked())
        number = 0
        for passage, answer in asker.answers(asked()):
            _write(passage, answer, output)
            number += 1
    done = {**manifest(COMMAND, settings, asker, output), "passages": number}
    write_manifest(out, done)
    return done


def wrong_with_question(question: str, answer: str, passage: str, language: str) -> str | None:
    """Return why a question with its answer is refused, or None.

    The answer must be supported: at least `SUPPORTED` of its content words (their first part, as endings change; pairs of
    characters where the script sets no spaces), and every number, occur in the passage. This is a heuristic: it finds
    answers from elsewhere, not those that turn round what the passage says.
    """
    if in_language(question, language, drift()) is False or in_language(answer, language, drift()) is False:
        return "wrong language"
    own = shingles(question, language)
    if any(dice(own, shingles(sentence, language)) >= COPIED for sentence in sentences(passage)):
        return "question copies the passage"
    if folded(answer) in folded(question):
        return "question holds the answer"
    return None if _support(answer, passage, language) >= SUPPORTED else "answer is not in the passage"


def _support(answer: str, passage: str, language: str) -> float:
    """Return the share of the answer's content that the passage has, in [0, 1]; 0 where a number is missing."""
    text, reply = folded(passage), folded(answer)
    numbers = {int(digits) for digits in re.findall(r"\d+", text)}
    if any(int(digits) not in numbers for digits in re.findall(r"\d+", reply)):
        return 0.0
    found = _words_found(reply, text, get(language).script) if _spaced(language) else _characters_found(reply, text)
    # An answer of numbers alone is supported by them.
    return sum(found) / len(found) if found else float(bool(re.search(r"\d", reply)))


def _spaced(language: str) -> bool:
    return get(language).script not in _UNSPACED


def _words_found(answer: str, passage: str, script: str) -> list[bool]:
    """Tell of each content word whether its first part is in the passage."""
    words = re.findall(r"[^\W\d_](?:[^\s\d_]*\w)?", answer)
    length = _CONTENT.get(script, ALPHABETIC_CONTENT)
    content = [word for word in words if len(word) >= length] or words
    return [word[: max(length, math.ceil(_STEM.get(script, STEM) * len(word)))] in passage for word in content]


def _characters_found(answer: str, passage: str) -> list[bool]:
    """Tell of each letter whether the passage has it beside the same neighbour; Hiragana, which spells endings, is left out."""
    found: list[bool] = []
    for run in re.findall(r"[\u3005\u30a1-\u30ff\u3400-\u9fff\uf900-\ufaff]+", answer) or re.findall(r"[^\W\d_]+", answer):
        if len(run) == 1:
            found.append(run in passage)
            continue
        pairs = [run[start : start + 2] in passage for start in range(len(run) - 1)]
        found += [before or after for before, after in zip([False, *pairs], [*pairs, False], strict=True)]
    return found


def _passages(corpus: Path, wanted: Sequence[str], most: int, fewest: int) -> Iterator[_Passage]:
    from polylect.prompts.lengths import ratio

    for row in source_rows(corpus):
        if not wanted or row.language in wanted:
            # A thousand characters of Chinese say four times as much as a thousand of English.
            scale = min(1.0, ratio(row.language))
            parts = passages(row.text, most=max(1, round(most * scale)), fewest=round(fewest * scale))
            yield from (_Passage(row, number, text) for number, text in enumerate(parts))


def _request(passage: _Passage, templates: Templates, questions: int) -> Request:
    text = templates.fill(passage.row.language, passage=passage.text, count=questions)
    return Request(f"{passage.row.id}:{passage.number}", text)


def _write(passage: _Passage, answer: Generated, output: Output) -> None:
    """Write the questions of one answer, each or its rejection."""
    row = passage.row
    found, reason = ([], answer.reason) if answer.reason else objects(answer.text, ("question", "answer"))
    source = f"{row.id}:{passage.number}"
    for number, one in enumerate(found):
        question, reply = one["question"], one["answer"]
        wrong = wrong_with_question(question, reply, passage.text, row.language)
        if wrong is None and not output.add(_grounded(passage, question, reply)):
            wrong = "same question again"
        if wrong is not None:
            output.reject(source, row.item, row.language, f"{question}\n{reply}", wrong, number)
    if reason is not None:
        output.reject(source, row.item, row.language, answer.text, reason, len(found))


def _grounded(passage: _Passage, question: str, answer: str) -> Prompt:
    row = passage.row
    return Prompt(
        item=row.item,
        language=row.language,
        kind="grounded",
        split=row.split,
        text=question,
        references=(answer,),
        source=row.source,
        licence=row.licence,
        evidence=passage.text,
    )
