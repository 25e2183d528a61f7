"""How fast and how small merging is, beside mergekit where it is installed, and beside plain reading and writing.

Run: python benchmarks/merge.py --folder DIR [--mergekit-python PATH] [--runs 3] [--only methods,tensors,bytes,embedding]

The checkpoints are synthetic: random weights of a Llama-like model of 245M parameters (129 tensors, 491 MB in bfloat16), and
small random task vectors added to them. Every figure is a whole process, started anew, with a warm file cache, the two sides in
turn; peak memory is the kernel's figure for that process. The folder takes 3 GB, 11 GB for a moment with the embedding.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import numpy as np

METHODS = {"linear": 3, "slerp": 2, "dare-ties": 4, "ties": 4}
"""Method -> number of models."""
MODELS = 4
BLOCK = 1 << 20

_OURS = "import json, sys; import polylect.merge; a = json.loads(sys.argv[1]); polylect.merge(a.pop('models'), **a)"
_THEIRS = "import sys; from mergekit.scripts.run_yaml import main; main()"
_WRAPPER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
print(json.dumps([done.returncode, seconds, peak, done.stderr.decode()[-2000:]]))
"""


def llama(hidden: int = 1024, inner: int = 2816, layers: int = 14, vocabulary: int = 42_624) -> tuple[dict, dict]:
    """Return configuration and tensors (name -> shape) of a Llama."""
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": layers, "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": vocabulary,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-6, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for i in range(layers):
        name = f"model.layers.{i}."
        small = hidden // 4
        for part, shape in {
            "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (small, hidden), "self_attn.v_proj": (small, hidden),
            "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner), "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
        }.items():  # fmt: skip
            shapes[f"{name}{part}.weight"] = shape
    return config, {**shapes, "model.norm.weight": (hidden,), "lm_head.weight": (vocabulary, hidden)}


def checkpoint(folder: Path, config: dict, shapes: dict[str, tuple[int, ...]], model: int) -> Path:
    """Write a checkpoint unless it is there; model 0 is the base, the others add small random task vectors to it."""
    if (folder / "config.json").exists():
        return folder
    from polylect.models.safetensors_file import TensorInfo, write

    folder.mkdir(parents=True, exist_ok=True)
    tensors = [TensorInfo(name, "BF16", shape) for name, shape in shapes.items()]
    write(folder / "model.safetensors", tensors, _values(tensors, model))
    tokens = {f"t{i}": i for i in range(64)}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": tokens, "unk_token": "t0"}}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, **empty}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "t0"}))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _values(tensors: list, model: int):
    """Yield the bytes of all tensors: the base's values, and for other models a task vector of a fifth of their size."""
    for number, tensor in enumerate(tensors):
        for first in range(0, tensor.size, BLOCK):
            size = min(BLOCK, tensor.size - first)
            values = np.random.default_rng([0, number, first]).standard_normal(size, dtype=np.float32) * 0.02
            if model:
                values += np.random.default_rng([model, number, first]).standard_normal(size, dtype=np.float32) * 0.004
            bits = values.view(np.uint32)
            yield ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def process(command: list[str]) -> tuple[float, float]:
    """Run a command in a fresh wrapper process; return seconds and peak memory in MB."""
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    wrapped = [sys.executable, "-c", _WRAPPER, *command]
    text = subprocess.run(wrapped, check=True, capture_output=True, env=environment).stdout
    code, seconds, peak, error = json.loads(text)
    if code:
        raise SystemExit(f"{' '.join(command)[:200]}\n{error}")
    return seconds, peak


def ours(models: list[Path], out: Path, **settings: object) -> tuple[float, float]:
    """Merge with Polylect."""
    shutil.rmtree(out, ignore_errors=True)
    arguments = {"models": [str(model) for model in models], "out": str(out), **settings}
    return process([sys.executable, "-c", _OURS, json.dumps(arguments)])


def theirs(python: str, method: str, models: list[Path], base: Path, out: Path) -> tuple[float, float]:
    """Merge with mergekit: the same models, weights, density and dtype."""
    shutil.rmtree(out, ignore_errors=True)
    entries = [{"model": str(model), "parameters": {"weight": 1 / len(models), "density": 0.5}} for model in models]
    config: dict = {"merge_method": method.replace("-", "_"), "models": entries, "dtype": "bfloat16"}
    if method == "slerp":
        config |= {"base_model": str(models[0]), "parameters": {"t": 0.5}}
    elif method != "linear":
        config |= {"base_model": str(base)}
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(config))  # JSON is YAML
    return process([python, "-c", _THEIRS, str(file), str(out)])


def limit(inputs: list[Path], out: Path, threads: int, *, fsync: bool) -> float:
    """Return the seconds that reading the inputs and writing as much as one of them takes, as the engine does it."""
    out.unlink(missing_ok=True)
    files = [os.open(path, os.O_RDONLY) for path in inputs]
    size, step = inputs[0].stat().st_size, 1 << 18
    start = time.perf_counter()
    target = os.open(out, os.O_RDWR | os.O_CREAT)
    os.ftruncate(target, size)
    jobs: SimpleQueue[int | None] = SimpleQueue()

    def work() -> None:
        buffers = [bytearray(step) for _ in files]
        while (first := jobs.get()) is not None:
            for place in range(first, min(first + 2 * BLOCK, size), step):
                length = min(step, size - place)
                for file, buffer in zip(files, buffers, strict=True):
                    os.preadv(file, [memoryview(buffer)[:length]], place)
                os.pwrite(target, memoryview(buffers[0])[:length], place)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for first in range(0, size, 2 * BLOCK):
        jobs.put(first)
    for _ in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()
    if fsync:
        os.fsync(target)
    seconds = time.perf_counter() - start
    for file in (*files, target):
        os.close(file)
    out.unlink()
    return seconds


