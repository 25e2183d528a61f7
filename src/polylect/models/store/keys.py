"""Keys of answers: a hash of everything that decides the content of one answer."""

from __future__ import annotations

import hashlib
import json

from polylect.models.requests import Request, Sampling

__all__ = ["Keys", "answer_key", "by_language"]

_BY_LANGUAGE = "+language"

# ASCII only: half a surrogate pair in a text has a key too. One encoder for all: making one costs more than a short text.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def by_language(fingerprint: str) -> str:
    """Return the fingerprint of a model that answers the same conversation otherwise in another `Request.language`.

    The mark is part of the fingerprint, so that whoever makes keys of it, here or on another machine, heeds it.
    """
    return fingerprint if fingerprint.endswith(_BY_LANGUAGE) else fingerprint + _BY_LANGUAGE


class Keys:
    """Keys of the answers of one model with one way of sampling.

    What decides an answer is the model's fingerprint, the conversation, how many turns of it are examples, temperature,
    top-p, stop texts and seed, and the number of the sample. The limit of tokens, the number of samples and `Request.key` do
    not: an answer that ended by itself is the same under a longer limit. Greedy answers depend on neither top-p nor seed.
    `Request.language` is no part of the conversation, and counts only for a model whose fingerprint says so (`by_language`).

    Args:
        fingerprint: of the model.
        sampling: how it is asked.
    """

    def __init__(self, fingerprint: str, sampling: Sampling) -> None:
        noise = (sampling.temperature, sampling.top_p, sampling.seed) if sampling.temperature > 0 else ()
        self._samples = [f"{number}".encode() for number in range(sampling.samples)]
        self._by_language = fingerprint.endswith(_BY_LANGUAGE)
        self._start = hashlib.blake2b(_encode([fingerprint, sampling.stop, noise]).encode(), digest_size=16)

    def of(self, request: Request) -> list[bytes]:
        """Return the keys (16 bytes) of all samples of a request, in order."""
        content = self._start.copy()
        content.update(_encode([len(request.shots), request.messages]).encode())
        if request.bare:
            content.update(b"bare/")
        if self._by_language:
            content.update(request.language.encode() + b"/")
        keys = []
        for number in self._samples:
            one = content.copy()
            one.update(number)
            keys.append(one.digest())
        return keys


def answer_key(fingerprint: str, request: Request, sampling: Sampling, sample: int) -> bytes:
    """Return the key (16 bytes) of one answer; see `Keys`, which is faster for many."""
    from dataclasses import replace

    return Keys(fingerprint, replace(sampling, samples=sample + 1)).of(request)[sample]
