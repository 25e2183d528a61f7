"""Task names of lm-evaluation-harness: which benchmark, which language, which part of it.

The names are those of the harness's folder `lm_eval/tasks` (0.4.13): a set's name with the language at its end (`xcopa_tr`),
before the number of a prompt (`belebele_zul_prompt_5`) or, in a few sets, before a subject (`global_mmlu_full_de_anatomy`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from polylect import languages
from polylect.errors import LanguageError
from polylect.evaluate.benchmarks.config_names import language_of

__all__ = ["Task", "resolve", "task_name"]

_SETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"xcopa_(?P<language>[a-z]+)", "xcopa"),
        (r"xstorycloze_(?P<language>[a-z]+)", "xstorycloze"),
        (r"xwinograd_(?P<language>[a-z]+)", "xwinograd"),
        (r"global_mmlu_full_(?P<language>[a-z]+)_(?P<part>\w+)", "global-mmlu"),
        (r"global_mmlu_(?!full_)(?P<language>[a-z]+)_(?P<part>\w+)", "global-mmlu-lite"),
        (r"include_base_44_(?P<language>(?!\w*few_shot)[a-z_]+?)_(?P<part>arts_humanities|business_commerce|driving_license|"
         r"general_knowledge|health_oriented_education|marine_license|medical_license|professional_certification|social_science|"
         r"stem|applied_science)", "include-base-44"),
        (r"mgsm_native_cot_(?P<language>[a-z]+)", "mgsm"),
    )
)  # fmt: skip
"""Task names whose rows are those of one of our benchmarks, scored as it is."""

_FORMATS = {
    "xcopa": "xcopa_{}",
    "xstorycloze": "xstorycloze_{}",
    "xwinograd": "xwinograd_{}",
    "global-mmlu": "global_mmlu_full_{}",
    "global-mmlu-lite": "global_mmlu_{}",
    "mgsm": "mgsm_native_cot_{}",
}
_SPELLINGS = {"zh-Hans": "zh", "sr-Cyrl": "sr", "pt-BR": "pt"}
_MIDDLE = re.compile(r"(?P<set>mmlu_prox(?:_lite)?|eus_exams|copal)_(?P<language>[a-z]{2})_(?P<part>\w+)")
"""Sets with the language before the subject that are none of ours."""

_CODE = re.compile(r"[a-z]{2,3}")
_CODE_AND_SCRIPT = re.compile(r"_(?P<code>[a-z]{3}_[A-Za-z]{4})$")
_TAIL = re.compile(r"(?:_(?:prompt_\d+|p\d+|mc[12]|gen|light))+$")
_NOT_CODES = frozenset({"in", "mt", "to"})
"""Words that end or stand in names and are no languages there: "in", "machine translated", "to"."""

_NOT_LANGUAGES = re.compile(r".*agieval_(?:lsat_ar|jec_qa_ca)|uncheatable_eval_.*|tatoeba_.*|.*_yes_no")
"""Tasks whose last word only looks like a code: analytical reasoning, case analysis, computer science, pairs."""


@dataclass(frozen=True)
class Task:
    """What a task's name says: our name of the benchmark, canonical tag, part ("" if none).

    `known` tells whether the benchmark is one of ours, so that its own reader makes the items; else `benchmark` is the task's
    name without the language.
    """

    benchmark: str
    language: str
    part: str
    known: bool


def resolve(task: str, dataset_name: str | None = None, language: str | None = None) -> Task | None:
    """Return what a task is, None where its name does not say in which language.

    Args:
        task: its name in the harness.
        dataset_name: the configuration of its data set, asked where the name has no code of a language.
        language: a tag that the user gives; it wins.
    """
    for pattern, name in _SETS:
        found = pattern.fullmatch(task)
        tag = language or (language_of(found["language"]) if found else None)
        if found and tag:
            return Task(name, tag, found.groupdict().get("part") or "", known=True)
    middle = _MIDDLE.fullmatch(task)
    if middle and (tag := language or language_of(middle["language"])):
        return Task(middle["set"], tag, middle["part"], known=False)
    code, tag = _language_in(task)
    if language:
        return Task(_without(task, code), language, "", known=False)
    if tag is None and dataset_name and not _CODE.fullmatch(dataset_name):
        tag = _tag(dataset_name)
    return Task(_without(task, code), tag, "", known=False) if tag else None


def _language_in(task: str) -> tuple[str, str | None]:
    """Return the code at the end of a name, before the number of a prompt, and its tag; ("", None) where there is none.

    Only the end counts: subjects and phenomena elsewhere hold words that are codes, too ("no", "or", "is"). Two codes in a row
    are a direction of translation or a name that says more than a language.
    """
    body = _TAIL.sub("", task)
    scripted = _CODE_AND_SCRIPT.search(body)
    if scripted and "-" not in body:
        tag = _tag(scripted["code"])
        return (scripted["code"], tag) if tag else ("", None)
    *before, last = body.split("_")
    tag = None if _NOT_LANGUAGES.fullmatch(task) or not before else _code(last)
    other = _code(before[-1]) if len(before) > 1 else None
    return ("", None) if tag is None or other not in (None, tag) else (last, tag)


def _code(word: str) -> str | None:
    """Return the tag of a code of two or three letters, None for other words."""
    return _tag(word) if _CODE.fullmatch(word) and word not in _NOT_CODES else None


def _tag(name: str) -> str | None:
    first, hyphen, second = name.lower().partition("-")
    if hyphen and _is_language(first) and _is_language(second):
        # A direction of translation ("es-en") has two languages; the table would read "en" as a region.
        return None
    return language_of(name)


def _is_language(code: str) -> bool:
    try:
        languages.canonical(code)
    except LanguageError:
        return False
    return True


def _without(task: str, code: str) -> str:
    return re.sub(rf"_{re.escape(code)}(?=_|$)", "", task, count=1) if code else task


def task_name(benchmark: str, language: str) -> str:
    """Return the harness's name of a benchmark in a language (of its group, where it has a task per subject).

    Benchmarks that the harness does not have keep their own name.
    """
    code = "jp" if (benchmark, language) == ("xwinograd", "ja") else _SPELLINGS.get(language, language)
    return _FORMATS.get(benchmark, f"{benchmark.replace('-', '_')}_{{}}").format(code)
