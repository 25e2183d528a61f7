"""Vocabularies aligned by token string: right rows, right ids, and text segmented as before."""

import json
import shutil
from functools import cache

import numpy as np
import pytest
from babel import Locale

from polylect.errors import MergeError
from polylect.merge.vocabulary import align, difference, remap_ids, same, tokens
from polylect.models import resolve

SENTENCES = {
    "en": (
        "Everyone has the right to education.",
        "The weather in Ankara was cold last winter; nobody went out.",
        "What comes after 12?",
    ),
    "tr": (
        "Herkes eğitim hakkına sahiptir.",
        "Geçen kış Ankara'da hava soğuktu, kimse dışarı çıkmadı.",
        "12'den sonra ne gelir?",
    ),
    "hi": ("प्रत्येक व्यक्ति को शिक्षा का अधिकार है।", "पिछली सर्दियों में अंकारा में ठंड थी।", "12 के बाद क्या आता है?"),
    "it": (
        "Ogni individuo ha diritto all'istruzione.",
        "L'inverno scorso ad Ankara faceva freddo.",
        "Che cosa viene dopo il 12?",
    ),
}


def texts(tag):
    """Return sentences of a language, and names of countries and languages as CLDR has them."""
    locale = Locale.parse(tag)
    return [*SENTENCES[tag], *locale.territories.values(), *locale.languages.values()]


def write(folder, content, settings=None):
    """Write a tokenizer.json, and settings as tokenizer_config.json, into a new folder."""
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def bpe(ids, merges=(), added=(), **parts):
    """Return the tokenizer.json of a BPE model; added tokens are (string, id) or (string, id, special)."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    entries = [{"id": entry[1], "content": entry[0], **flags, "special": (*entry, True)[2]} for entry in added]
    vocabulary = ids if isinstance(ids, dict) else {token: index for index, token in enumerate(ids)}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [list(merge) for merge in merges]}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return {"version": "1.0", **empty, "added_tokens": entries, "model": model, **parts}


def loaded(source):
    """Return the tokenizer of the `tokenizers` library of an alignment or a tokenizer.json's content."""
    from tokenizers import Tokenizer

    text = json.dumps(source) if isinstance(source, dict) else source.files["tokenizer.json"].decode()
    return Tokenizer.from_str(text)


def assert_same_tokens(before, after, some_texts):
    """Fail for texts that two tokenizers segment differently."""
    assert [text for text in some_texts if before.encode(text).tokens != after.encode(text).tokens] == []


def assert_rows_match(alignment):
    """Fail unless every row that has a token comes from that token's row, and every row from somewhere."""
    everything = [*zip(alignment.rows, alignment.vocabularies, strict=True)]
    if alignment.base_rows is not None:
        everything.append((alignment.base_rows, alignment.base_vocabulary))
    for rows, vocabulary in everything:
        assert rows.dtype == np.int64
        assert rows.shape == (alignment.size,)
        for token, index in alignment.vocabulary.ids.items():
            assert rows[index] == vocabulary.ids.get(token, -1)
    assert (np.max([rows for rows, _ in everything], axis=0) >= 0).all()


@cache
def gemma():
    """Return the tokenizer.json of Gemma 3 and its merge ranks."""
    from polylect.train import trim_tokenizer

    content = json.loads((resolve("gemma-3-270m") / "tokenizer.json").read_text(encoding="utf-8"))
    return content, trim_tokenizer.merge_ranks(content)


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory):
    """Return (untrimmed tokenizer, {language: folder of a version trimmed to it and English})."""
    from polylect.train import trim_tokenizer

    content, ranks = gemma()
    whole = loaded(content)
    folders = {}
    for tag in ("tr", "hi", "it"):
        used = {token for text in texts("en") + texts(tag) for token in whole.encode(text).tokens}
        used |= trim_tokenizer.required_tokens(content, used, (0, 1, 2), keep_specials=True)
        smaller, _ = trim_tokenizer.rebuild(content, trim_tokenizer.closure(content, used, ranks))
        folders[tag] = write(tmp_path_factory.mktemp("trimmed") / tag, smaller, {"eos_token": "<eos>", "bos_token": "<bos>"})
    return whole, folders


