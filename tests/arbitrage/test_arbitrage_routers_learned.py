"""Whether the learned router learns, knows how sure it is, explores as much as it says, and comes back from disk the same."""

from __future__ import annotations

import json
import random
import time
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from test_arbitrage_routers import Named

from polylect.arbitrage.features import NgramSettings, ngrams
from polylect.arbitrage.router_head import Labels, loss
from polylect.arbitrage.router_labels import labelled, within_prompt_spread
from polylect.arbitrage.routers import load, router
from polylect.arbitrage.routers.learned import Learned
from polylect.errors import DataError, ModelError
from polylect.prompts import world_facts
from polylect.records import Prompt

POOL = [Named("dates"), Named("places"), Named("hindi", ["hi"])]


@cache
def facts() -> list[Prompt]:
    """Return real questions in three languages: 600 on dates and on places."""
    found = [p for p in world_facts(["en", "es", "hi"]).prompts if p.kind in ("date_long", "place_country", "weekday_after")]
    return random.Random(0).sample(found, 600)  # noqa: S311


def rewards(prompts: list[Prompt], noise: float = 0.5) -> list[dict[str, float]]:
    """Return what three teachers' answers are worth: one knows dates, one places, one is good at Hindi only."""
    drawn = random.Random(1)  # noqa: S311
    rows = []
    for prompt in prompts:
        places = prompt.kind == "place_country"
        row = {"dates": 0.2 if places else 1.0, "places": 1.0 if places else 0.2, "hindi": 1.4}
        if prompt.language != "hi":
            del row["hindi"]
        rows.append({name: value + drawn.gauss(0, noise) for name, value in row.items()})
    return rows


def learned(**settings: object) -> Learned:
    """Return a router that has learned from the probe share of `facts`."""
    made = router("learned", POOL, {"epsilon": 0.0, "probe": 0.5, "epochs": 25, **settings})
    assert isinstance(made, Learned)
    torch.set_num_threads(1)
    values = rewards(facts())
    probe = [index for index, prompt in enumerate(facts()) if made.probed(prompt.item)]
    made.learn([facts()[i] for i in probe], [values[i] for i in probe])
    return made


def right(made: Learned) -> float:
    """Return the share of the prompts of unseen items for which the router asks the teacher that is best by construction."""
    rest = [prompt for prompt in facts() if not made.probed(prompt.item)]
    expected = ["hindi" if p.language == "hi" else "places" if p.kind == "place_country" else "dates" for p in rest]
    return float(np.mean([plan[0] == best for plan, best in zip(made.plan(rest), expected, strict=True)]))


@pytest.mark.parametrize("head", ["linear", "two-layer"])
def test_prompt_tells_the_teacher(head: str) -> None:
    """On items it has not seen the router asks the right teacher, where languages alone would tell it for one third."""
    made = learned(head=head, learning_rate=0.02 if head == "linear" else 0.005)
    assert right(made) > 0.95
    account = made.account()
    assert account["held_out_kl"] < account["held_out_kl_start"]
    assert account["calibration_error"] < 0.12
    assert account["reward_random"] < account["reward_chosen"] <= account["reward_oracle"]


def test_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    """Two trainings with one seed write the same bytes; what is loaded plans like what was saved."""
    plans = []
    for name in ("a", "b"):
        made = learned(epochs=3)
        made.save(tmp_path / name)
        plans.append(made.plan(facts()))
    assert (tmp_path / "a/router.safetensors").read_bytes() == (tmp_path / "b/router.safetensors").read_bytes()
    assert load(tmp_path / "a", POOL).plan(facts()) == plans[0] == plans[1]
    assert json.loads((tmp_path / "a/router.json").read_text())["account"]["train_prompts"] > 100
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["router.json", "router.safetensors"]


def test_loaded_router_knows_its_teachers(tmp_path: Path) -> None:
    """A teacher that is gone is not planned; one that is new is refused, since nothing was learned of it."""
    learned(epochs=1).save(tmp_path)
    assert set(load(tmp_path, [POOL[1]]).plan(facts())) == {("places",)}
    with pytest.raises(DataError, match="has not learned about zed"):
        load(tmp_path, [*POOL, Named("zed")])
    (tmp_path / "router.safetensors").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"router\.safetensors: cannot be read"):
        load(tmp_path, POOL)


def test_probabilities_are_those_of_the_teachers_that_serve() -> None:
    """Probabilities sum to 1 over the teachers of the language, and the plan follows them."""
    made = learned(epochs=2)
    for prompt, row, plan in zip(facts(), made.probabilities(facts()), made.plan(facts()), strict=True):
        assert set(row) == set(plan) == ({"dates", "places", "hindi"} if prompt.language == "hi" else {"dates", "places"})
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)
        assert row[plan[0]] == max(row.values())


def test_exploration_is_drawn_and_recorded() -> None:
    """Beside the probe items a share epsilon has a teacher drawn at random first, and says so; the rest is planned as ever."""
    plain, made = learned(epochs=2), learned(epochs=2, epsilon=0.3)
    plans = list(zip(facts(), plain.plan(facts()), made.plan(facts()), strict=True))
    explored = [prompt for prompt in facts() if made.explored(prompt)]
    rest = [prompt for prompt in facts() if not made.probed(prompt.item)]
    assert abs(len(explored) - 0.3 * len(rest)) < 30
    assert not any(made.probed(prompt.item) for prompt in explored)
    assert not any(plain.explored(prompt) for prompt in facts())
    assert all(before == after for prompt, before, after in plans if not made.explored(prompt))
    # Drawn among two or three teachers, more than a third differs from the plan.
    assert sum(before[0] != after[0] for _, before, after in plans) > len(explored) / 3
    assert all(sorted(before) == sorted(after) for _, before, after in plans)


