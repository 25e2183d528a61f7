"""Vocabulary trimming: the smaller checkpoint equals the original on covered text, for two kinds of tokenizer."""

import dataclasses
import json
import shutil
from functools import cache

import pytest
import torch
from babel import Locale
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from polylect.errors import ModelError
from polylect.models import describe, resolve
from polylect.train import trim_tokenizer, vocabulary
from polylect.train.vocabulary import trim

NAMES = ["gemma-3-270m", "smollm2-135m-instruct"]
TAGS = ("en", "tr", "hi", "ru", "sw", "ja", "ar", "es")
SMALL = "smollm2-135m-instruct"


@cache
def texts():
    """Country names, language names and currencies of CLDR in eight languages, five scripts, with line breaks and digits."""
    found = {}
    for tag in TAGS:
        locale = Locale.parse(tag)
        pairs = zip(locale.territories.values(), locale.languages.values(), strict=False)
        found[tag] = [f"{place} ({n}): {name}?\n{name}, {place}." for n, (place, name) in enumerate(pairs) if n % 3 == 0]
        found[tag] += list(locale.currencies.values())[::4]
    return found


@pytest.fixture(scope="module", params=NAMES)
def trimmed(request, tmp_path_factory):
    """Each bundled model, trimmed to the texts: (original folder, new folder, report)."""
    out = tmp_path_factory.mktemp("trim") / "model"
    source = resolve(request.param)
    yield source, out, trim(source, texts(), out)
    shutil.rmtree(out)


def tokenizers_of(source, out):
    """Return the tokenizers of both folders, as any user loads them."""
    return AutoTokenizer.from_pretrained(source), AutoTokenizer.from_pretrained(out)


def largest_difference(source, out, samples):
    """Return the largest difference of a kept token's logit between both models in float32, over the samples."""
    before, after = tokenizers_of(source, out)
    kept = before.convert_tokens_to_ids(after.convert_ids_to_tokens(range(len(after))))
    models = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for folder in (source, out)]
    worst = 0.0
    for sample in samples:
        with torch.no_grad():
            old, new = (
                m(t(sample, return_tensors="pt")["input_ids"]).logits[0] for m, t in zip(models, (before, after), strict=True)
            )
        worst = max(worst, (old[:, kept] - new).abs().max().item())
    return worst


def test_covered_text_keeps_its_tokens(trimmed):
    """Every text is spelled by the same token strings, with special tokens around it."""
    source, out, report = trimmed
    before, after = tokenizers_of(source, out)
    everything = [text for rows in texts().values() for text in rows]
    for text in everything:
        assert after.tokenize(text, add_special_tokens=True) == before.tokenize(text, add_special_tokens=True)
    assert report.checked == len(everything)


def test_logits_of_kept_tokens_are_equal(trimmed):
    """On covered text in eight languages the logits of kept tokens differ by less than 1e-4 in float32."""
    source, out, _ = trimmed
    assert largest_difference(source, out, [rows[n] for rows in texts().values() for n in (0, -1)]) < 1e-4


def test_report_is_what_the_folder_holds(trimmed):
    """Rows and parameters of the report are those of the files, far fewer than before."""
    source, out, report = trimmed
    after = describe(out)
    assert (report.rows_after, report.parameters_after) == (after["vocabulary"], after["parameters"])
    assert (report.rows_before, report.parameters_before) == (describe(source)["vocabulary"], describe(source)["parameters"])
    assert report.rows_after < report.rows_before / 8
    assert len(AutoTokenizer.from_pretrained(out)) == report.rows_after
    assert after["licence"] == describe(source)["licence"]
    assert json.loads((out / "manifest.json").read_text())["rows_after"] == report.rows_after


def test_coverage_of_unseen_text_is_measured_per_language(trimmed):
    """Every language has a held-back tenth; its shares are shares, and unseen text is never spelled shorter than before."""
    _, _, report = trimmed
    assert [row.language for row in report.languages] == list(TAGS)
    for row in report.languages:
        assert 0.03 < row.held_back / row.texts < 0.2
        assert 0 <= row.same <= 1
        assert 0 <= row.fallback <= 1
        assert row.length >= 1
    assert any(0 < row.same < 1 for row in report.languages)


def test_special_tokens_keep_their_roles(trimmed):
    """Special tokens, padding side, chat template and the ids in both configurations name the same tokens as before."""
    source, out, _ = trimmed
    before, after = tokenizers_of(source, out)
    assert after.special_tokens_map == before.special_tokens_map
    assert after.padding_side == before.padding_side
    assert after.chat_template == before.chat_template
    for name in ("config.json", "generation_config.json"):
        old, new = (json.loads((folder / name).read_text()) for folder in (source, out))
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            assert after.convert_ids_to_tokens(new[key]) == before.convert_ids_to_tokens(old[key])


def test_any_text_still_survives(trimmed):
    """Text in a script that no given text has is spelled with bytes and decodes to itself."""
    _, out, _ = trimmed
    tokenizer = AutoTokenizer.from_pretrained(out)
    for text in ("ሰላም ልዑል", "မြန်မာ 🙂 ꙮ", "x = {1: 'ß'}\r\n\t\tend  "):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids or tokenizer.unk_token not in tokenizer.convert_ids_to_tokens(ids)


def test_chat_markers_stay_whole(trimmed):
    """A conversation in the model's own format is encoded as before."""
    source, out, _ = trimmed
    before, after = tokenizers_of(source, out)
    content = texts()["tr"][0]
    text = f"<start_of_turn>user\n{content}<end_of_turn>\n<start_of_turn>model\n"
    if before.chat_template:
        messages = [{"role": "user", "content": content}, {"role": "assistant", "content": content}]
        text = before.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert after.tokenize(text) == before.tokenize(text)