def methods(folder: Path, peer: str | None, runs: int, wanted: list[str]) -> None:
    """Print medians of time and peak memory per method, and their ratios."""
    models = [checkpoint(folder / f"model{i}", *llama(), i) for i in range(MODELS + 1)]
    base, models = models[0], models[1:]
    threads = len(os.sched_getaffinity(0))
    print(f"{threads} cores; medians of {runs} runs; seconds and peak MB of whole processes")
    for method, count in METHODS.items():
        if method not in wanted:
            continue
        chosen, options = models[:count], {"method": method}
        if method in {"dare-ties", "ties"}:
            options["base"] = str(base)
        rows: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
        plain, synced = [], []
        for run in range(runs + 1):
            figures = [ours(chosen, folder / "out", **options)]
            figures += [theirs(peer, method, chosen, base, folder / "peer")] if peer else []
            files = [model / "model.safetensors" for model in chosen + ([base] if "base" in options else [])]
            limits = [limit(files, folder / "limit.bin", threads, fsync=fsync) for fsync in (False, True)]
            if run:  # the first one warms the file cache
                for side, figure in zip(rows.values(), figures, strict=False):
                    side.append(figure)
                plain.append(limits[0])
                synced.append(limits[1])
        mine = [statistics.median(column) for column in zip(*rows["ours"], strict=True)]
        line = f"{method:10} x{count}  {mine[0]:6.2f} s {mine[1]:5.0f} MB"
        if peer:
            other = [statistics.median(column) for column in zip(*rows["theirs"], strict=True)]
            line += f"   mergekit {other[0]:6.2f} s {other[1]:5.0f} MB   {other[0] / mine[0]:5.1f} times as fast"
        read, safe = statistics.median(plain), statistics.median(synced)
        print(
            f"{line}   read-write limit {read:.2f} s ({mine[0] / read:.1f}x), with fsync {safe:.2f} s ({mine[0] / safe:.1f}x)",
            flush=True,
        )
    for name in ("out", "peer"):
        shutil.rmtree(folder / name, ignore_errors=True)


def many_tensors(folder: Path, runs: int) -> None:
    """Print what 4,000 tensors cost beyond the same bytes in one."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    shapes = {f"model.layers.{i}.w.weight": (16, 64) for i in range(4000)}
    found = {}
    for name, parts in {"many": shapes, "one": {"model.w.weight": (16 * 4000, 64)}}.items():
        models = [checkpoint(folder / f"{name}{i}", config, parts, i) for i in range(1, MODELS + 1)]
        base = checkpoint(folder / f"{name}0", config, parts, 0)
        for method in ("linear", "ties"):
            times = [ours(models, folder / "out", method=method, base=str(base))[0] for _ in range(runs)]
            found[name, method] = statistics.median(times)
        for model in (base, *models):
            shutil.rmtree(model)
    for method in ("linear", "ties"):
        many, one = found["many", method], found["one", method]
        print(f"{method}: 4,000 tensors {many:.2f} s, the same bytes in one {one:.2f} s: {many - one:.2f} s more")


def by_bytes(folder: Path, runs: int) -> None:
    """Print time against bytes: linear merges of models of 4, 8, 14 and 28 layers."""
    for layers in (4, 8, 14, 28):
        config, shapes = llama(layers=layers)
        models = [checkpoint(folder / f"layers{layers}-{i}", config, shapes, i) for i in range(1, 4)]
        size = (models[0] / "model.safetensors").stat().st_size
        seconds = statistics.median(ours(models, folder / "out")[0] for _ in range(runs))
        print(
            f"{layers} layers, 3 x {size / 1e6:.0f} MB: {seconds:.2f} s, {seconds / size * 1e9:.2f} s per GB of output",
            flush=True,
        )
        for model in models:
            shutil.rmtree(model)


def embedding(folder: Path) -> None:
    """Print peak memory of merging one embedding of 256k x 4096 in bfloat16 from four inputs."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    parts = {"model.embed_tokens.weight": (256_000, 4096)}
    models = [checkpoint(folder / f"embedding{i}", config, parts, i) for i in range(MODELS)]
    for method in ("linear", "ties", "dare-ties"):
        seconds, peak = ours(models, folder / "out", method=method, base=str(models[0]))
        print(f"{method}: 256,000 x 4,096 from {MODELS} inputs and a base: {seconds:.1f} s, {peak:.0f} MB", flush=True)
    for model in (*models, folder / "out"):
        shutil.rmtree(model)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mergekit-python")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--only", default="methods,tensors,bytes,embedding")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    if "methods" in only:
        methods(arguments.folder, arguments.mergekit_python, arguments.runs, arguments.methods.split(","))
    if "tensors" in only:
        many_tensors(arguments.folder, arguments.runs)
    if "bytes" in only:
        by_bytes(arguments.folder, arguments.runs)
    if "embedding" in only:
        embedding(arguments.folder)
    shutil.rmtree(arguments.folder / "out", ignore_errors=True)


if __name__ == "__main__":
    main()
