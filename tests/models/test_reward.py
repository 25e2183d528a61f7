"""Reward models are read as they were trained: framing, padding, pooling, dtype, sign, limits; and the self-test sees faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from polylect import languages
from polylect.errors import DataError, ModelError
from polylect.models.canaries import Canary, canaries, read_canaries, self_test
from polylect.models.reward import RewardModel, batches
from polylect.models.reward_inputs import Dialogue, dialogue

TEXTS = [
    dialogue("Which month comes after May?", "June"),
    dialogue("In which country is the city of Ankara?", "Turkey, of course, and it is the capital as well."),
    dialogue("Hangi ülkede?", "Türkiye"),
    dialogue("And Monday?", "Tuesday", json.dumps([["user", "Which weekday?"], ["assistant", "Sunday"]])),
    dialogue("?", "!"),
]
ENDS_WITH_EOS = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{{ eos_token }}{% endfor %}"


@pytest.fixture(scope="module")
def make_reward(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build a tiny random reward model; the padding token may be the end token or missing, the padding side the left one."""

    def build(pad: str | None = "<pad>", template: str | None = None, labels: int = 1, kind: str = "llama") -> Path:
        base = make_model(kind, **({"template": template} if template else {}))
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokenizer.pad_token = pad
        model.config.pad_token_id = tokenizer.pad_token_id
        folder = tmp_path_factory.mktemp("reward")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="module")
def folder(make_reward: Callable[..., Path]) -> Path:
    """A tiny random reward model."""
    return make_reward()


def opened(folder: Path, **settings: Any) -> RewardModel:
    """Open a reward model in float32."""
    return RewardModel(folder, dtype=torch.float32, device="cpu", **settings)


def by_hand(folder: Path, text: Dialogue, strip: int = 0) -> float:
    """Return the reward of one text without padding: the head on the state of the last token but `strip`."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": r, "content": c} for r, c in (*text.turns, ("assistant", text.answer))]
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = model.model(ids).last_hidden_state[0]
        return float(states[len(states) - 1 - strip] @ model.score.weight[0])


@pytest.mark.parametrize("kind", ["llama", "gemma"])
@pytest.mark.parametrize("pad", ["<pad>", "<eos>", None])
def test_batch_scores_as_one_by_one(make_reward: Callable[..., Path], pad: str | None, kind: str) -> None:
    """Texts of unlike length get the reward of their own last token, in one batch as alone, whatever the padding token is."""
    folder = make_reward(pad, kind=kind)
    expected = [by_hand(folder, text) for text in TEXTS]
    assert max(expected) - min(expected) > 0.1
    for most in (1, 100, 10_000):
        scores = opened(folder, batch_tokens=most).score(TEXTS)
        assert [score.value for score in scores] == pytest.approx(expected, abs=1e-4)


def test_padding_token_at_the_end_of_the_text(make_reward: Callable[..., Path]) -> None:
    """Where texts end with the padding token, the model's own rule scores the token before it, and "last" that token itself."""
    folder = make_reward("<eos>", template=ENDS_WITH_EOS)
    for pooling, strip in (("model", 1), ("last", 0)):
        scores = opened(folder, pooling=pooling).score(TEXTS)
        assert [score.value for score in scores] == pytest.approx([by_hand(folder, text, strip) for text in TEXTS], abs=1e-4)
    # The rule of transformers for a text alone is what "model" reproduces for batches.
    ids = AutoTokenizer.from_pretrained(folder)("<bos>?<eos>!<eos>", add_special_tokens=False, return_tensors="pt")["input_ids"]
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        assert opened(folder).score(TEXTS)[-1].value == pytest.approx(float(model(ids).logits[0, 0]), abs=1e-4)


def test_template_writes_the_only_start_token(folder: Path) -> None:
    """A conversation has one start token, though the tokenizer adds one to every plain text."""
    model = opened(folder)
    assert model.tokenizer("text")["input_ids"][0] == model.tokenizer.bos_token_id
    for text in TEXTS:
        ids = model.encode(text)
        assert ids[0] == model.tokenizer.bos_token_id
        assert ids.count(model.tokenizer.bos_token_id) == 1


def test_earlier_turns_are_read(folder: Path) -> None:
    """The turns before the question change the reward, and stand before it."""
    model = opened(folder)
    with_turns, without = model.score([TEXTS[3], dialogue("And Monday?", "Tuesday")])
    assert with_turns.value != pytest.approx(without.value, abs=1e-3)
    assert "Which weekday?\nSunday<eos>\nAnd Monday?\nTuesday" in model.tokenizer.decode(model.encode(TEXTS[3]))
    with pytest.raises(DataError, match=r"messages '\{': not a JSON list"):
        dialogue("a", "b", "{")


