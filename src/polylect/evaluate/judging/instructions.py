"""The text that a judge is given, with instructions in English or in the language of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from polylect import languages
from polylect.errors import EvaluationError
from polylect.evaluate.judging.contests import Contest
from polylect.evaluate.judging.parsing import Form
from polylect.models.verdicts import fill

__all__ = ["FIELDS", "InstructionLanguage", "check_template", "compose", "has_native"]

InstructionLanguage: TypeAlias = Literal["en", "native"]

FIELDS = ("language", "instruction", "a", "b")
"""What a user's own template may hold, in braces; all but the language have to be there."""

_FORM = "Preferred: A\nPreferred: B\nPreferred: TIE"
_LABELS = """\
First write one sentence that compares the answers. Then write a last line with nothing but one of these five:
[[A>>B]] answer A is much better
[[A>B]] answer A is better
[[A=B]] both are as good
[[B>A]] answer B is better
[[B>>A]] answer B is much better"""
_FRAMES = ("instruction", "answer_a", "answer_b")


def compose(
    contest: Contest,
    order: str,
    instructions: InstructionLanguage = "en",
    template: str | None = None,
    verdicts: Form = "line",
) -> str:
    """Return what the judge is asked about a contest; the first answer is a's where `order` is "ab", b's where it is "ba".

    Native instructions are English where there are none in the language (`has_native`). A `template` of the user's takes the
    place of both. Frames are taken out of prompt and answers, so that an answer cannot close its own.
    """
    first, second = (contest.a, contest.b) if order == "ab" else (contest.b, contest.a)
    values = {
        "language": languages.get(contest.language).name,
        "instruction": _conversation(contest),
        "a": first or "",
        "b": second or "",
    }
    language = contest.language if instructions == "native" and has_native(contest.language) else "en"
    text = template or _template(language, verdicts)
    return fill(text, values, _FRAMES)


def has_native(language: str) -> bool:
    """Tell whether there are instructions in a language."""
    return language in _texts()


def check_template(template: str, where: str) -> None:
    """Check a user's template.

    Raises:
        EvaluationError: a field is missing.
    """
    missing = [f"{{{name}}}" for name in FIELDS[1:] if f"{{{name}}}" not in template]
    if missing:
        raise EvaluationError(f"{where}: the judge's template lacks {', '.join(missing)}. Put it where the text belongs.")


def _conversation(contest: Contest) -> str:
    if not contest.history:
        return contest.text
    return "\n".join(f"[{role}] {content}" for role, content in (*contest.history, ("user", contest.text)))


@cache
def _template(language: str, verdicts: Form) -> str:
    text = _texts()[language]
    criteria = "\n".join(f"{number}. {one}" for number, one in enumerate(text["criteria"], start=1))
    frames = "\n\n".join(
        f"<{tag}>\n{{{name}}}\n</{tag}>" for tag, name in (("instruction", "instruction"), ("answer_a", "a"), ("answer_b", "b"))
    )
    closing = f"{text['closing']}\n{_FORM}" if verdicts == "line" else _LABELS
    return f"{text['role']}\n{criteria}\n{text['rules']}\n\n{frames}\n\n{closing}"


@cache
def _texts() -> Mapping[str, Mapping[str, Any]]:
    import tomllib

    return tomllib.loads((files("polylect.evaluate.judging") / "instructions.toml").read_text(encoding="utf-8"))