def test_union_of_trimmed_versions_segments_as_the_untrimmed_tokenizer(trimmed):
    """English, Turkish and Hindi get the tokens of the untrimmed Gemma 3 from the union of two trimmed versions."""
    whole, folders = trimmed
    alignment = align([folders["tr"], folders["hi"]], None, "union")
    assert_same_tokens(whole, loaded(alignment), texts("en") + texts("tr") + texts("hi"))
    assert_rows_match(alignment)
    assert alignment.counts[0].moved == 0
    assert alignment.counts[1].moved > 500
    assert alignment.counts[0].kept + alignment.counts[0].missing == alignment.size
    assert alignment.notes == ()


def test_base_settles_the_order_of_merges_of_one_script(trimmed):
    """Without the untrimmed model open orders are counted and the first model's text is safe; with it all texts are."""
    whole, folders = trimmed
    models = [folders["it"], folders["tr"], folders["hi"]]
    alone = align(models, None, "union")
    assert_same_tokens(whole, loaded(alone), texts("en") + texts("it"))
    assert "could compete for the same symbols" in alone.notes[0]
    settled = align(models, resolve("gemma-3-270m"), "union")
    assert_same_tokens(whole, loaded(settled), texts("en") + texts("it") + texts("tr") + texts("hi"))
    assert_rows_match(settled)
    assert (settled.notes, settled.base_counts.missing) == ((), 0)


def test_base_mode_takes_the_untrimmed_tokenizer_as_it_is(trimmed):
    """Rows of trimmed models land on the base's ids; its files are copied byte for byte."""
    _, folders = trimmed
    base = resolve("gemma-3-270m")
    alignment = align([folders["hi"]], base, "base")
    assert (alignment.size, alignment.base_plain, alignment.plain) == (262144, True, (False,))
    assert alignment.files["tokenizer.json"] == (base / "tokenizer.json").read_bytes()
    assert alignment.counts[0].dropped == 0
    assert_rows_match(alignment)


def test_other_families_are_refused_for_a_union_and_noted_otherwise():
    """Gemma 3 and SmolLM2 spell text differently: no union; with "first" the differing parts are named."""
    models = [resolve("gemma-3-270m"), resolve("smollm2-135m-instruct")]
    with pytest.raises(MergeError, match=r"differ in normalizer \(Replace and none\)"):
        align(models, None, "union")
    alignment = align(models, None, "first")
    assert "normalizer, pre_tokenizer, decoder" in alignment.notes[0]
    assert any("its bos token is '<|im_start|>'" in note for note in alignment.notes)
    assert 0 < alignment.counts[1].kept < 20_000
    assert not same(*models)
    assert difference(*models).startswith("247,307 tokens only in ")


def test_order_of_competing_merges_comes_from_the_base_or_the_first(tmp_path):
    """Of t+h and h+e the first model's goes first, the pair is counted, and a base that has both decides otherwise."""
    letters = ["t", "h", "e"]
    one = write(tmp_path / "one", bpe([*letters, "th"], [("t", "h")]))
    two = write(tmp_path / "two", bpe([*letters, "he"], [("h", "e")]))
    base = write(tmp_path / "base", bpe([*letters, "he", "th"], [("h", "e"), ("t", "h")]))
    alignment = align([one, two], None, "union")
    assert alignment.notes[0].startswith("BPE merges: of 1 pairs that could compete")
    assert loaded(alignment).encode("the").tokens == ["th", "e"]
    assert loaded(align([one, two], base, "union")).encode("the").tokens == ["t", "he"]
    assert loaded(align([one, two], base, "union")).get_vocab() == {"t": 0, "h": 1, "e": 2, "th": 3, "he": 4}


