"""A language model of 0.1 million parameters that has half learnt to add: small enough to be trained in a test."""

from __future__ import annotations

import json
import random
from pathlib import Path

_BOS, _EOS, _PAD = "<s>", "</s>", "<pad>"


def write_tiny_model(rows: list[tuple[str, str]], out: Path, *, steps: int = 250) -> None:
    """Train a Llama of two layers on (question, answer) rows, in the layout of the tutorial's chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    random.seed(0)
    torch.manual_seed(0)
    tokenizer = _tokenizer([text for row in rows for text in row])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        batch = tokenizer(
            [f"{_BOS}{question}\n{answer}{_EOS}\n" for question, answer in random.sample(rows, 32)],
            return_tensors="pt",
            padding=True,
        )
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def tutorial_rows(folder: Path) -> list[tuple[str, str]]:
    """Return (question, answer) of the tutorial's seed file, a tenth of them with a wrong answer."""
    rows = [json.loads(line) for line in (folder / "seed.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [row["reference"] if number % 10 else "7" for number, row in enumerate(rows)]
    return [(row["prompt"], answer) for row, answer in zip(rows, answers, strict=True)]


def _tokenizer(texts: list[str]):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[_PAD, _BOS, _EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=_BOS, eos_token=_EOS, pad_token=_PAD)
