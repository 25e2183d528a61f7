"""A Gemma 3 of two layers over bytes: the same weights and tokens whatever the versions of torch, transformers and tokenizers.

python tests/evaluate/byte_model.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

__all__ = ["write_byte_model"]

_SPECIALS = ("<pad>", "<bos>", "<eos>")


def write_byte_model(folder: Path) -> Path:
    """Write the checkpoint; weights come from NumPy's PCG64, whose stream is fixed, tokens are single bytes."""
    import numpy as np
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

    names = dict(zip(("pad_token", "bos_token", "eos_token"), _SPECIALS, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=_tokenizer(), padding_side="left", **names)
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = Gemma3ForCausalLM(config)
    draw = np.random.Generator(np.random.PCG64(7))
    with torch.no_grad():
        for _, weights in sorted(model.named_parameters()):
            weights.copy_(torch.from_numpy(draw.normal(0.0, 0.4, tuple(weights.shape))))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*_SPECIALS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    tokenizer.add_special_tokens(list(_SPECIALS))
    return tokenizer


if __name__ == "__main__":
    print(write_byte_model(Path(sys.argv[1])))
