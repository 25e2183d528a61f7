"""The refusal lexicons: one file of patterns per language, and the form that texts take before they are compared.

A refusal is seldom one of a list of phrases, but it is nearly always made of the same two parts: somebody who cannot or will
not, and a verb of answering. `lexicon/*.toml` gives both parts for each language as regular expressions, one or more a line:

    order    where the verb stands seen from the denial: "after", "before", or "either"
    deny     first person or impersonal: "I cannot", "it is not permitted to me"
    speak    what an assistant does: to help, to answer, to share
    alone    refuses by itself: "I must decline", "let us talk about something else"
    unknown  professes not to know
    idioms   taken out first: "cannot recommend enough", "I cannot promise"
    deliver  hands over after all: "here is how", "that said, first take"
    instead  offers something else: what is listed behind it is no delivery
    self     first person, where `deny` does not say it: a denial of something that the prompt asked for needs it
    function the most frequent words (Chinese: characters): what any text of the language is full of

All were written by the authors of Polylect; no list of another project was copied, and no native speaker has reviewed them.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from polylect.languages import canonical, known
from polylect.languages.shingles import folded

__all__ = ["Lexicon", "covered", "fold", "function_words", "lexicon", "listed", "tokens"]

_GAP = 70
"""Most characters between the denial and the verb of answering."""

_MARKS = re.compile(r"[\u064b-\u0652\u0670\u0640\u093c\u200b-\u200f\ufeff]")
"""What is written or not: Arabic vowel signs and tatweel, Devanagari nukta, invisible characters."""

_VARIANTS = str.maketrans("أإآٱىةёँ’‘ʼ`´", "اااايهеं'''''")
_TOKEN = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f])+")


@dataclass(frozen=True)
class Lexicon:
    """The patterns of one language, on text in the form of `fold`.

    `refusal` matches a denial with a verb of answering, or a refusal in one piece; the others are named as in the files.
    """

    order: str
    refusal: re.Pattern[str]
    unknown: re.Pattern[str]
    idioms: re.Pattern[str]
    deliver: re.Pattern[str]
    instead: re.Pattern[str]
    deny: re.Pattern[str]
    self: re.Pattern[str]


def fold(text: str) -> str:
    """Return text as it is compared: compatible and lower-case forms made one, spellings that vary freely made one."""
    return _MARKS.sub("", folded(text).translate(_VARIANTS))


def tokens(text: str) -> list[str]:
    """Return the words of folded text: runs of letters with their vowel signs."""
    return _TOKEN.findall(text)


@cache
def covered() -> frozenset[str]:
    """Return the canonical tags of the languages that have a lexicon."""
    return frozenset(canonical(path.name.removesuffix(".toml")) for path in _files().iterdir() if path.name.endswith(".toml"))


@cache
def lexicon(tag: str) -> Lexicon:
    """Return the lexicon of a language of `covered`."""
    fields = _read(tag)
    deny, speak, alone = (_joined(fields[name]) for name in ("deny", "speak", "alone"))
    after = f"(?:{deny})(?:.{{0,{_GAP}}}?)(?:{speak})"
    before = f"(?:{speak}).{{0,{_GAP}}}?(?:{deny})"
    pairs = {"after": [after], "before": [before], "either": [after, before]}[fields["order"]]
    return Lexicon(
        order=fields["order"],
        refusal=re.compile("|".join([*pairs, alone])),
        self=re.compile(fields.get("self", "")),
        **{name: re.compile(_joined(fields[name])) for name in ("unknown", "idioms", "deliver", "instead", "deny")},
    )


@cache
def function_words(tag: str) -> frozenset[str]:
    """Return the most frequent words of a language in the form of `fold` (Chinese: characters), none where there is no list."""
    tag = canonical(tag)
    if tag in covered():
        return frozenset(fold(_read(tag)["function"]).split())
    return frozenset(fold(_neighbours().get(tag, "")).split())


@cache
def listed() -> frozenset[str]:
    """Return the canonical tags of all languages whose most frequent words are known."""
    return covered() | frozenset(_neighbours())


def _joined(lines: str) -> str:
    """Return one pattern of a file's lines, spelled as `fold` spells texts."""
    return "|".join(line.translate(_VARIANTS).replace("ı", "i") for line in lines.strip().splitlines())


def _files() -> resources.abc.Traversable:
    return resources.files("polylect.safety.detectors") / "lexicon"


@cache
def _read(tag: str) -> dict[str, str]:
    name = next(path.name for path in _files().iterdir() if canonical(path.name.removesuffix(".toml")) == tag)
    return tomllib.loads((_files() / name).read_text(encoding="utf-8"))


@cache
def _neighbours() -> dict[str, str]:
    """Return the function words of languages without a lexicon, by canonical tag."""
    text = (resources.files("polylect.safety.detectors") / "function_words.toml").read_text(encoding="utf-8")
    tags = {row.tag for row in known()}
    return {tag: words for tag, words in tomllib.loads(text).items() if tag in tags}