def test_unasked_teacher_counts_for_nothing() -> None:
    """The loss looks at scored teachers only: another logit of one that was not scored changes nothing."""
    labels = labelled([{"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0, "c": 0.5}], ("a", "b", "c"), 0.5)
    assert labels.targets[0].tolist() == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2)), 0])
    assert labels.targets.sum(dim=1).tolist() == pytest.approx([1, 1])
    logits = torch.tensor([[2.0, 0.0, 7.0], [2.0, 0.0, 1.0]])
    assert float(loss(logits, labels)) == pytest.approx(0, abs=1e-6)
    assert float(loss(torch.tensor([[2.0, 0.0, -9.0]]), Labels(labels.targets[:1], labels.scored[:1]))) == pytest.approx(
        0, abs=1e-6
    )


def test_target_does_not_depend_on_the_unit_of_rewards() -> None:
    """By default the temperature is the spread within prompts: rewards ten times as large give the same target."""
    rows = rewards(facts()[:50])
    larger = [{name: 10 * value + 3 for name, value in row.items()} for row in rows]
    assert within_prompt_spread(larger) == pytest.approx(10 * within_prompt_spread(rows))
    assert within_prompt_spread([{"a": 2.0, "b": 2.0}]) == 1.0


def test_nothing_to_learn_from_is_told() -> None:
    """Without two scored answers to some prompt of the training part there is nothing to tell apart."""
    made = router("learned", POOL)
    with pytest.raises(DataError, match="0 have two scored answers"):
        made.learn(facts()[:5], [{"dates": 1.0}] * 5)
    with pytest.raises(DataError, match="before it learned"):
        made.plan(facts()[:5])
    assert made.encoder.encode([]) is not None


@pytest.mark.serial
def test_planning_is_fast() -> None:
    """At least 20,000 prompts per second on one core (benchmarks/routers.py has the figure; a busy machine is left room)."""
    made = learned(epochs=1)
    asked = facts() * 10
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        made.plan(asked)
        seconds.append(time.perf_counter() - began)
    print(f"{len(asked) / min(seconds):,.0f} prompts/s")
    assert len(asked) / min(seconds) > 10_000


def test_ngrams_are_those_of_each_text_alone() -> None:
    """A batch gives every text the features that it has alone, whatever stands beside it, empty and odd texts too."""
    settings = NgramSettings()
    texts = ["Wo liegt Łódź?", "", "a", "東京はどこ？", "\ud800 lone", "x" * 2000]
    together = ngrams(texts, settings)
    for row, text in enumerate(texts):
        alone = ngrams([text], settings)
        for order in range(len(settings.orders)):
            ends = [*together.offsets[order][1:], len(together.indices[order])]
            part = slice(together.offsets[order][row], ends[row])
            assert together.indices[order][part].tolist() == alone.indices[order].tolist()
            assert together.signs[order][part].tolist() == alone.signs[order].tolist()
        assert together.scale[row] == alone.scale[0]
    assert len(alone.indices[0]) == settings.characters + 3


def test_ngrams_ignore_case_and_composition() -> None:
    """Canonically equivalent texts, and texts that differ in case, have the same features; others do not."""
    settings = NgramSettings()
    composed, decomposed = "Où est Łódź?", unicodedata.normalize("NFD", "OÙ EST ŁÓDŹ?")
    assert ngrams([composed], settings).indices[3].tolist() == ngrams([decomposed], settings).indices[3].tolist()
    assert ngrams([composed], settings).indices[3].tolist() != ngrams(["Où est Lodz?"], settings).indices[3].tolist()


def test_ngrams_are_spread_evenly() -> None:
    """Of 20,000 different 4-grams nearly as many rows are used as uniform hashing would use, and signs are even."""
    drawn = random.Random(3)  # noqa: S311
    text = "".join(chr(drawn.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    found = ngrams([text], NgramSettings(orders=(4,), characters=100_000))
    rows = 2**16
    expected = rows * (1 - np.exp(-len(found.indices[0]) / rows))
    assert len(np.unique(found.indices[0])) == pytest.approx(expected, rel=0.01)
    assert abs(found.signs[0].mean()) < 0.03


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a BERT of 20,000 random weights with a tokenizer of characters."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    signs = sorted({sign for prompt in facts() for sign in prompt.text})
    vocabulary = {sign: index for index, sign in enumerate(["[PAD]", "[UNK]", *signs])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=128, **sizes)).save_pretrained(folder)
    return folder


def test_transformer_can_take_the_place_of_ngrams(encoder: Path) -> None:
    """With a transformer's mean hidden state, even a random one's, the router learns; batches do not change a vector."""
    made = learned(encoder=str(encoder), epochs=20, learning_rate=0.05)
    assert right(made) > 0.7
    texts = [prompt.text for prompt in facts()[:5]]
    alone = torch.cat([made.encoder.encode([text]) for text in texts])
    assert torch.allclose(made.encoder.encode(texts), alone, atol=1e-5)


def test_folder_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    """A folder whose weights or tokenizer are missing is named."""
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    made = router("learned", POOL, {"encoder": str(tmp_path)})
    with pytest.raises(ModelError, match=str(tmp_path)):
        made.learn(facts()[:50], rewards(facts()[:50]))
