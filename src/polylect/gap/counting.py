"""Count what a tokenizer makes of one language: tokens per item, words split, bytes, characters lost."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from polylect.errors import ModelError
from polylect.gap.corpus import Version
from polylect.gap.tokenizers.interface import Encoded, Flags, Ints, Tokenizer
from polylect.gap.words import has_words, words

__all__ = ["Counts", "Text", "Words", "count_all", "prepare"]


_EACH = 3
"""Every third item is also measured in normal form D: a tokenizer compared with itself needs no more, and it costs as much."""


@dataclass(frozen=True)
class Words:
    """Words of a language's text: `starts` and `ends` (words,) in characters; `first` (types,) where each type occurs first."""

    starts: Ints
    ends: Ints
    first: Ints


@dataclass(frozen=True)
class Text:
    """The text of one language, ready to be measured with any tokenizer.

    `texts` are the items in order, `base` (items,) the position of their first characters when they are joined by a line feed,
    `sizes` (items,) their bytes, `visible` (characters,) tells what is neither space nor control character. `decomposed` are
    some of the items in normal form D by their place, empty where that is the same; `words` is None where the script has none.
    """

    version: Version
    items: tuple[str, ...]
    texts: list[str]
    base: Ints
    sizes: Ints
    visible: Flags
    words: Words | None
    decomposed: dict[int, str]

    @property
    def characters(self) -> int:
        """Return the number of characters of all items."""
        return sum(map(len, self.texts))


@dataclass(frozen=True)
class Counts:
    """What a tokenizer made of a `Text`: `tokens` (items,); `used` the ids that occur; None where positions are not known.

    `split` is the number of words of more than one token, `whole_types` the number of word types of one token where they
    occur first, `lost` the visible characters that no token but the unknown one covers,
    `nfd` the tokens in normal form D over those in C.
    """

    tokens: Ints
    used: Ints
    fallback: int
    unknown: int
    lost: int | None
    split: int | None
    whole_types: int | None
    nfd: float


def prepare(version: Version) -> Text:
    """Prepare the text of a language."""
    import numpy as np

    texts = list(version.texts.values())
    joined = "\n".join(texts)
    lengths = np.array([len(text) + 1 for text in texts], dtype=np.int64)
    decomposed = {place: unicodedata.normalize("NFD", texts[place]) for place in range(0, len(texts), _EACH)}
    return Text(
        version=version,
        items=tuple(version.texts),
        texts=texts,
        base=np.cumsum(lengths) - lengths,
        sizes=np.array([len(text.encode()) for text in texts], dtype=np.int64),
        visible=_visible(joined),
        words=_words(joined) if has_words(version.script) else None,
        decomposed={} if all(texts[place] == text for place, text in decomposed.items()) else decomposed,
    )


def count_all(texts: Iterable[Text], tokenizer: Tokenizer) -> Iterator[Counts | str]:
    """Yield the counts of each text, in order; a text that the tokenizer cannot write yields the reason instead.

    The library encodes the next text while the positions of this one are counted.
    """
    with ThreadPoolExecutor(1) as ahead:
        waiting = None
        for text in texts:
            coming = text, ahead.submit(_encode, text, tokenizer)
            if waiting is not None:
                yield _count_or_reason(waiting[0], waiting[1].result(), tokenizer)
            waiting = coming
        if waiting is not None:
            yield _count_or_reason(waiting[0], waiting[1].result(), tokenizer)


def _encode(text: Text, tokenizer: Tokenizer) -> tuple[Encoded, float] | str:
    try:
        encoded = tokenizer.encode_batch(text.texts)
        if not text.decomposed:
            return encoded, 1.0
        composed = int(encoded.counts[list(text.decomposed)].sum())
        return encoded, int(tokenizer.counts(list(text.decomposed.values())).sum()) / max(composed, 1)
    except ModelError as error:
        return str(error)


def _count_or_reason(text: Text, found: tuple[Encoded, float] | str, tokenizer: Tokenizer) -> Counts | str:
    return found if isinstance(found, str) else _count(text, *found, tokenizer)


def _count(text: Text, encoded: Encoded, nfd: float, tokenizer: Tokenizer) -> Counts:
    import numpy as np

    lost = split = whole_types = None
    if encoded.starts is not None and encoded.ends is not None:
        shift = np.repeat(text.base, encoded.counts)
        # Tokens of nothing (a prefix for the first space) may be placed anywhere: searches need sorted ends.
        starts, ends = np.maximum.accumulate(encoded.starts + shift), np.maximum.accumulate(encoded.ends + shift)
        written = encoded.ids != (-1 if tokenizer.unknown_id is None else tokenizer.unknown_id)
        lost = _lost(text.visible, (encoded.starts + shift)[written], (encoded.ends + shift)[written])
        if text.words is not None:
            pieces = np.searchsorted(starts, text.words.ends, "left") - np.searchsorted(ends, text.words.starts, "right")
            split, whole_types = int((pieces > 1).sum()), int((pieces[text.words.first] == 1).sum())
    unknown = 0 if tokenizer.unknown_id is None else int((encoded.ids == tokenizer.unknown_id).sum())
    return Counts(
        tokens=encoded.counts,
        used=np.unique(encoded.ids),
        fallback=int(tokenizer.fallback_ids[encoded.ids].sum()),
        unknown=unknown,
        lost=lost,
        split=split,
        whole_types=whole_types,
        nfd=nfd,
    )


def _lost(visible: Flags, starts: Ints, ends: Ints) -> int:
    import numpy as np

    size = len(visible) + 1
    depth = np.cumsum(np.bincount(starts, minlength=size) - np.bincount(ends, minlength=size))
    return int((visible & (depth[: len(visible)] == 0)).sum())


def _visible(joined: str) -> Flags:
    import numpy as np

    table = np.zeros(max(map(ord, joined), default=0) + 1, dtype=np.bool_)
    table[[ord(character) for character in set(joined) if unicodedata.category(character)[0] not in "ZC"]] = True
    flags: Flags = table[np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)]
    return flags


def _words(joined: str) -> Words:
    import numpy as np

    spans = [word.span() for word in words(joined)]
    first: dict[str, int] = {}
    for place, (start, end) in enumerate(spans):
        first.setdefault(joined[start:end], place)
    flat = np.array(spans, dtype=np.int64).reshape(len(spans), 2)
    return Words(flat[:, 0].copy(), flat[:, 1].copy(), np.fromiter(first.values(), np.int64, len(first)))
