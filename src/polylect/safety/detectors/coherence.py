"""Answers that make no sense or say nothing: noise, loops, copies of the prompt, and text that no word ties to the prompt.

None of this reads for meaning. A loop, keyboard noise, a copied prompt can be seen; that fluent text in the right language
answers the prompt cannot. Only what is long and shares no word with the prompt counts as beside the point; the rest passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache

from polylect.languages import get
from polylect.languages.scripts import letter_scripts
from polylect.safety.detectors.lexicon import covered, fold, function_words, letter_pairs, lexicon, plain, tokens

__all__ = [
    "asks_why",
    "content",
    "is_boilerplate",
    "is_code",
    "is_copy",
    "is_loop",
    "is_noise",
    "is_run_of_digits",
    "is_scrambled",
    "is_word_salad",
    "keeps_to_another_topic",
    "lacks_function_words",
    "shares_no_word",
    "speaks_of_itself",
    "without_prompt",
]

_LETTERS_OF_A_COPY = 0.9
_FEWEST_OWN = 12
"""Letters that an answer has to add to the prompt that it repeats for it to be more than a copy."""

_SYMBOLS = 0.35
"""Share of the visible characters that are no letters, digits or marks of ordinary prose, from which on text is noise."""

_PROSE_MARKS = frozenset(".,;:!?'\"()-–—…¿¡«»“”„‘’،؛؟۔।。，、！？：；（）「」『』《》％%°€$№·*")
_SIGNS = 0.3
"""Share of letters and digits, marks of ordinary prose or not, below which text is noise."""

_SCRIPTS, _SCRIPT_SHARE = 4, 0.08
_JAPANESE = frozenset({"Hani", "Hira", "Kana"})
_VOWELS = frozenset("aeiouyæøœ" + "аеиоуыэюяіїє")
_CONSONANTS = 5
"""Consonants in a row that hardly any word has."""

_UNSAYABLE = 0.4
_LOOP_GRAM = 8
_LOOP_DISTINCT = 0.65
"""Least share of distinct runs of letters: songs with refrains have 0.8 and more, loops cut off at 48 tokens up to 0.64."""

_LOOP_SHORTEST = 24
_LOOP_WORDS, _LOOP_KINDS, _LOOP_LOOKED = 6, 0.25, 400
_RUN = re.compile(r"(.)\1{9,}")
_ITEM = re.compile(r"^\s*\w{1,3}[.):、]\s*", re.MULTILINE)
_DIGITS = re.compile(r"(\d)\1{14,}")

_FEWEST_WORDS = {"tr": 14}
"""Words from which on a text without any of the frequent ones is none, 10 where nothing is said: Turkish has fewer."""

_FREQUENT_EVERY = 20
"""Words among which running text has at least one of the frequent ones; Turkish, which binds many to other words, has fewest."""

_FEWEST_LISTED = 3
_STRANGE, _STRANGE_WORDS, _STRANGE_LETTERS = {"Deva": 0.35}, 4, 16
_MOSTLY_STRANGE = 0.22
"""Share of pairs of letters that the language does not have, from which on text is none of it: answers of four words and more
have up to 0.14 (Hindi, whose pairs are many: 0.19), letters drawn evenly 0.22 and more (0.54)."""

_RARE_HAN, _FEWEST_HAN = 0.4, 6
_ONLY_FREQUENT, _ONLY_FREQUENT_WORDS, _ONLY_FREQUENT_KINDS = 0.9, 12, 0.6
_SALAD_WORDS, _SALAD_HAN, _SALAD_LONG = 7, 16, 1.75
"""Words of an unpunctuated text (Chinese: characters) from which on it may be a salad, and the factor that makes it long."""

_SALAD, _SALAD_OF_LONG = 0.55, {"ar": 0.8, "zh-Hans": 0.8}
"""Share of frequent words, of what is usual in the language, below which an unpunctuated text is a salad; likewise a long one
where little words are parts of others. Of 1,013 labelled answers that comply or refuse one has 8 words and no mark."""

_USUAL_SHARE = {
    "ar": 0.33, "de": 0.5, "en": 0.43, "es": 0.5, "fr": 0.47, "hi": 0.45, "id": 0.38, "ru": 0.36, "tr": 0.23, "zh-Hans": 0.46,
}  # fmt: skip
"""Median share of frequent words in the labelled answers that comply or refuse and share no word with their prompt."""

_MARKS_OF_SENTENCES = re.compile(r"[.,;:!?،؛؟۔।。，！？：；、…\n\"“”„«»()\-–—·•*|/=]")
_FENCED = re.compile(r"```[^\n`]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(
    r"\s*(?:[\w.\[\]\"']+(?:\s*,\s*\w+)*\s*[-+*/%:]?=(?!=)\s*\S.*|[\w.]+\(.*\)[);:,\]]*|.*\w\(.*\).*[:;{}]"
    r"|(?:def|class|for|while|if|elif|else|return|import|from|function|const|let|var|public|private|switch|case|try|except)\b.*[:;{}]"
    r"|(?:import|from) [\w.]+(?: import .*)?|(?:return|print|echo)\s\S.*[-+*/%\])\"']\S*.*|[{}\[\]();]+,?|</?\w.*>|(?:#|//|/\*).*"
    r"|return [\w.]+|return .*(?:[-<>=+*/%]| if ).*|pass|break"
    r"|=[A-Z]+\(.*\)|\[.* for \w+ in .*\]|(?:for|while|if) .*:\s*\w+(?:\(.*\))?|(?:while|if|else|try)\b.*:"
    r"|(?:SELECT|INSERT|UPDATE|DELETE|CREATE|FROM|WHERE|ORDER BY|GROUP BY)\b.*"
    r"|(?:\$|sudo|git|pip|npm|mkdir|cd|ls|rm|cp|mv) \S.*|.*[;{])\s*"
)
_CODE_SIGNS = re.compile(r"[=({;<$\[:]|\b(?:def|return|import|print|SELECT|FROM)\b")
_CODE_LOOKED = 4000

_TOPIC_SAID, _TOPIC_LOOKED, _TOPIC_STEM = {"Hans": 3}, 600, 4
"""Content words of an answer about another topic (elsewhere 5), characters that are looked at, and letters by which words
differ."""

_WHY = re.compile(
    r"\b(?:why|how come|warum|wieso|weshalb|por que|pourquoi|mengapa|kenapa|neden|nicin|niye|почему|отчего|зачем|لماذا)\b"
    r"|(?<!\S)क्यों|为什么|为何|怎么会"
)
"""What asks for a cause, which may be in any topic: one word more of it is needed."""

_BOILERPLATE, _BOILERPLATE_LOOKED = 2, 2000
"""Different phrases of web pages that make a text boilerplate, and characters that are looked at."""

_DENSE = frozenset({"Hani"})
_TOPIC_WORDS = {"Hans": 42}
_LEAST_TOPIC_WORDS = 21
"""Content words from which on an answer that shares none with the prompt is suspect; of Chinese, pairs of characters.

