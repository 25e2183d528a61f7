"""Settings of the checks, and what a check finds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Checks", "Finding"]


@dataclass(frozen=True)
class Checks:
    """Which checks are made and how strict they are; the order is that of the fields.

    Attributes:
        empty: nothing but white space, punctuation and invisible characters.
        repetition: loops and repeated n-grams.
        repeated_share: largest share of word n-grams (of character n-grams without spaces) that repeat an earlier one.
        loops: fewest times that the end of an answer says the same for it to be a loop.
        truncation: the model stopped at its token limit.
        open_end: where the endpoint gives no finish reason: the answer ends in an open bracket or code block, or in a comma.
        echo: the answer begins with the whole prompt.
        echo_letters: fewest letters and digits of a prompt that an answer may not begin with.
        refusal: the answer begins with a refusal or with speech about being a model.
        language: lines in another language, text in a foreign script.
        foreign_lines: largest share of the letters of lines that can be told which may be in another language.
        other_scripts: largest share of letters in scripts that are neither the language's own nor Latin.
        script_letters: fewest letters of a foreign script that count.
        exempt: patterns of `Prompt.kind` whose answers may be in any language, as for tasks of translation.
    """

    empty: bool = True
    repetition: bool = True
    repeated_share: float = 0.5
    loops: int = 5
    truncation: bool = True
    open_end: bool = True
    echo: bool = True
    echo_letters: int = 20
    refusal: bool = True
    language: bool = True
    foreign_lines: float = 0.0
    other_scripts: float = 0.1
    script_letters: int = 12
    exempt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Why an answer is refused: `reason` is one of few stable texts that can be counted, `detail` says more."""

    reason: str
    detail: str = ""