def test_contrary_orders_keep_the_first_and_are_noted(tmp_path):
    """When two lists disagree, the first is followed whole and the union says so."""
    letters = ["a", "b", "c"]
    one = write(tmp_path / "one", bpe([*letters, "ab", "bc"], [("a", "b"), ("b", "c")]))
    two = write(tmp_path / "two", bpe([*letters, "bc", "ab", "ca"], [("c", "a"), ("b", "c"), ("a", "b")]))
    alignment = align([one, two], None, "union")
    assert "order them differently" in alignment.notes[0]
    assert json.loads(alignment.files["tokenizer.json"])["model"]["merges"] == [["a", "b"], ["b", "c"], ["c", "a"]]


def test_repeated_merges_count_where_they_stand_last(tmp_path):
    """As in the tokenizers library, the later of two equal merges has the rank."""
    content = bpe(["t", "h", "e", "th", "he"], [("t", "h"), ("h", "e"), ("t", "h")])
    extra = write(tmp_path / "extra", bpe(["t", "h", "e", "x"]))
    alignment = align([write(tmp_path / "twice", content), extra], None, "union")
    assert loaded(alignment).encode("the").tokens == loaded(content).encode("the").tokens == ["t", "he"]


def test_added_tokens_outside_the_vocabulary_keep_their_ids(tmp_path):
    """New tokens after added ones that stand outside model.vocab, as in Llama 3, do not shift them."""
    one = write(tmp_path / "one", bpe(["a", "b"], added=[("<s>", 2), ("<x>", 3, False)]), {"bos_token": "<s>"})
    two = write(tmp_path / "two", bpe(["a", "c", "b", "ca"], [("c", "a")], added=[("<s>", 4), ("<x>", 5), ("<new>", 6)]))
    alignment = align([one, two], None, "union")
    tokenizer = loaded(alignment)
    assert tokenizer.get_vocab() == {"a": 0, "b": 1, "<s>": 2, "<x>": 3, "c": 4, "ca": 5, "<new>": 6}
    assert tokenizer.encode("<s>ca<new><x>").ids == [2, 5, 6, 3]
    assert tokenizer.decode([2, 4, 6, 3]) == "c <x>"
    assert any("special in one tokenizer and not in the other: 1 added tokens, first '<x>'" in note for note in alignment.notes)
    assert json.loads(alignment.files["tokenizer_config.json"]) == {
        "bos_token": "<s>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    assert_rows_match(alignment)


def test_padding_rows_are_used_before_the_embedding_grows(tmp_path):
    """Rows past the tokens take new tokens; padding of both models goes together; the size does not shrink."""
    one = write(tmp_path / "one", bpe(["a", "b"]))
    two = write(tmp_path / "two", bpe(["a", "c"]))
    alignment = align([one, two], None, "union", [6, 5])
    assert alignment.size == 6
    assert [rows.tolist() for rows in alignment.rows] == [[0, 1, -1, 3, 4, 5], [0, -1, 1, 3, 4, -1]]
    alignment = align([one, two], None, "union", [2, 2])
    assert [rows.tolist() for rows in alignment.rows] == [[0, 1, -1], [0, -1, 1]]
    alignment = align([two, two], one, "base", [4, 3, 5])
    assert [rows.tolist() for rows in (*alignment.rows, alignment.base_rows)] == [
        [0, -1, 2, 3, -1],
        [0, -1, 2, -1, -1],
        [0, 1, 2, 3, 4],
    ]
    assert (alignment.plain, alignment.base_plain) == ((False, False), True)


def test_equal_vocabularies_are_left_as_they_are(tmp_path):
    """Copies of one tokenizer give plain rows and the first's files, in every mode; fewer rows are not plain."""
    one = write(tmp_path / "one", bpe(["a", "b"]), {"bos_token": "a"})
    two = write(tmp_path / "two", bpe({"b": 1, "a": 0}), {"bos_token": "b"})
    assert same(one, two)
    assert difference(one, two) == ""
    for mode in ("union", "first", "base"):
        alignment = align([one, two], one, mode, [4, 4, 4])
        assert (alignment.plain, alignment.base_plain, alignment.size) == ((True, True), True, 4)
        assert alignment.files["tokenizer.json"] == (one / "tokenizer.json").read_bytes()
        assert [note for note in alignment.notes if "bos" in note] == [
            f"{two}: its bos token is 'b', that of {one}, which is kept, is 'a'."
        ]
    assert align([one, two], None, "first", [3, 4]).plain == (True, False)


def test_tokens_without_a_row_take_no_part(tmp_path):
    """A token whose id is past the embedding (as Gemma 3's image token in text models) is no row of the output."""
    one = write(tmp_path / "one", bpe(["a", "b", "ab", "<image>"], [("a", "b")], added=[("<image>", 3)]))
    two = write(tmp_path / "two", bpe(["a", "b", "c", "<image>"], added=[("<image>", 3)]))
    alignment = align([one, two], None, "first", [2, 4])
    assert [rows.tolist() for rows in alignment.rows] == [[0, 1], [0, 1]]
    assert "2 tokens have no row" in alignment.notes[0]
    alignment = align([one, two], None, "union", [2, 3])
    assert loaded(alignment).get_vocab() == {"a": 0, "b": 1, "c": 2}
    assert_rows_match(alignment)


def test_requests_that_cannot_be_met_are_refused(tmp_path):
    """No base for "base", a wrong number of row counts, and models without one common token are errors."""
    one = write(tmp_path / "one", bpe(["a"]))
    two = write(tmp_path / "two", bpe(["b"]))
    with pytest.raises(MergeError, match="no base model was given"):
        align([one], None, "base")
    with pytest.raises(MergeError, match="1 numbers for 2 models"):
        align([one, two], None, "first", [1])
    with pytest.raises(MergeError, match="not one of its tokens"):
        align([one, two], None, "first")


def trained(kind):
    """Return a tokenizer of the kind, trained on names in English and Turkish."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    unknown, common = {"unk_token": "<unk>"}, {"vocab_size": 600, "special_tokens": ["<unk>"], "show_progress": False}
    if kind == "Unigram":
        tokenizer, trainer = Tokenizer(models.Unigram()), trainers.UnigramTrainer(**unknown, **common)
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    else:
        tokenizer, trainer = Tokenizer(models.WordPiece(**unknown)), trainers.WordPieceTrainer(**common)
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.WhitespaceSplit(), decoders.WordPiece()
    tokenizer.train_from_iterator(texts("en") + texts("tr"), trainer)
    return tokenizer


@pytest.mark.parametrize("kind", ["Unigram", "WordPiece"])
def test_unions_of_other_kinds_segment_as_the_untrimmed_tokenizer(tmp_path, kind):
    """Two parts of a Unigram or WordPiece vocabulary, each with the tokens of one language, unite without loss."""
    whole = trained(kind)
    content = json.loads(whole.to_str())
    folders = []
    for tag in ("tr", "en"):
        used = {"<unk>"} | {token for text in texts(tag) for token in whole.encode(text).tokens}
        vocabulary = content["model"]["vocab"]
        kept = [entry for entry in vocabulary if (entry if kind == "WordPiece" else entry[0]) in used]
        smaller = {token: index for index, token in enumerate(kept)} if kind == "WordPiece" else kept
        folders.append(write(tmp_path / tag, {**content, "model": {**content["model"], "vocab": smaller}}))
    alignment = align(folders, None, "union")
    assert min(count.missing for count in alignment.counts) > 20
    assert_same_tokens(whole, loaded(alignment), texts("en") + texts("tr"))
    assert_rows_match(alignment)
    assert alignment.notes == ()


def test_unigram_scores_that_disagree_are_counted(tmp_path):
    """The first model's scores win, and the note says how many differ; added tokens get the lowest score."""
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0]]}
    one = write(tmp_path / "one", bpe([], model=model, added=[("<x>", 3)]))
    two = write(tmp_path / "two", bpe([], model={**model, "vocab": [["<unk>", 0.0], ["a", -3.0], ["c", -4.0]]}))
    alignment = align([one, two], None, "union")
    assert json.loads(alignment.files["tokenizer.json"])["model"]["vocab"] == [
        ["<unk>", 0.0],
        ["a", -1.0],
        ["b", -2.0],
        ["<x>", -4.0],
        ["c", -4.0],
    ]
    assert alignment.notes == ("Unigram scores: 1 pieces have other scores in later models; the first model's are taken.",)