def test_sign_turns_costs_into_rewards(folder: Path) -> None:
    """With sign -1 the lowest output is the best."""
    rewards, costs = (opened(folder, sign=sign).score(TEXTS) for sign in (1, -1))
    assert [score.value for score in costs] == [-score.value for score in rewards]  # type: ignore[operator]
    with pytest.raises(ModelError, match="sign 0 is neither 1"):
        opened(folder, sign=0)


def test_head_is_float32_in_a_bfloat16_model(folder: Path) -> None:
    """Rewards of a bfloat16 model are finer than bfloat16, near those of float32, and stay so under autocast."""
    model = RewardModel(folder, dtype=torch.bfloat16, device="cpu")
    assert model.dtype == "bfloat16"
    exact = [score.value for score in opened(folder).score(TEXTS)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = torch.tensor([score.value for score in model.score(TEXTS)])
    assert not torch.equal(values, values.bfloat16().float())
    assert values.tolist() == pytest.approx(exact, abs=0.1)


def test_long_answer_is_unscored_not_cut(folder: Path) -> None:
    """An answer that does not fit has no value and says why; the others are scored as ever."""
    text = dialogue("Why?", "because " * 200)
    model = opened(folder, max_length=60)
    scores = model.score([TEXTS[0], text, TEXTS[1]])
    assert scores[1].value is None
    assert scores[1].reason == "too long: over 60 tokens, the most this reward model reads"
    assert scores[1].tokens > 200
    assert [scores[0], scores[2]] == model.score([TEXTS[0], TEXTS[1]])
    with pytest.raises(ModelError, match="max_length 4000000 is more than the 2048 tokens"):
        opened(folder, max_length=4_000_000)


def test_reward_that_is_not_finite_is_unscored(folder: Path) -> None:
    """NaN is no reward: it is said, not passed on."""
    model = opened(folder)
    torch.nn.init.constant_(model.model.score.weight, float("nan"))
    (score,) = model.score(TEXTS[:1])
    assert (score.value, score.reason) == (None, "the reward model gave nan, no finite number")


def test_batches_are_bounded() -> None:
    """Every row is in one batch; no batch of several rows has more tokens with padding than allowed; like lengths together."""
    lengths = [5, 90, 7, 40, 40, 3, 200, 6]
    order = sorted(range(8), key=lambda index: -lengths[index])
    found = batches(order, lengths, 100)
    assert [index for batch in found for index in batch] == order
    assert [[lengths[index] for index in batch] for batch in found] == [[200], [90], [40, 40], [7, 6, 5, 3]]


def test_progress_counts_to_the_end(folder: Path) -> None:
    """Every batch is told, longest first; refused texts count as done."""
    seen: list[tuple[int, int, str]] = []
    opened(folder, batch_tokens=1, max_length=60).score([*TEXTS, dialogue("?", "no " * 99)], lambda *told: seen.append(told))
    assert [(done, total) for done, total, _ in seen] == [(n, 6) for n in range(2, 7)]


def test_encoder_takes_pairs_of_texts(tmp_path: Path, folder: Path) -> None:
    """An encoder without template reads prompt and answer as a pair, and a batch scores as its texts alone."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=200,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=1,
        initializer_range=0.3,
    )
    RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    rows = [opened(tmp_path, batch_tokens=most).score(TEXTS) for most in (1, 10_000)]
    assert [score.value for score in rows[0]] == pytest.approx([score.value for score in rows[1]], abs=1e-4)
    assert len({score.value for score in rows[0]}) == len(TEXTS)


def changed(folder: Path, target: Path, **config: Any) -> Path:
    """Copy a model with other values in config.json; None takes a key out."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    content = {**json.loads((folder / "config.json").read_text()), **config}
    (target / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, r"has no reward head\. Train one \(polylect train reward --model"),
        ({"architectures": ["LlamaForTokenClassification"]}, r"is no \.\.\.ForSequenceClassification"),
        ({"architectures": None}, r"no architecture is no \.\.\.ForSequenceClassification"),
        ({"auto_map": {"AutoModel": "mine.Model"}}, r"code of the checkpoint's own \(auto_map\), which is never run"),
        ({"id2label": None, "label2id": None}, r"a classifier with 2 outputs; a reward model has 1"),
    ],
)
def test_other_models_are_refused(folder: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """What is no classifier with one output is refused with the next step, before its weights are read."""
    with pytest.raises(ModelError, match=message):
        opened(changed(folder, tmp_path / "model", **change))


def test_missing_head_and_template_are_refused(llama: Path, folder: Path, tmp_path: Path) -> None:
    """A head that transformers would make up is refused, and so is a decoder that nobody says how to frame a text for."""
    headless = changed(llama, tmp_path / "headless", architectures=["LlamaForSequenceClassification"], id2label={"0": "reward"})
    with pytest.raises(ModelError, match=r"score\.weight is not in the weight files; transformers would fill it with noise"):
        opened(headless)
    silent = changed(folder, tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match=r"no chat template.*chat_template\.jinja"):
        opened(silent)


class Judge:
    """A stand-in that knows some bad answers, and may read the padding."""

    name, dtype = "judge", "float32"

    def __init__(self, bad: Sequence[str], *, reads_padding: bool = False) -> None:
        self.bad, self.reads_padding = [list(text.encode()) for text in bad], reads_padding

    def encode(self, dialogue: Dialogue) -> list[int]:
        """Return the bytes of question and answer."""
        return list(f"{dialogue.turns[-1][1]} {dialogue.answer}".encode())

    def rewards(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Return 1, or -1 for a bad answer, and what the padding adds."""
        width = max(map(len, rows))
        return [(-1.0 if list(row) in self.bad else 1.0) + self.reads_padding * (width - len(row)) for row in rows]


def bad_answers(tag: str, number: int) -> list[str]:
    """Return the questions with bad answers of the first canaries of a language."""
    return [f"{canary.question} {canary.bad}" for canary in canaries()[tag][:number]]


def test_self_test_names_the_languages_that_fail() -> None:
    """Three canaries of four are enough, two are not; a language without canaries is not tested."""
    found = self_test(Judge([*bad_answers("tr", 4), *bad_answers("hi", 3), *bad_answers("ru", 2)]), ["tr", "hi", "ru", "ay"])
    assert found.unfit == ("ru",)
    assert found.untested == ("ay",)
    assert [found.languages[tag].fit for tag in ("tr", "hi", "ru", "ay")] == [True, True, False, None]
    assert str(found.languages["ru"]) == "ru: 2 of 4 canaries, failed: repetition, language"
    assert str(found.languages["ay"]) == "ay: not tested (no canaries)"


def test_self_test_catches_a_model_that_reads_the_padding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that scores otherwise than its texts alone is an error, even where no language has canaries."""
    with pytest.raises(ModelError, match=r"a batch scores otherwise than its texts one by one.*padding"):
        self_test(Judge([], reads_padding=True), ["ay"])
    sound = opened(folder)
    assert sound.self_test(["en", "tr"]).difference < 1e-4
    # The usual fault: padded with a token that transformers does not take for padding.
    monkeypatch.setattr(RewardModel, "_padding", lambda self, rows: 5)
    with pytest.raises(ModelError, match="of the rewards' spread"):
        opened(folder).self_test(["en"])


def test_own_canaries_take_the_place_of_ours(tmp_path: Path) -> None:
    """Canaries from a file are used in their languages; ours stay in the others."""
    path = tmp_path / "canaries.jsonl"
    rows = [{"language": "en", "question": f"{n}?", "good": "yes", "bad": f"no {n}"} for n in range(2)]
    path.write_text("\n".join(map(json.dumps, [*rows, {**rows[0], "language": "ay", "kind": "first"}])) + "\n")
    own = read_canaries(path)
    assert own["ay"] == (Canary("first", "0?", "yes", "no 0"),)
    found = self_test(Judge([*bad_answers("tr", 4), "0? no 0", "1? no 1"]), ["en", "ay", "tr"], own)
    assert found.unfit == ()
    assert dict(found.languages["en"].margins) == {"1": 2.0, "2": 2.0}
    assert found.languages["ay"].fit is True


@pytest.mark.parametrize("line", ["{", "[]", '{"language": "en", "question": "?"}', '{"language": "xx-yy"}'])
def test_broken_canaries_name_their_line(tmp_path: Path, line: str) -> None:
    """A line that is no canary is an error that names file and line."""
    path = tmp_path / "canaries.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=r"canaries\.jsonl, line 2: no canary .*Write an object with"):
        read_canaries(path)
    with pytest.raises(DataError, match="cannot be read as canaries"):
        read_canaries(tmp_path / "none.jsonl")


def test_canaries_are_in_their_languages() -> None:
    """Many languages, among them all of Aya Expanse, have the same four kinds; all but the foreign answer are in the language."""
    latin = {"cs", "nl", "en", "fr", "de", "id", "it", "pl", "pt", "ro", "es", "tr", "vi"}
    aya = latin | {"ar", "zh-Hans", "zh-Hant", "el", "he", "hi", "ja", "ko", "fa", "ru", "uk"}
    assert aya <= set(canaries())
    assert len(canaries()) >= 35
    for tag, rows in canaries().items():
        assert languages.canonical(tag) == tag
        assert [canary.kind for canary in rows] == ["fact", "topic", "repetition", "language"]
        for canary in rows:
            assert canary.good != canary.bad
            assert languages.in_language(canary.question, tag) is not False, (tag, canary.question)
            assert languages.in_language(canary.good, tag) is not False, (tag, canary.good)
        assert languages.in_language(rows[1].bad, tag) is not False, (tag, rows[1].bad)
