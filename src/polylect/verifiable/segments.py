"""Counting words, sentences, lines and bullets in the way a script has them.

Han and Kana texts have no words between spaces: there a word is a character, which is what "200 字" asks for. Thai, Lao, Khmer,
Burmese and Tibetan have neither; their words, and the sentences of the first two, are not counted here, since that takes a
dictionary: the functions return None, and who asked leaves the answer unscored.
"""

from __future__ import annotations

import re
import unicodedata

from polylect.languages import get

__all__ = ["bullets", "characters", "lines", "paragraphs", "sentences", "words"]

_UNSEGMENTED = frozenset({"Khmr", "Laoo", "Mymr", "Thai", "Tibt"})
_NO_SENTENCES = frozenset({"Laoo", "Thai"})
_CHARACTER_WORDS = frozenset({"Hans", "Hant", "Jpan"})
_HAN_KANA = re.compile("[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WORD = re.compile(r"\w+(?:[\u2019'\u200c\u200d.,:\-·_@/׳״]\w+)*")
_BULLET = re.compile(r"^[ \t]*(?:[-*+•‣◦▪–—・●○■◆]|\w{1,3}[.)、．)]|[(（]\w{1,3}[)）])\s*(?=\S)")
_NUMBERED = re.compile(r"^[ \t]*[(（]?\w{1,3}[.)、．）]")
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？｡．]+[」』”’）]*|[।॥۔؟።፧፨՞։᠃᠉။៕᙮]+|[\u061f\u06d4]+")
_SHORT = re.compile(r"(?:^|[\s(])(?:\w|\d{1,3}|(?:\w\.)+\w|\w{2,4})\.$")
_TITLE = re.compile(r"(?:^|[\s(])(?:[^\W\d_]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Sra|Dra|Mme|Hr|Fr|Nr|No|ul|им|ул)\.$")


def words(text: str, language: str) -> int | None:
    """Return the number of words: runs of letters, digits and marks, joined by an inner apostrophe, hyphen or zero-width joiner.

    In Chinese and Japanese every Han and Kana character is a word; None where the script sets no spaces between words.

    Raises:
        LanguageError: `language` names no known language.
    """
    script = get(language).script
    if script in _UNSEGMENTED:
        return None
    text = unicodedata.normalize("NFC", text)
    if script not in _CHARACTER_WORDS:
        return sum(1 for _ in _WORD.finditer(_with_marks(text)))
    return len(_HAN_KANA.findall(text)) + sum(1 for _ in _WORD.finditer(_HAN_KANA.sub(" ", text)))


def sentences(text: str, language: str) -> int | None:
    """Return the number of sentences; None for Thai and Lao, which set no mark between them.

    A sentence ends at a mark of its script (. ! ? 。 । ۔ ؟ ። ။ ៕ and the like) or with its line. A full stop after a
    title, an initial, or a short word or number before a small letter or digit is an abbreviation: a heuristic.

    Raises:
        LanguageError: `language` names no known language.
    """
    if get(language).script in _NO_SENTENCES:
        return None
    return sum(_line_sentences(line) for line in lines(text))


def characters(text: str) -> int:
    """Return the number of characters as a reader counts them: code points without marks, joiners and white space."""
    return sum(not character.isspace() and unicodedata.category(character) not in {"Mn", "Me", "Mc", "Cf"} for character in text)


def lines(text: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def paragraphs(text: str) -> int:
    """Return the number of paragraphs: blocks between blank lines."""
    return len([block for block in re.split(r"\n\s*\n", text) if block.strip()])


def bullets(text: str) -> int:
    """Return the number of lines that begin as an item of a list: a bullet, or a number or letter with a mark (1. २) 三、)."""
    return sum(1 for line in lines(text) if _is_bullet(line))


def _is_bullet(line: str) -> bool:
    found = _BULLET.match(line)
    if not found or not _NUMBERED.match(line):
        return bool(found)
    label = re.sub(r"\W", "", found[0])
    return len(label) == 1 or all(unicodedata.numeric(character, None) is not None for character in label)


def _with_marks(text: str) -> str:
    r"""Put a letter for every combining mark, which `\w` leaves out: the vowel signs of Devanagari would split a word."""
    return "".join("x" if unicodedata.category(character)[0] == "M" else character for character in text)


def _line_sentences(line: str) -> int:
    count, start = 0, 0
    for found in _END.finditer(line):
        rest = line[found.end() :].lstrip()
        if rest and found[0] == "." and _goes_on(line[start : found.end()], rest):
            continue
        count += any(map(str.isalnum, line[start : found.start()]))
        start = found.end()
    return count + any(map(str.isalnum, line[start:]))


def _goes_on(before: str, rest: str) -> bool:
    """Tell whether the full stop at the end of `before` is that of an abbreviation, by what comes before and after it."""
    return bool(_TITLE.search(before)) or ((rest[0].islower() or rest[0].isdigit()) and bool(_SHORT.search(before)))
