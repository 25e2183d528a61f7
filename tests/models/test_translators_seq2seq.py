"""Sequence-to-sequence translators: languages by their models' names, sentences in batches, failures with reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polylect.errors import LanguageError, ModelError
from polylect.languages import known
from polylect.models.translators import Failure, Seq2SeqTranslator, translator
from polylect.models.translators.base import sentences
from polylect.models.translators.codes import STYLES, code_of, style_of

PAIRS = {
    ("May comes.", "tr"): "Mayıs gelir.",
    ("May comes.", "es"): "Llega mayo.",
    ("Where is June?", "tr"): "Haziran nerede?",
    ("Where is June?", "es"): "¿Dónde está junio?",
}
NAMES = {
    "nllb": {"en": "eng_Latn", "tr": "tur_Latn", "es": "spa_Latn"},
    "madlad": {"en": "<2en>", "tr": "<2tr>", "es": "<2es>"},
    "m2m": {"en": "__en__", "tr": "__tr__", "es": "__es__"},
}


def _tokenizer(style: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", *NAMES[style].values()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*(source for source, _ in PAIRS), *PAIRS.values()], trainer)
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _model(style: str, vocabulary: int) -> Any:
    from transformers import M2M100Config, M2M100ForConditionalGeneration, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    if style == "madlad":
        config = T5Config(
            vocab_size=vocabulary, d_model=48, d_kv=24, d_ff=96, num_layers=1, num_decoder_layers=1, num_heads=2,
            dropout_rate=0.0, pad_token_id=0, eos_token_id=2, decoder_start_token_id=0,
        )  # fmt: skip
        return T5ForConditionalGeneration(config)
    config = M2M100Config(
        vocab_size=vocabulary, d_model=48, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=96, decoder_ffn_dim=96, dropout=0.0, attention_dropout=0.0, encoder_layerdrop=0.0, decoder_layerdrop=0.0,
        max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    return M2M100ForConditionalGeneration(config)


def _train(model: Any, tokenizer: Any, style: str) -> None:
    """Teach the four sentences by heart; MADLAD reads the target's name, the others write it first, as they are told to."""
    torch.set_num_threads(1)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    rows = []
    for (source, tag), target in PAIRS.items():
        name, english = (tokenizer.convert_tokens_to_ids(NAMES[style][one]) for one in (tag, "en"))
        written = [*tokenizer(target)["input_ids"], 2]
        asked = [name if style == "madlad" else english, *tokenizer(source)["input_ids"], 2]
        if style == "madlad":
            rows.append((asked, [0, *written[:-1]], written))
        else:
            rows.append((asked, [2, name, *written[:-1]], [-100, *written]))

    def padded(place: int, pad: int) -> torch.Tensor:
        width = max(len(row[place]) for row in rows)
        return torch.tensor([[*row[place], *[pad] * (width - len(row[place]))] for row in rows])

    ids, given, labels = padded(0, 0), padded(1, 0), padded(2, -100)
    for _ in range(300):
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), decoder_input_ids=given, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    assert loss.item() < 0.05, "the little model did not learn its sentences"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build (once) a small checkpoint of a style that knows four sentences."""
    made: dict[str, Path] = {}

    def build(style: str) -> Path:
        if style not in made:
            made[style] = tmp_path_factory.mktemp(style)
            tokenizer = _tokenizer(style)
            model = _model(style, len(tokenizer))
            _train(model, tokenizer, style)
            model.eval()
            model.save_pretrained(made[style])
            tokenizer.save_pretrained(made[style])
        return made[style]

    return build


def opened(folder: Path, **settings: Any) -> Seq2SeqTranslator:
    """Open a checkpoint in float32 on the processor."""
    return Seq2SeqTranslator(folder, dtype=torch.float32, device="cpu", **settings)


@pytest.mark.parametrize("style", NAMES)
def test_each_kind_translates_into_the_language_that_is_named(make: Callable[[str], Path], style: str) -> None:
    """The same sentence comes out in Turkish or Spanish by the target's tag; the kind is told from the vocabulary."""
    model = opened(make(style), beams=2)
    assert model.style == style
    for tag in ("tr", "es"):
        texts = [source for source, target in PAIRS if target == tag]
        assert model.translate(texts, "en", tag) == [PAIRS[text, tag] for text in texts]
    assert model.translate(["May comes."], "eng", "tur") == ["Mayıs gelir."]


def test_sentences_and_lines_keep_their_places(make: Callable[[str], Path]) -> None:
    """A text is translated sentence by sentence; blank lines, indentation and blank texts stay as they are."""
    model = opened(make("nllb"))
    text = "May comes. Where is June?\n\n  May comes.\n"
    assert model.translate([text, "", " \n"], "en", "tr") == [
        "Mayıs gelir. Haziran nerede?\n\n  Mayıs gelir.\n",
        "",
        " \n",
    ]