def test_ids_of_configurations_follow_the_tokens(tmp_path):
    """Ids at any depth, single or in lists, and vocab_size are rewritten; other numbers are not."""
    one = write(tmp_path / "one", bpe(["<p>", "a", "<e>"]))
    two = write(tmp_path / "two", bpe(["<e>", "<p>", "a", "<i>"]))
    alignment = align([one, two], None, "union", [8, 8])
    config = {
        "model_type": "gemma3",
        "eos_token_id": [0, 1],
        "pad_token_id": -1,
        "bos_token_id": None,
        "text_config": {"vocab_size": 4, "pad_token_id": 1, "hidden_size": 2},
        "image_token_index": 3,
        "bad_words_ids": [[2, 0]],
        "sep_token_id": 7,
    }
    before = json.dumps(config)
    changed = remap_ids(config, alignment.vocabularies[1], alignment)
    assert changed == {
        "model_type": "gemma3",
        "eos_token_id": [2, 0],
        "pad_token_id": -1,
        "bos_token_id": None,
        "text_config": {"vocab_size": 8, "pad_token_id": 0, "hidden_size": 2},
        "image_token_index": 3,
        "bad_words_ids": [[1, 2]],
        "sep_token_id": 7,
    }
    assert json.dumps(config) == before
    assert remap_ids({"eos_token_id": 0}, alignment.vocabularies[1], alignment) == {"eos_token_id": 2}
    with pytest.raises(MergeError, match="image_token_id is 3, the token '<i>', which the output does not have"):
        remap_ids({"image_token_id": 3}, tokens(two), align([one, two], None, "first"))
    layered = {"model_type": "gemma3n_text", "vocab_size": 4, "vocab_size_per_layer_input": 4}
    with pytest.raises(MergeError, match="vocab_size_per_layer_input"):
        remap_ids(layered, alignment.vocabularies[1], alignment)