def test_sharded_checkpoint_with_its_own_output_layer(tmp_path):
    """An untied model in several files keeps its files and its index, and its logits."""
    source, out = tmp_path / "source", tmp_path / "out"
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    }
    config = LlamaConfig(vocab_size=49_200, tie_word_embeddings=False, bos_token_id=1, eos_token_id=[2, 0], **sizes)
    LlamaForCausalLM(config).save_pretrained(source, max_shard_size="4MB")
    AutoTokenizer.from_pretrained(resolve(SMALL)).save_pretrained(source)
    report = trim(source, {"tr": texts()["tr"]}, out)
    assert len(list(source.glob("*.safetensors"))) > 1
    assert {path.name for path in out.glob("*.safetensors*")} == {path.name for path in source.glob("*.safetensors*")}
    assert report.rows_before - report.rows_after == (report.parameters_before - report.parameters_after) / 64
    assert largest_difference(source, out, texts()["tr"][:5]) < 1e-4
    eos = json.loads((out / "config.json").read_text())["eos_token_id"]
    assert AutoTokenizer.from_pretrained(out).convert_ids_to_tokens(eos) == ["<|im_end|>", "<|endoftext|>"]


def test_extra_tokens_are_kept_and_unknown_ones_refused(tmp_path):
    """A token asked for is kept with the parts it is merged from; one that does not exist is named."""
    trim(resolve(SMALL), {"en": ["Yes."]}, tmp_path / "out", extra_tokens=("Ġmultilingual",))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize(" multilingual") == ["Ġmultilingual"]
    with pytest.raises(ModelError, match="not in the vocabulary: 'no such token'"):
        trim(resolve(SMALL), {"en": ["Yes."]}, tmp_path / "other", extra_tokens=("no such token",))


def test_result_does_not_depend_on_the_order_of_texts(tmp_path):
    """The same texts in another order give the same files."""
    rows = texts()["en"][:50]
    for name, order in (("a", rows), ("b", rows[::-1])):
        trim(resolve(SMALL), {"en": order}, tmp_path / name)
    for name in ("tokenizer.json", "config.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_missing_intermediate_token_is_found_out(tmp_path, monkeypatch):
    """If the selection forgot what merges need, the check would say so and nothing would be written."""
    monkeypatch.setattr(trim_tokenizer, "closure", lambda content, tokens, ranks: set(tokens))
    with pytest.raises(ModelError, match=r"\d+ of \d+ texts would be segmented differently.*Nothing was written"):
        trim(resolve(SMALL), {"en": texts()["en"]}, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_folder_that_holds_a_model_is_not_overwritten(tmp_path):
    """A model is never replaced; an empty folder is filled."""
    trim(resolve(SMALL), {"en": ["Yes."]}, tmp_path)
    assert describe(tmp_path)["vocabulary"] < 2000
    with pytest.raises(ModelError, match="already exists"):
        trim(resolve(SMALL), {"en": ["Yes."]}, tmp_path)


def test_no_text_is_an_error(tmp_path):
    """Without text there is nothing to keep."""
    with pytest.raises(ModelError, match="no text was given"):
        trim(resolve(SMALL), {"en": []}, tmp_path / "out")


def test_other_kinds_of_tokenizer_are_refused():
    """Unigram and WordPiece vocabularies are refused with the reason."""
    with pytest.raises(ModelError, match=r"'Unigram'; only BPE"):
        trim_tokenizer.supported({"model": {"type": "Unigram"}})
    with pytest.raises(ModelError, match="end_of_word_suffix"):
        trim_tokenizer.supported({"model": {"type": "BPE", "end_of_word_suffix": "</w>"}})


def test_configuration_that_names_no_token_is_refused(tmp_path):
    """An id in generation_config.json beyond the tokenizer is named with file and key."""
    source = tmp_path / "source"
    shutil.copytree(resolve(SMALL), source)
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 99_999]}))
    with pytest.raises(ModelError, match=r"generation_config\.json, key 'eos_token_id': 99999 is not the id of a token"):
        trim(source, {"en": ["Yes."]}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_derivation_lists_every_step():
    """A token's steps are those of its merges in rank order, characters included."""
    ranks = {("a", "b"): 0, ("c", "d"): 1, ("ab", "cd"): 2, ("b", "c"): 3}
    assert trim_tokenizer.derivation("abcd", ranks) == {"a", "b", "c", "d", "ab", "cd", "abcd"}


def test_post_processors_of_other_models_are_renumbered():
    """Ids in a sequence of post-processors follow the tokens."""
    content = {
        "model": {"type": "BPE", "vocab": {"x": 0, "y": 1, "<s>": 2, "</s>": 3}, "merges": []},
        "added_tokens": [{"id": 2, "content": "<s>", "special": True}, {"id": 3, "content": "</s>", "special": True}],
        "post_processor": {
            "type": "Sequence",
            "processors": [{"type": "ByteLevel"}, {"type": "RobertaProcessing", "cls": ["<s>", 2], "sep": ["</s>", 3]}],
        },
    }
    smaller, old = trim_tokenizer.rebuild(content, {"y", "<s>", "</s>"})
    assert old == [1, 2, 3]
    assert smaller["post_processor"]["processors"][1] == {"type": "RobertaProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2]}
    assert [entry["id"] for entry in smaller["added_tokens"]] == [1, 2]


def test_report_is_plain_data(trimmed):
    """The report turns into JSON."""
    report = trimmed[2]
    assert json.loads(json.dumps(report.as_dict()))["languages"][0]["language"] == "en"
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.rows_after = 1
    assert vocabulary.__all__ == ["Coverage", "TrimReport", "trim"]