def test_batches_change_nothing(make: Callable[[str], Path]) -> None:
    """Sentences of unequal length in one batch or alone: the same translations."""
    folder = make("nllb")
    texts = ["May comes.", "Where is June?", "May", "June? May? June comes. Where"]
    together = opened(folder, max_tokens=20).translate(texts, "en", "es")
    assert together == opened(folder, max_tokens=20, batch_tokens=1).translate(texts, "en", "es")


def test_what_is_cut_off_fails(make: Callable[[str], Path]) -> None:
    """A text of which a sentence does not end within the limit has a reason; the others are translated."""
    model = opened(make("madlad"))
    assert model.translate(["May comes."], "en", "tr") == ["Mayıs gelir."]
    model.max_tokens = 2
    assert model.translate(["May comes."], "en", "tr") == [Failure("translation cut off")]


def test_unknown_languages_fail_with_their_name(make: Callable[[str], Path]) -> None:
    """A language that the model does not name is the reason of every text; what is no language is an error."""
    model = opened(make("nllb"), name="little")
    assert model.translate(["a", "b"], "en", "sw") == [Failure("little does not know the language 'sw'")] * 2
    with pytest.raises(LanguageError, match="'xx'"):
        model.translate(["a"], "en", "xx")


def test_models_of_other_kinds_are_refused(llama: Path, make: Callable[[str], Path]) -> None:
    """A causal model, or a vocabulary without names of languages, is an error that says what is known."""
    with pytest.raises(ModelError, match="cannot be loaded as a sequence-to-sequence model"):
        opened(llama)
    with pytest.raises(ModelError, match=r"neither eng_Latn \(NLLB\), <2en> \(MADLAD\) nor __en__"):
        style_of({"hello": 1}, "here")
    with pytest.raises(ModelError, match="no model of the kind 'madlad': its vocabulary lacks <2en>"):
        opened(make("nllb"), style="madlad")


def test_fingerprint_is_of_weights_and_settings(make: Callable[[str], Path]) -> None:
    """Another model or another search is another fingerprint; closing lets the model go."""
    first = opened(make("nllb"))
    assert first.fingerprint == opened(make("nllb")).fingerprint
    assert len({first.fingerprint, opened(make("nllb"), beams=1).fingerprint, opened(make("m2m")).fingerprint}) == 3
    first.close()
    with pytest.raises(ModelError, match="closed"):
        first.translate(["May"], "en", "tr")


def test_specs_open_translators(make: Callable[[str], Path]) -> None:
    """`nllb:FOLDER` opens a checkpoint under that name; an unknown kind names the nearest one."""
    assert translator(f"nllb:{make('nllb')}").name == str(make("nllb"))
    for spec, says in (("nlb:x", "Did you mean 'nllb'"), ("nllb", "no translator"), ("", "Write apertium")):
        with pytest.raises(ModelError, match=says):
            translator(spec)


def test_codes_are_those_of_the_models() -> None:
    """Of the table's languages all but six have a code of NLLB-200 in transformers' list; M2M-100 has names of its own."""
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

    nllb = dict.fromkeys(FAIRSEQ_LANGUAGE_CODES, 0)
    missing = {row.tag for row in known() if code_of(row.tag, "nllb", nllb) is None}
    assert missing == {"haw", "iu", "kl", "nv", "sr-Latn", "to"}
    assert [code_of(tag, "nllb", nllb) for tag in ("en", "zh-Hans", "zh-Hant", "ar", "sr-Cyrl", "fa", "sw", "ko")] == [
        "eng_Latn", "zho_Hans", "zho_Hant", "arb_Arab", "srp_Cyrl", "pes_Arab", "swh_Latn", "kor_Hang",
    ]  # fmt: skip
    m2m = {f"__{code}__": 0 for code in ("en", "zh", "no", "tl")}  # transformers' own list needs another library
    assert [code_of(tag, "m2m", m2m) for tag in ("en", "zh-Hans", "nb", "fil", "te")] == [
        "__en__", "__zh__", "__no__", "__tl__", None,
    ]  # fmt: skip
    assert STYLES["madlad"]("zh-Hans")[0] == "<2zh>"
    assert STYLES["madlad"]("zh-Hant") == ["<2zh_Hant>"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
        ("It costs 3.50 dollars.", ["It costs 3.50 dollars."]),
        ("J. Smith came.", ["J. Smith came."]),
        ("1. Open it. 2. Read.", ["1. Open it.", "2. Read."]),
        ("今天很好。明天呢？", ["今天很好。", "明天呢？"]),
        ("「行こう。」と言った。", ["「行こう。」と言った。"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("كيف؟ جيد.", ["كيف؟", "جيد."]),
    ],
)
def test_lines_are_cut_into_sentences(line: str, parts: list[str]) -> None:
    """Sentences end at the marks of most scripts, not at abbreviated names, decimals and numbers of lists."""
    assert sentences(line) == parts
