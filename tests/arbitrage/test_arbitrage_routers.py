"""Who is asked, and whose answer is taken, by the routers that learn no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest
from arbitrage_examples import completion, prompt, score

from polylect.arbitrage import Candidate
from polylect.arbitrage import routers as registry
from polylect.arbitrage.router_base import BaseRouter
from polylect.arbitrage.routers import load, names, register, router
from polylect.errors import DataError, RecipeError
from polylect.records import Prompt


@dataclass(frozen=True)
class Named:
    """A teacher, as far as routers care."""

    name: str
    languages: Collection[str] | None = None


POOL = [Named("ada"), Named("bo", ["en", "sw"]), Named("cy", ["sw"])]


def numbered(count: int, language: str) -> list[Prompt]:
    """Return `count` prompts of different items."""
    return [prompt(f"item {number}", language) for number in range(count)]


def test_routers_of_the_issue_are_there() -> None:
    """Every router of the command line is found by name."""
    assert {"fixed", "fuse", "learned", "random", "reward", "single"} <= set(names())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("learnt", {}, "router 'learnt' is unknown. Did you mean 'learned'"),
        ("single", {"teecher": "ada"}, "router single: setting 'teecher' is unknown. Did you mean 'teacher'"),
        ("single", {"teacher": "adda"}, "'adda' is no teacher of the pool. Did you mean 'ada'"),
        ("single", {"probe": "much"}, "router single, probe: 'much' is not a number"),
        ("learned", {"epsilon": 2}, "router learned, epsilon: 2.0 is no share"),
        ("learned", {"temperature": 0}, "router learned, temperature: 0.0 must be more than 0"),
        ("learned", {"head": "deep"}, "'deep' is not 'linear' or 'two-layer'"),
        ("learned", {"seed": True}, "seed: True is not a whole number"),
        ("fixed", {"table": {"en": "dan"}}, "router fixed, table, en: 'dan' is no teacher"),
        ("fixed", {"table": {"en": "cy"}}, "'cy' does not serve this language"),
        ("fixed", {"table": {"en": 3}}, "3 is neither a teacher nor a list"),
        ("fuse", {}, "router fuse, model: missing"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, object], message: str) -> None:
    """A wrong name, key or value is refused with the nearest known one or the rule."""
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        router(name, POOL, settings)


def test_pool_must_have_teachers_of_different_names() -> None:
    """No router works over an empty pool, or with two teachers of one name."""
    with pytest.raises(RecipeError, match="pool is empty"):
        router("random", [])
    with pytest.raises(RecipeError, match="same name"):
        router("random", [Named("ada"), Named("ada")])


def test_only_teachers_that_serve_the_language_are_planned() -> None:
    """A teacher is never asked in a language that the pool file does not give it."""
    for name, settings in (("random", {}), ("reward", {}), ("fixed", {"table": {"sw": ["cy", "bo"], "default": ["bo", "ada"]}})):
        plans = router(name, POOL, settings).plan([prompt("x", tag) for tag in ("en", "sw", "hi")])
        assert set(plans[0]) == {"ada", "bo"}
        assert {"cy", "bo"} <= set(plans[1])
        assert plans[2] == ("ada",)


def test_random_is_even_and_the_same_again() -> None:
    """Every teacher comes first equally often; the draw depends on prompt and seed only."""
    asked = numbered(3000, "sw")
    plans = router("random", POOL).plan(asked)
    assert plans == router("random", POOL).plan(asked)
    assert plans != router("random", POOL, {"seed": 1}).plan(asked)
    first = Counter(plan[0] for plan in plans)
    # Three standard deviations of a binomial share around 1/3 are 77 of 3,000.
    assert all(abs(number - 1000) < 80 for number in first.values()), first


def test_single_takes_the_best_over_languages() -> None:
    """The best teacher has the highest mean of its languages' means; one that answers fewer languages is no candidate."""
    single = router("single", POOL, {"probe": 1.0})
    asked = [*numbered(30, "sw"), *numbered(10, "en")]
    rewards = [{"ada": 0.1, "bo": 0.6, "cy": 1.0} if p.language == "sw" else {"ada": 0.9, "bo": 0.5} for p in asked]
    single.learn(asked, rewards)
    # Over rows bo has 0.575 and ada 0.3; over languages 0.55 and 0.5. cy has the best mean, but no English.
    assert single.plan([prompt("y", "hi"), prompt("y", "en")]) == [(), ("bo",)]
    assert single.account()["means"] == {"bo": pytest.approx(0.55), "ada": pytest.approx(0.5)}


def test_named_single_needs_no_probe() -> None:
    """A teacher that the user names is asked everywhere it serves, and nothing is learned."""
    single = router("single", POOL, {"teacher": "cy"})
    assert single.probe == 0
    assert single.plan([prompt("y", "sw"), prompt("y", "en")]) == [("cy",), ()]


