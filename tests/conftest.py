"""What several folders of tests share: tiny models with random weights, built here, no download."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs with Ctrl-C ignored; tests that interrupt a run would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold a slow test; `--dist loadgroup` keeps a file, whose fixtures are shared, in one process."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


SENTENCES = (
    "In which country is the city of Ankara? Turkey",
    "Hangi ülkede Ankara şehri var? Türkiye",
    "В какой стране находится город Анкара? Турция",
    "¿En qué país está la ciudad de Ankara? Turquía",
    "Which month comes after May? June\nWhich weekday comes after Monday? Tuesday",
)
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
)


@cache
def _tokenizer() -> Any:
    """Return a byte-level BPE tokenizer of some 350 tokens, trained on a few sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<bos>", "<eos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return tokenizer


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build a checkpoint of a two-layer random model: "llama", or "gemma" with a sliding window of 24 tokens in one layer."""
    import torch
    from transformers import (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    torch.set_num_threads(1)

    def build(kind: str = "llama", *, template: str | None = TEMPLATE, ends: Sequence[int] = (2,), seed: int = 0) -> Path:
        names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=_tokenizer(), padding_side="left", **names)
        tokenizer.chat_template = template
        shape = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "initializer_range": 0.3,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": list(ends) if len(ends) > 1 else ends[0],
        }
        torch.manual_seed(seed)
        if kind == "gemma":
            layers = ["sliding_attention", "full_attention"]
            model = Gemma3ForCausalLM(Gemma3TextConfig(**shape, sliding_window=24, layer_types=layers))
        else:
            model = LlamaForCausalLM(LlamaConfig(**shape))
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def llama(make_model: Callable[..., Path]) -> Path:
    """A tiny Llama checkpoint with a chat template."""
    return make_model("llama")


@pytest.fixture(scope="session")
def gemma(make_model: Callable[..., Path]) -> Path:
    """A tiny Gemma 3 checkpoint whose first layer sees 24 tokens back."""
    return make_model("gemma")