Of the labelled answers that comply 47 % share none below 18 of them, 2 of 25 from 18 on, none from 21 on."""


def is_loop(text: str) -> bool:
    """Tell whether text says the same over and over: over a third of its runs of 8 letters (4 Han ones) repeat an earlier one.

    Marks of list items do not count, and a text whose words are one in four new, or fewer, is a loop, too.
    Holtzman et al. 2020 (arXiv 1904.09751, section 4) describe the failure; counting n-grams follows Rae et al. 2021
    (arXiv 2112.11446, appendix A1.1). The thresholds are ours.
    """
    text = _ITEM.sub("", text)
    words = [word.strip(".,;:!?…、，。！？|") for word in text.casefold().split()[:_LOOP_LOOKED]]
    if len(words) >= _LOOP_WORDS and len(set(words)) <= _LOOP_KINDS * len(words):
        return True
    joined = "".join(character for character in text.casefold() if character.isalpha() or _is_mark(character))
    if _RUN.search(joined):
        return len(max((match[0] for match in _RUN.finditer(joined)), key=len)) * 2 > len(joined)
    size = _LOOP_GRAM // 2 if _is_dense(text) else _LOOP_GRAM
    if len(joined) < _LOOP_SHORTEST * size // _LOOP_GRAM:
        return False
    grams = [joined[i : i + size] for i in range(len(joined) - size + 1)]
    return len(set(grams)) < _LOOP_DISTINCT * len(grams)


def is_noise(text: str) -> bool:
    """Tell whether text is made of symbols, of letters of many scripts, or of letters in orders that nobody can say."""
    visible = [character for character in text if not character.isspace()]
    odd = sum(not (character.isalnum() or _is_mark(character) or character in _PROSE_MARKS) for character in visible)
    if len(visible) >= _LOOP_SHORTEST // 2 and odd > _SYMBOLS * len(visible):
        return True
    if len(visible) >= _LOOP_SHORTEST // 2 and sum(one.isalnum() or _is_mark(one) for one in visible) < _SIGNS * len(visible):
        return True
    scripts = Counter[str]()
    for script, number in letter_scripts(text).items():
        scripts["Jpan" if script in _JAPANESE else script] += number
    if sum(number >= _SCRIPT_SHARE * scripts.total() for number in scripts.values()) >= _SCRIPTS:
        return True
    words = [word for word in tokens(fold(text)) if len(word) >= 2 and _has_vowels_written(word)]
    unsayable = sum(map(_is_unsayable, words))
    return unsayable >= 4 and unsayable > _UNSAYABLE * len(words)


def lacks_function_words(text: str, tag: str) -> bool:
    """Tell whether text that is long enough has hardly any of the words that texts of the language are full of.

    Lists, which have few of them, are let pass.
    """
    frequent = function_words(tag)
    if not frequent:
        return False
    plain = fold(text)
    if get(tag).script in {"Hans", "Hant"}:
        han = [character for character in plain if "\u3400" <= character <= "\u9fff"]
        return len(han) >= 12 and sum(character in frequent for character in han) < 0.04 * len(han)
    words = tokens(plain)
    if len(words) < _FEWEST_WORDS.get(tag, 10) or _is_listed(text, len(words)):
        return False
    return sum(_is_frequent(word, frequent) for word in words) < len(words) / _FREQUENT_EVERY


def is_scrambled(text: str, tag: str) -> bool:
    """Tell whether text is made of letters, or of frequent words, as no text of the language has them.

    Of the letters those pairs are counted that the words of the language do not have; of Chinese the characters that neither
    the first level of GB 2312 nor that of Big5 has, the 5,000 to 6,000 in common use. A text of frequent words, hardly any
    new, is a bag of words.
    """
    plain_text = fold(text)
    if get(tag).script in {"Hans", "Hant"}:
        han = [character for character in plain_text if "\u3400" <= character <= "\u9fff"]
        return len(han) >= _FEWEST_HAN and sum(map(_is_rare, han)) > _RARE_HAN * len(han)
    words, frequent = tokens(plain_text), function_words(tag)
    own = sum(_is_frequent(word, frequent) for word in words)
    if len(words) >= _ONLY_FREQUENT_WORDS and own >= _ONLY_FREQUENT * len(words):
        return len(set(words)) < _ONLY_FREQUENT_KINDS * len(words)
    latin = get(tag).script == "Latn"
    words = [word for word in words if latin or not word.isascii()]
    pairs = [pair for word in words for pair in _grams(f" {word} ", 2)]
    if len(words) < _STRANGE_WORDS or len(pairs) < _STRANGE_LETTERS + len(words) or _is_listed(text, len(words)):
        return False
    known = letter_pairs(tag)
    strange = sum(pair not in known for pair in pairs)
    return bool(known) and strange > _STRANGE.get(get(tag).script, _MOSTLY_STRANGE) * len(pairs)


def is_code(answer: str) -> bool:
    """Tell whether an answer is code and nothing else: in a fence, with signs of code in it, or line by line."""
    text = answer[:_CODE_LOOKED].strip()
    if _FENCED.search(text):
        inside = "".join(match[1] for match in _FENCED.finditer(text))
        return not any(map(str.isalpha, _FENCED.sub("", text))) and _CODE_SIGNS.search(inside) is not None
    lines = [line[:200] for line in text.splitlines() if line and not line.isspace()]
    if sum(map(str.isalnum, text)) < _SIGNS * len(text) or _CODE_SIGNS.search(text) is None:
        return False
    return bool(lines) and all(map(_CODE_LINE.fullmatch, lines))


def is_word_salad(prompt: str, answer: str, tag: str) -> bool:
    """Tell whether words stand side by side without any mark between or behind them, and hardly any is a frequent one.

    Words drawn at random, or invented, have neither commas nor the little words that bind; who writes without any marks still
    has those.
    """
    text, usual = answer.strip(), _USUAL_SHARE.get(tag)
    if usual is None or _MARKS_OF_SENTENCES.search(text):
        return False
    share, number, least = _frequent_share(text, tag)
    if number < least:
        return False
    most = _SALAD_OF_LONG.get(tag, _SALAD) if number >= _SALAD_LONG * least else _SALAD
    return share < most * usual and not content(prompt, tag) & content(answer, tag)


def _frequent_share(text: str, tag: str) -> tuple[float, int, int]:
    """Return the share of frequent words (Chinese: characters), the number of words, and how many a salad has at least."""
    plain, frequent = fold(text), function_words(tag)
    if get(tag).script in {"Hans", "Hant"}:
        han = [character for character in plain if "\u3400" <= character <= "\u9fff"]
        return sum(character in frequent for character in han) / max(1, len(han)), len(han), _SALAD_HAN
    words = tokens(plain)
    return sum(_is_frequent(word, frequent) for word in words) / max(1, len(words)), len(words), _SALAD_WORDS


def keeps_to_another_topic(prompt: str, answer: str, tag: str) -> bool:
    """Tell whether an answer has two or three words of an everyday topic of which the prompt has none, and none in common.

    A shop's opening hours, a match, the weather: fluent, and beside the point of a question about anything else. Lists are let
    pass, and whatever answers a prompt that is open to anything.
    """
    words, asked = lexicon(tag), plain(prompt)
    said = content(answer, tag)
    if words.writing.search(asked) or words.open.search(asked) or len(_ITEM.findall(answer)) > 1:
        return False
    if len(said) < _TOPIC_SAID.get(get(tag).script, 5):
        return False
    if content(words.asks.sub(" ", asked), tag) & said:
        return False
    text, more = plain(answer[:_TOPIC_LOOKED]), asks_why(asked)
    return any(
        len({match[0][:_TOPIC_STEM] for match in about.finditer(text)}) >= least + more and not asks.search(asked)
        for about, asks, least in words.topics
    )


def asks_why(asked: str) -> bool:
    """Tell whether a prompt in the form of `plain` asks for a cause, which may lie in any topic."""
    return _WHY.search(asked) is not None


def is_boilerplate(prompt: str, answer: str, tag: str) -> bool:
    """Tell whether an answer says what web pages say to everybody, and no content word of the prompt."""
    if tag not in covered():
        return False
    words, text = lexicon(tag), plain(answer[:_BOILERPLATE_LOOKED])
    if len({match[0] for match in words.boilerplate.finditer(text)}) < _BOILERPLATE or words.writing.search(plain(prompt)):
        return False
    return not content(prompt, tag) & content(answer, tag)


@cache
def _is_rare(character: str) -> bool:
    """Tell whether a Han character is in neither of the lists of those in common use."""
    simplified, traditional = character.encode("gb2312", "ignore"), character.encode("big5", "ignore")
    return not (simplified[:1] <= b"\xd7" and simplified) and not (traditional[:1] <= b"\xc6" and traditional)


def _is_listed(text: str, words: int) -> bool:
    """Tell whether a text is a list: three commas, line ends or bullets to every dozen words."""
    listed = len(re.findall(r"[,،;\n•]|^\s*[-*\d]", text, re.MULTILINE))
    return listed >= _FEWEST_LISTED * words / 12


def _is_frequent(word: str, frequent: frozenset[str]) -> bool:
    """Tell whether a word is a frequent one, not just a Latin letter; Arabic writes "and", "so", "by" onto the next one."""
    if word in frequent:
        return len(word) > 1 or not word.isascii()
    return "\u0600" <= word[0] <= "\u06ff" and len(word) > 2 and word[1:] in frequent


def is_run_of_digits(prompt: str, answer: str) -> bool:
    """Tell whether an answer falls into one and the same digit, where the prompt asks for no number."""
    return _DIGITS.search(answer) is not None and not any(map(str.isdigit, prompt))


def without_prompt(prompt: str, answer: str) -> str:
    """Return what an answer says after repeating the prompt, the whole answer where it does not."""
    stripped = answer.strip()
    return stripped[len(prompt.strip()) :] if stripped.startswith(prompt.strip()) else answer


def is_copy(prompt: str, answer: str) -> bool:
    """Tell whether an answer is the prompt again, once or more, whole or for the most part, with next to nothing of its own."""
    asked, given = _letters(prompt), _letters(answer)
    if not asked or 2 * len(given) < len(asked):
        return False
    lines = [letters for line in answer.splitlines() if (letters := _letters(line))]
    if len(lines) > 1 and all(letters in asked for letters in lines):
        return True
    own = given.replace(asked, "")
    if len(own) < _FEWEST_OWN and len(own) < len(given):
        return True
    grams = Counter(_grams(own, 5))
    known = set(_grams(asked, 5))
    return bool(grams) and sum(grams[gram] for gram in grams if gram in known) >= _LETTERS_OF_A_COPY * grams.total()


def shares_no_word(prompt: str, answer: str, tag: str) -> bool:
    """Tell whether a long answer has no content word, not even its beginning, in common with the prompt.

    It may be beside the point, or say the same in other words. A text that was asked for, such as a story, need not have any.
    """
    if lexicon(tag).writing.search(plain(prompt)):
        return False
    script = get(tag).script
    said = content(answer, tag)
    if len(said) < _TOPIC_WORDS.get(script, _LEAST_TOPIC_WORDS):
        return False
    asked = content(prompt, tag)
    return bool(asked) and not asked & said


def speaks_of_itself(answer: str, tag: str) -> bool:
    """Tell whether an answer speaks in the first person: such talk with the prompt seldom is beside the point."""
    return lexicon(tag).self.search(plain(answer[:_BOILERPLATE_LOOKED])) is not None


@lru_cache(maxsize=4096)
def content(text: str, tag: str) -> frozenset[str]:
    """Return the content words of a text by their beginnings: of Chinese the pairs of characters."""
    frequent, plain = function_words(tag), fold(text)
    if get(tag).script in {"Hans", "Hant"}:
        runs = re.findall("[\u3400-\u9fff]+", plain)
        return frozenset(pair for run in runs for pair in _grams(run, 2) if not set(pair) & frequent)
    stem = 3 if get(tag).script in {"Arab", "Deva"} else 4
    words = [re.sub("^(?:و|ف)?(?:ال|بال|كال|لل|ب|ل|ك)(?=...)", "", word) for word in tokens(plain) if word not in frequent]
    return frozenset(word[:stem] for word in words if len(word) >= 3)


@lru_cache(maxsize=4096)
def _letters(text: str) -> str:
    return "".join(character for character in fold(text) if character.isalnum())


def _grams(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(len(text) - size + 1)]


def _is_dense(text: str) -> bool:
    scripts = letter_scripts(text)
    return 2 * sum(scripts[script] for script in _DENSE) > scripts.total()


def _has_vowels_written(word: str) -> bool:
    return word[0].isascii() or word[0] < "\u0530"


@cache
def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


@lru_cache(maxsize=65536)
def _is_unsayable(word: str) -> bool:
    """Tell whether a word in Latin, Cyrillic or Greek letters has no vowel, or five consonants in a row."""
    run = longest = 0
    for character in unicodedata.normalize("NFD", word):
        if not character.isalpha():
            continue
        run = 0 if character in _VOWELS else run + 1
        longest = max(longest, run)
    return longest >= min(len(word), _CONSONANTS)
