"""Translation by encoder-decoder models of transformers that name languages by tokens: NLLB, MADLAD-400, M2M-100."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from polylect.errors import ModelError
from polylect.languages import canonical, get
from polylect.models import checkpoint
from polylect.models.local import best_dtype
from polylect.models.translators.base import Failure, Translated, by_part, sentences
from polylect.models.translators.codes import STYLES, code_of, style_of
from polylect.records import content_hash

__all__ = ["Seq2SeqTranslator"]

_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})
"""Scripts that set no space between sentences, or none that a reader would miss."""


class Seq2SeqTranslator:
    """A translator of Hugging Face's encoder-decoder kind; texts are translated sentence by sentence, as such models are trained.

    Args:
        path: checkpoint folder (config.json, safetensors, tokenizer).
        name: what the tables call it; None takes the folder's name.
        style: "nllb", "madlad" or "m2m"; None looks for the name of English in the vocabulary.
        beams: of the search; 1 is greedy.
        max_tokens: most tokens of a translated sentence; None: twice as many as the sentence has, and 32.
        batch_tokens: most tokens (sentences x the longest one's length) per pass.
        dtype: of the weights; None takes `polylect.models.local.best_dtype`.
        device: "cpu" or "cuda"; None takes a GPU when there is one.
        licence: of its translations; None takes the one that the folder names.
        may_train: whether its translations may train models.

    Raises:
        ModelError: the folder holds no such model, or its way to name languages is not known.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        style: str | None = None,
        beams: int = 4,
        max_tokens: int | None = None,
        batch_tokens: int = 4096,
        dtype: Any = None,
        device: str | None = None,
        licence: str | None = None,
        may_train: bool | None = None,
    ) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.path, self.name = path, name or path.name
        self.beams, self.max_tokens, self.batch_tokens = beams, max_tokens, batch_tokens
        checkpoint.check(path)
        self.licence, self.may_train = licence or checkpoint.origin(path)["licence"], may_train
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(path)
            model = AutoModelForSeq2SeqLM.from_pretrained(path, dtype=dtype or best_dtype(self._device))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: cannot be loaded as a sequence-to-sequence model ({error}).") from error
        self._model: Any = model.to(self._device).eval()
        self._vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        self.style = style or style_of(self._vocabulary, str(path))
        if not any(code in self._vocabulary for code in STYLES[self.style]("en")):
            raise ModelError(f"{path}: no model of the kind {self.style!r}: its vocabulary lacks {STYLES[self.style]('en')[0]}.")

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the checkpoint and of what else decides its translations."""
        from polylect.models.answers import fingerprint

        return content_hash(fingerprint(self.path), self.style, self.beams, self.max_tokens)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Translate texts; see `polylect.models.translators.Translator`.

        A text fails whose language the model does not name, or of which a sentence is cut off or comes back empty.
        """
        if self._model is None:
            raise ModelError(f"{self.name}: the translator is closed. Open it again.")
        tags = canonical(source), canonical(target)
        names = [code_of(tag, self.style, self._vocabulary) for tag in tags]
        for tag, name in zip(tags, names, strict=True):
            if name is None:
                return [Failure(f"{self.name} does not know the language {tag!r}")] * len(texts)
        into = str(names[1])

        def work(parts: list[str]) -> list[Translated]:
            encoded = {index: self._encode(part, str(names[0]), into) for index, part in enumerate(parts)}
            done: dict[int, Translated] = {}
            for batch in self._batches(encoded):
                done.update(zip(batch, self._generate([encoded[index] for index in batch], into), strict=True))
            return [done[index] for index in range(len(parts))]

        return by_part(texts, sentences, "" if get(tags[1]).script in _UNSPACED else " ", work)

    def _encode(self, text: str, source: str, target: str) -> list[int]:
        """Return the encoder's input: MADLAD names the target first, the others the source; the end token last."""
        first = self._vocabulary[target if self.style == "madlad" else source]
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [first, *ids, self._tokenizer.eos_token_id]

    def _batches(self, encoded: dict[int, list[int]]) -> Iterator[list[int]]:
        """Yield the indices of sentences of like length, long ones first."""
        order = sorted(encoded, key=lambda index: -len(encoded[index]))
        start = 0
        while start < len(order):
            size = max(1, self.batch_tokens // len(encoded[order[start]]))
            yield order[start : start + size]
            start += size

    def _generate(self, batch: Sequence[list[int]], target: str) -> list[Translated]:
        import torch

        width = max(map(len, batch))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch], device=self._device)
        forced = {} if self.style == "madlad" else {"forced_bos_token_id": self._vocabulary[target]}
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.max_tokens or 2 * width + 32,
                num_beams=self.beams,
                do_sample=False,
                **forced,
            )
        return [self._text(row) for row in out.tolist()]

    def _text(self, ids: list[int]) -> Translated:
        if self._tokenizer.eos_token_id not in ids[1:]:  # NLLB's decoder begins with the end token
            return Failure("translation cut off")
        text = str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()
        return text or Failure("empty translation")

    def close(self) -> None:
        """Let the weights go."""
        self._model = None
        gc.collect()
