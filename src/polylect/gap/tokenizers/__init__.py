"""Tokenizers of every common kind behind one small interface: Hugging Face, tiktoken, SentencePiece, GGUF."""

from polylect.gap.tokenizers.interface import Encoded, Tokenizer
from polylect.gap.tokenizers.opening import open_tokenizer

__all__ = ["Encoded", "Tokenizer", "open_tokenizer"]
