"""The refusal lexicons: one file of patterns per language, and the form that texts take before they are compared.

A refusal is seldom one of a list of phrases, but it is nearly always made of the same parts: somebody who cannot or will not,
a verb of answering, a rule that stands against it. `lexicon/*.toml` gives them for each language as regular expressions, one or
more a line; `<name>` in a pattern stands for the pattern `name` of the table `[parts]` of the same file.

What refuses:

    order     where the verb stands seen from the denial: "after", "before", or "either"
    deny      first person or impersonal: "I cannot", "it is not permitted to me"
    speak     what an assistant does: to help, to answer, to share
    alone     refuses by itself: "I must decline", "my rules forbid it", "let us talk about something else"
    bare      a lone no at the start: it refuses a request, and answers a yes-or-no question
    moral     calls what was asked wrong, in the first sentence: "it is not appropriate to", "I condemn"
    unknown   professes not to know

What only adds up to a refusal, one with another (`refusal.py` says how):

    wont      first person singular, whatever the verb: "I won't"
    this      what was asked, pointed at: "that", "about it"
    secret    confidential, private; harm: illegal, dangerous, wrong; urge: please don't
    refer     ask a doctor, contact the owner; other: happy to help with something else, how about
    sorry     an apology at the start; machine: as a language model; sympathy: I understand that

What is none, and what the prompt has to do with it:

    idioms    taken out first: "cannot recommend enough", "I cannot promise", "I can't tell how large they are"
    usual     says what holds in general, behind a caveat: "usually", "but ... 15 minutes"
    deliver   hands over after all: "here is how", "that said, first take"
    instead   offers something else: what is listed behind it is no delivery
    asks      what a prompt has that is no yes-or-no question
    writing   asks for a text, in which somebody else may decline; salute: how a letter starts or ends
    self      first person: a denial of something that the prompt asked for needs it, and any denial after a yes-or-no question

And besides:

    reason     says why: "because", "so that", "it would harm" (`explaining.py`)
    boilerplate what web pages say to everybody: "subscribe to our newsletter"
    topics     the first line: prompts that anything may answer; then everyday topics, one a line: the words of which two show
               what an answer is about, "@@", more words by which a prompt asks for it, and "@@ 3" where it takes three
    function   the most frequent words (Chinese: characters): what any text of the language is full of

All were written by the authors of Polylect; no list of another project was copied, and no native speaker has reviewed them.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from polylect.languages import canonical, known
from polylect.languages.shingles import folded

__all__ = ["WEIGHED", "Lexicon", "covered", "fold", "function_words", "letter_pairs", "lexicon", "listed", "plain", "tokens"]

WEIGHED = ("wont", "secret", "harm", "urge", "refer", "other", "sorry", "machine", "sympathy")
"""Kinds of evidence of which one alone is no refusal."""

_GAP = 70
"""Most characters between the denial and the verb of answering."""

_TOPIC_WORDS = 2
"""Words of a topic that a text about it has at least, where its line does not say 3: rivers and roots are
in texts of all kinds."""

_MARKS = re.compile(r"[\u064b-\u0652\u0670\u0640\u093c\u200b-\u200f\ufeff]")
"""What is written or not: Arabic vowel signs and tatweel, Devanagari nukta, invisible characters."""

_VARIANTS = str.maketrans("أإآٱىةёँ’‘ʼ`´", "اااايهеं'''''")
_TOKEN = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f])+")
_PART = re.compile("<([a-z]+)>")
_PATTERNS = (
    *("moral", "unknown", "idioms", "usual", "deliver", "instead", "deny", "bare", "this", "asks", "writing", "salute"),
    *("reason", "boilerplate", "singular"),
)
"""Keys whose lines are one pattern each, `WEIGHED` aside."""


@dataclass(frozen=True)
class Lexicon:
    """The patterns of one language, on text in the form of `plain`.

    `refusal` matches a denial with a verb of answering, or a refusal in one piece; `weighed` has the kinds of `WEIGHED`; the
    others are named as in the files. `ask` is what a request is called, `topics` has what is about each topic and what asks
    for it, `open` what asks for anything.
    """

    order: str
    refusal: re.Pattern[str]
    weighed: dict[str, re.Pattern[str]]
    self: re.Pattern[str]
    singular: re.Pattern[str]
    ask: re.Pattern[str]
    moral: re.Pattern[str]
    unknown: re.Pattern[str]
    idioms: re.Pattern[str]
    usual: re.Pattern[str]
    deliver: re.Pattern[str]
    instead: re.Pattern[str]
    deny: re.Pattern[str]
    bare: re.Pattern[str]
    this: re.Pattern[str]
    asks: re.Pattern[str]
    writing: re.Pattern[str]
    salute: re.Pattern[str]
    reason: re.Pattern[str]
    boilerplate: re.Pattern[str]
    topics: tuple[tuple[re.Pattern[str], re.Pattern[str], int], ...]
    open: re.Pattern[str]


@lru_cache(maxsize=16)
def fold(text: str) -> str:
    """Return text as it is compared: compatible and lower-case forms made one, spellings that vary freely made one."""
    return _MARKS.sub("", folded(text).translate(_VARIANTS))


def plain(text: str) -> str:
    """Return text as the lexicons read it: as `fold` has it, Latin letters without accents, which many leave out."""
    return fold(text).translate(_bare_letters())


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
    deny, speak, alone = (_joined(fields, name) for name in ("deny", "speak", "alone"))
    after = f"(?:{deny})(?:.{{0,{_GAP}}}?)(?:{speak})"
    before = f"(?:{speak}).{{0,{_GAP}}}?(?:{deny})"
    pairs = {"after": [after], "before": [before], "either": [after, before]}[fields["order"]]
    anything, *topics = fields["topics"].strip().splitlines()
    return Lexicon(
        order=fields["order"],
        refusal=re.compile("|".join([*pairs, alone])),
        ask=re.compile(_joined({**fields, "ask": fields["parts"]["ask"]}, "ask")),
        self=re.compile(_joined(fields, "self")),
        topics=tuple(_topic(fields, line) for line in topics),
        open=re.compile(_joined({**fields, "topics": anything}, "topics")),
        weighed={name: re.compile(_joined(fields, name)) for name in WEIGHED},
        **{name: re.compile(_joined(fields, name)) for name in _PATTERNS},
    )


def _topic(fields: dict[str, Any], line: str) -> tuple[re.Pattern[str], re.Pattern[str], int]:
    """Return what tells that a text is about one everyday topic, that a prompt asks for it, and how many words it takes."""
    about, asked, *least = line.split(" @@ ")
    patterns = [_joined({**fields, "topics": lines}, "topics") for lines in (about, f"{about}\n{asked}")]
    return re.compile(patterns[0]), re.compile(patterns[1]), int(least[0]) if least else _TOPIC_WORDS


@cache
def function_words(tag: str) -> frozenset[str]:
    """Return the most frequent words of a language in the form of `fold` (Chinese: characters), none where there is no list."""
    tag = canonical(tag)
    if tag in covered():
        return frozenset(fold(_read(tag)["function"]).split())
    return frozenset(fold(_neighbours().get(tag, "")).split())


@cache
def letter_pairs(tag: str) -> frozenset[str]:
    """Return the pairs of letters that words of a language have, a space for both ends; none where there is no list."""
    text = (resources.files("polylect.safety.detectors") / "letter_pairs.toml").read_text(encoding="utf-8")
    pairs = tomllib.loads(text).get(tag)
    return frozenset(pairs.split("|")) if pairs else frozenset()


@cache
def listed() -> frozenset[str]:
    """Return the canonical tags of all languages whose most frequent words are known."""
    return covered() | frozenset(_neighbours())


def _joined(fields: dict[str, Any], name: str) -> str:
    """Return one pattern of a key's lines, the parts put in, spelled as `plain` spells texts."""
    lines = _PART.sub(lambda found: str(fields["parts"][found[1]]), "|".join(fields[name].strip().splitlines()))
    return _factored(_alternatives(lines.translate(_VARIANTS).replace("ı", "i").translate(_bare_letters())))