def test_model_with_the_rows_of_a_union_is_the_untrimmed_model(make_model, tmp_path):
    """A tiny model trimmed twice and put together by the rows loads in transformers and gives the original's logits."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from polylect.train.vocabulary import trim

    source = make_model()
    questions = {"en": ["In which country is the city of Ankara?"], "ru": ["В какой стране находится город Анкара?"]}
    folders = [tmp_path / tag for tag in questions]
    for folder, (tag, rows) in zip(folders, questions.items(), strict=True):
        trim(source, {tag: rows}, folder)
    weights = [load_file(folder / "model.safetensors") for folder in folders]
    sizes = [json.loads((folder / "config.json").read_text())["vocab_size"] for folder in folders]
    alignment = align(folders, source, "union", [*sizes, json.loads((source / "config.json").read_text())["vocab_size"]])
    united = dict(weights[0])
    for name, tensor in united.items():
        if tensor.shape[0] == sizes[0] and ("embed" in name or "head" in name):
            first, second = (torch.from_numpy(rows) for rows in alignment.rows)
            united[name] = torch.where((first >= 0)[:, None], tensor[first], weights[1][name][second])
    out = tmp_path / "out"
    shutil.copytree(folders[1], out)
    for name, content in alignment.files.items():
        (out / name).write_bytes(content)
    save_file(united, out / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "generation_config.json"):
        content = remap_ids(json.loads((out / name).read_text()), alignment.vocabularies[1], alignment)
        (out / name).write_text(json.dumps(content))
    models = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for folder in (source, out)]
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (source, out))
    kept = before.convert_tokens_to_ids(after.convert_ids_to_tokens(range(len(after))))
    assert (before.bos_token, before.eos_token) == (after.bos_token, after.eos_token)
    for text in questions["en"] + questions["ru"]:
        ids = [tokenizer(text, return_tensors="pt")["input_ids"] for tokenizer in (before, after)]
        with torch.no_grad():
            old, new = (model(row).logits[0] for model, row in zip(models, ids, strict=True))
        assert torch.allclose(old[:, kept], new, atol=1e-5)