def test_single_without_scores_says_so() -> None:
    """Where nothing is scored there is no best teacher; asked before it learned, the router says what it needs."""
    single = router("single", POOL)
    with pytest.raises(DataError, match="no answer to a probe item has a score"):
        single.learn([prompt("x")], [{}])
    with pytest.raises(DataError, match="before it learned"):
        single.plan([prompt("x")])


def test_fixed_learns_a_table_per_language() -> None:
    """Each language gets its own order; a language without probe items gets the order of the means."""
    fixed = router("fixed", POOL, {"probe": 0.5})
    asked = [*numbered(40, "sw"), *numbered(40, "en")]
    fixed.learn(asked, [{"ada": 0.2, "cy": 0.9} if p.language == "sw" else {"ada": 0.7, "bo": 0.3} for p in asked])
    assert fixed.plan([prompt("y", "sw"), prompt("y", "en"), prompt("y", "hi")]) == [("cy", "ada"), ("ada", "bo"), ("ada",)]


def test_probe_is_cut_by_item() -> None:
    """All translations of an item are on one side, the share is what was asked for, and part of it is not learned from."""
    learned = router("learned", POOL, {"probe": 0.25, "held_out": 0.2})
    items = [f"item {number}" for number in range(4000)]
    probe = [item for item in items if learned.probed(item)]
    assert abs(len(probe) / len(items) - 0.25) < 0.025
    train = [item for item in items if learned.learned_from(item)]
    assert set(train) < set(probe)
    assert abs(len(train) / len(probe) - 0.8) < 0.05


def test_best_answer_is_taken_and_ties_are_drawn() -> None:
    """The highest score wins, unscored and refused answers never do, and no name wins ties more than another."""
    reward = router("reward", POOL)
    wins: Counter[str] = Counter()
    for asked in numbered(1000, "sw"):
        answers = [completion(asked, name) for name in ("ada", "bo", "cy")]
        tied = [Candidate(answers[0], score(answers[0], 1.0)), Candidate(answers[1], score(answers[1], 1.0))]
        taken = reward.choose(asked, [*tied, Candidate(answers[2], score(answers[2], None))])
        assert taken is not None
        wins[taken.completion.model] += 1
    assert set(wins) == {"ada", "bo"}
    assert abs(wins["ada"] - 500) < 60
    refused = completion(asked, "ada", status="rejected", reason="wrong language")
    assert reward.choose(asked, [Candidate(refused, score(refused, 2.0))]) is None


def test_learned_tables_are_saved_and_loaded(tmp_path: Path) -> None:
    """A router from a folder plans like the one that was saved there, also over a smaller pool."""
    asked = numbered(40, "sw")
    for name in ("single", "fixed"):
        made = router(name, POOL, {"probe": 0.5})
        made.learn(asked, [{"ada": 0.2, "bo": 0.9, "cy": 0.4} for _ in asked])
        made.save(tmp_path / name)
        assert load(tmp_path / name, POOL).plan(asked) == made.plan(asked)
    assert load(tmp_path / "fixed", [POOL[0], POOL[2]]).plan(asked[:1]) == [("cy", "ada")]
    with pytest.raises(RecipeError, match="'bo' is no teacher"):
        load(tmp_path / "single", POOL[:1])


def test_folder_without_router_is_named(tmp_path: Path) -> None:
    """A folder that holds no router, or a broken one, is named."""
    with pytest.raises(DataError, match=r"no router\.json"):
        load(tmp_path, POOL)
    (tmp_path / "router.json").write_text("[1]")
    with pytest.raises(DataError, match="not a saved router"):
        load(tmp_path, POOL)


def test_plug_in_is_one_decorated_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of one's own is a router by its decorator; a taken name is refused."""
    monkeypatch.setattr(registry, "_ROUTERS", dict(registry._ROUTERS))

    @dataclass(frozen=True)
    class Letters:
        letters: int = 3

    @register("longest-name")
    class LongestName(BaseRouter):
        """Asks the teacher with the longest name of at most some letters."""

        Settings = Letters

        def preferences(self, prompt: Prompt) -> tuple[str, ...]:
            fit = [name for name in self.serving(prompt.language) if len(name) <= self.settings.letters]
            return tuple(sorted(fit, key=len, reverse=True))

    assert router("longest-name", POOL, {"letters": 2}).plan([prompt("x", "sw")]) == [("bo", "cy")]
    assert router("longest-name", POOL).plan([prompt("x", "en")]) == [("ada", "bo")]
    with pytest.raises(RecipeError, match="registered already"):
        register("random")(LongestName)