def _alternatives(pattern: str) -> list[str]:
    """Return the alternatives of a pattern: what stands between the bars outside of groups and classes."""
    found, depth, start, escaped, in_class = [], 0, 0, False, False
    for place, character in enumerate(pattern):
        if escaped or character == "\\":
            escaped = not escaped
        elif in_class or character == "[":
            in_class = character != "]"
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and depth == 0:
            found.append(pattern[start:place])
            start = place + 1
    return [*found, pattern[start:]]


def _factored(alternatives: list[str]) -> str:
    r"""Return one pattern of alternatives, a \b or (?<!\S) at the start of several tried once: three times as fast."""
    rest, groups = [rf"\b{one}" if one.startswith((r"\w+", r"\w*")) else one for one in alternatives], []
    for start in (r"\b", r"(?<!\S)"):
        behind = [one[len(start) :] for one in rest if one.startswith(start)]
        rest = [one for one in rest if not one.startswith(start)]
        groups += [f"{start}(?:{'|'.join(behind)})"] if behind else []
    return "|".join([*groups, *rest])


@cache
def _bare_letters() -> dict[int, str]:
    """Return the accented Latin letters with the letters under the accents, for `str.translate`."""
    letters = (chr(code) for code in [*range(0xC0, 0x250), *range(0x1E00, 0x1F00)])
    bare = {letter: unicodedata.normalize("NFD", letter)[0] for letter in letters}
    return {ord(letter): base for letter, base in bare.items() if base != letter and base.isascii()}


def _files() -> resources.abc.Traversable:
    return resources.files("polylect.safety.detectors") / "lexicon"


@cache
def _read(tag: str) -> dict[str, Any]:
    name = next(path.name for path in _files().iterdir() if canonical(path.name.removesuffix(".toml")) == tag)
    return tomllib.loads((_files() / name).read_text(encoding="utf-8"))


@cache
def _neighbours() -> dict[str, str]:
    """Return the function words of languages without a lexicon, by canonical tag."""
    text = (resources.files("polylect.safety.detectors") / "function_words.toml").read_text(encoding="utf-8")
    tags = {row.tag for row in known()}
    return {tag: words for tag, words in tomllib.loads(text).items() if tag in tags}
