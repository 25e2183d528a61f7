"""Convert a GGUF file of Gemma 3 or of the Llama family to a Hugging Face checkpoint: safetensors, config and tokenizer.

Weights become bfloat16. Both models were released in bfloat16; what the file holds are 4- to 8-bit approximations of those
values, whose error is far larger than the rounding, and half the size makes the cache and every load half as heavy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.models import safetensors_file
from polylect.models.gguf_file import GgufFile
from polylect.models.gguf_tokenizer import tokenizer_config, tokenizer_json

if TYPE_CHECKING:
    import numpy as np

__all__ = ["convert"]

_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_NORMS = {
    "llama": {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        "attn_norm": "input_layernorm",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}

# Not in the file; google/gemma-3-270m, config.json: every sixth layer attends to the whole context with the global
# base frequency, the others to a sliding window with the local one.
_GEMMA_GLOBAL_EVERY = 6
_GEMMA_LOCAL_THETA = 10_000.0


def convert(source: Path, folder: Path) -> None:
    """Write the checkpoint of GGUF file `source` into the existing, empty `folder`.

    Needs the packages `gguf` and numpy; 0.5 GB of memory for Gemma 3 270M.

    Raises:
        ModelError: the file is damaged, or of an architecture or vocabulary that is not known here.
    """
    with GgufFile(source) as file:
        architecture = file.metadata.get("general.architecture")
        if architecture not in _NORMS:
            raise ModelError(f"{source}: architecture {architecture!r} cannot be converted; known: {', '.join(_NORMS)}.")
        config = _gemma_config(file) if architecture == "gemma3" else _llama_config(file)
        infos = [
            safetensors_file.TensorInfo(_hugging_face_name(name, architecture), "BF16", tensor.shape)
            for name, tensor in file.tensors.items()
        ]
        safetensors_file.write(folder / safetensors_file.SINGLE_FILE, infos, _parts(file, architecture))
        _write_json(folder / "config.json", config)
        specials = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        _write_json(folder / "generation_config.json", {"_from_model_config": True, **specials})
        _write_json(folder / "tokenizer.json", tokenizer_json(file.metadata))
        _write_json(folder / "tokenizer_config.json", tokenizer_config(file.metadata, config["max_position_embeddings"]))


def _parts(file: GgufFile, architecture: str) -> Iterator[bytes]:
    for name, tensor in file.tensors.items():
        change = _change(name, architecture, file)
        for values in file.blocks(name):
            if change and values.shape != tensor.shape:
                raise ModelError(f"{file.path}: tensor {name!r} has too many rows to be converted at once.")
            yield _bfloat16(change(values) if change else values)


def _change(name: str, architecture: str, file: GgufFile) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what undoes the changes that llama.cpp's converter made to a tensor, or None."""
    part = name.split(".")[-2]
    if architecture == "gemma3" and part.endswith("norm"):
        # Gemma's RMSNorm multiplies by 1 + weight; GGUF stores the sum.
        return lambda values: values - 1.0
    if architecture == "llama" and part in ("attn_q", "attn_k"):
        heads = file.metadata["llama.attention.head_count" if part == "attn_q" else "llama.attention.head_count_kv"]
        return lambda values: _half_split(values, heads)
    return None


def _half_split(values: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows (heads * dim, columns) of a rotary projection from interleaved pairs (GGUF) to two halves per head."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _bfloat16(values: np.ndarray) -> bytes:
    """Return finite float32 values as bfloat16 bytes, rounded to nearest, ties to even."""
    import numpy as np

    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def _hugging_face_name(name: str, architecture: str) -> str:
    *prefix, part, suffix = name.split(".")
    known = _TENSORS.get(part) or _NORMS[architecture].get(part)
    if known is None:
        raise ModelError(f"tensor {name!r} is not known in a {architecture} model.")
    return f"model.layers.{prefix[1]}.{known}.{suffix}" if prefix else f"{known}.{suffix}"


def _common_config(file: GgufFile, architecture: str) -> dict[str, Any]:
    meta = file.metadata
    heads, width = meta[f"{architecture}.attention.head_count"], meta[f"{architecture}.embedding_length"]
    return {
        "dtype": "bfloat16",
        "vocab_size": file.tensors["token_embd.weight"].shape[0],
        "hidden_size": width,
        "intermediate_size": meta[f"{architecture}.feed_forward_length"],
        "num_hidden_layers": meta[f"{architecture}.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": meta[f"{architecture}.attention.head_count_kv"],
        "head_dim": meta.get(f"{architecture}.attention.key_length", width // heads),
        "max_position_embeddings": meta[f"{architecture}.context_length"],
        # Stored as float32, where 1e-6 reads 9.999999974752427e-07.
        "rms_norm_eps": float(f"{meta[f'{architecture}.attention.layer_norm_rms_epsilon']:.3g}"),
        "rope_theta": meta[f"{architecture}.rope.freq_base"],
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
    }


def _llama_config(file: GgufFile) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "mlp_bias": False,
        **_common_config(file, "llama"),
    }


def _gemma_config(file: GgufFile) -> dict[str, Any]:
    common = _common_config(file, "gemma3")
    layers = range(1, common["num_hidden_layers"] + 1)
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        **common,
        "query_pre_attn_scalar": common["head_dim"],
        "rope_local_base_freq": _GEMMA_LOCAL_THETA,
        "sliding_window": file.metadata["gemma3.attention.sliding_window"],
        "layer_types": ["sliding_attention" if layer % _GEMMA_GLOBAL_EVERY else "full_attention" for layer in layers],
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    # tokenizer.json has a million short lines when indented; the small files are read by people.
    indent = None if path.name == "tokenizer.json" else 2
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")
