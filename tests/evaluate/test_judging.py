"""The judge from end to end: judges of known faults through the real engine and store, and what the report says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judging_examples import SENTENCES, ScriptedJudge, Seen, answer, chance, contests, good

from polylect.errors import EvaluationError
from polylect.evaluate.judging import Contest, JudgeSettings, Judging, Thresholds, Votes, judge
from polylect.evaluate.judging.certificate import Certificate
from polylect.evaluate.judging.rates import LanguageRate
from polylect.models.store import Store

LANGUAGES = list(SENTENCES)
FINE = {"en", "de", "fr"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def rate(judging: Judging, language: str) -> LanguageRate:
    """Return the rate of one language."""
    return next(row for row in judging.rates.languages if row.language == language)


def certificate(judging: Judging, language: str, name: str = "judge") -> Certificate:
    """Return one certificate."""
    return next(one for one in judging.certificates if (one.language, one.judge) == (language, name))


def test_a_good_judge_is_certified_and_finds_who_is_better(store: Store) -> None:
    """A judge that goes by quality is fit everywhere, agrees with its English verdicts, and sees a's lead."""
    judging = judge(contests(LANGUAGES, 150, lead=0.2), [ScriptedJudge(good)], store, a="ours", b="theirs")
    assert {one.status for one in judging.certificates} == {"fit"}
    assert judging.rates.words == "better in 8, worse in 0, undecided in 0"
    assert judging.rates.macro.rate.low is not None
    assert judging.rates.macro.rate.low > 0.5
    for language in LANGUAGES:
        found = certificate(judging, language)
        assert found.consistency is not None
        assert found.consistency > 0.75
        assert language == "en" or (found.english.kappa is not None and found.english.kappa > 0.5)


def test_a_judge_that_always_says_a_is_unfit_and_no_number_is_given(store: Store) -> None:
    """Both orders contradict each other everywhere: consistency 0, the first place gains 50 points, no win rate."""
    judging = judge(contests(["en", "sw"], 50), [ScriptedJudge(lambda _: "A")], store)
    for language in ("en", "sw"):
        found, row = certificate(judging, language), rate(judging, language)
        assert (found.status, found.consistency, found.first_place) == ("unfit", 0.0, 50.0)
        assert row.rate.value is None
        assert row.verdict == "unfit"
        assert "orders agree in 0%" in row.why[0]
    assert judging.rates.macro.rate.value is None
    assert judging.rates.words == "judge unfit in 2 (en, sw)"


def test_garbage_is_counted_with_its_reason_and_never_a_tie(store: Store) -> None:
    """A judge that answers garbage in a fifth of the games: raw text kept, contests unscored, the share in the certificate."""
    say = ScriptedJudge(lambda seen: "Both are nice." if chance("garbage", seen) < 0.2 else seen.better)
    judging = judge(contests(["en", "de"], 150), [say], store)
    for language in ("en", "de"):
        found, row = certificate(judging, language), rate(judging, language)
        assert found.unreadable == pytest.approx(0.2, abs=0.06)
        assert found.reasons == {"no line with a verdict": found.unparsed}
        assert found.status == "unfit"
        assert row.tie == 0
        assert row.win + row.loss + row.unscored == row.contests == 150
        assert row.reasons == {"no line with a verdict": row.unscored}
        assert row.unscored == pytest.approx(150 * (1 - 0.8**2), abs=20)
    unread = [game for game in judging.games if game.status == "unparsed"]
    assert {game.raw for game in unread} == {"Both are nice."}
    assert {game.winner for game in unread} == {None}


def test_a_judge_that_is_random_in_five_languages_is_unfit_in_these_alone(store: Store) -> None:
    """Three languages get a number, five the reasons why not; the mean is taken over the three."""

    def say(seen: Seen) -> str:
        return good(seen) if seen.language in FINE else ("A", "B", "TIE")[int(3 * chance("random", seen))]

    judging = judge(contests(LANGUAGES, 100), [ScriptedJudge(say)], store)
    assert {one.language for one in judging.certificates if one.status == "fit"} == FINE
    assert {row.language for row in judging.rates.languages if row.rate.value is None} == set(LANGUAGES) - FINE
    assert judging.rates.words.endswith("judge unfit in 5 (es, hi, ru, sw, tr)")
    values = [row.rate.value for row in judging.rates.languages if row.rate.value is not None]
    assert judging.rates.macro.rate.value == pytest.approx(sum(values) / 3)


def test_a_random_judge_that_never_contradicts_itself_is_found_by_its_english_verdicts(store: Store) -> None:
    """Swap consistency of 1 does not save a judge whose verdicts do not depend on the answers' quality."""

    def say(seen: Seen) -> str:
        if seen.language in FINE:
            return good(seen)
        heads = chance("coin", *sorted((seen.first, seen.second))) < 0.5
        return "A" if heads == (seen.first < seen.second) else "B"

    judging = judge(contests(LANGUAGES, 100), [ScriptedJudge(say)], store)
    found = certificate(judging, "sw")
    assert found.consistency == 1.0
    assert found.english.kappa == pytest.approx(0.0, abs=0.2)
    assert found.status == "unfit"
    assert "own English verdicts" in found.why[0]
    assert {one.language for one in judging.certificates if one.status == "fit"} == FINE


def longer(seen: Seen) -> str:
    """Say that the longer of two equally good answers is better in 60 % of the contests."""
    first_longer, heads = len(seen.first) > len(seen.second), chance("long", *sorted((seen.first, seen.second))) < 0.6
    return "A" if first_longer == heads else "B"


def test_a_liking_for_length_shows_and_is_controlled_for(store: Store) -> None:
    """Answers of equal quality, a's longer in 85 % of the contests: the raw rate favours a, the one at equal length does not."""
    rows = []
    for item in range(3000):
        a_length, b_length = (2, 1) if chance("longer", item) < 0.85 else (1, 2)
        rows.append(
            Contest(
                item=str(item),
                language="en",
                text=f"question {item}",
                a=answer("en", 1 + item / 10000, a_length),
                b=answer("en", 1 + item / 10000 + 0.00001, b_length),
            )
        )
    row = rate(judge(rows, [ScriptedJudge(longer)], store), "en")
    assert row.rate.value == pytest.approx(0.5 + 0.1 * 0.7, abs=0.03)
    assert row.rate.low is not None
    assert row.rate.low > 0.5
    assert row.style is not None
    assert row.style.effects is not None
    points, low, high = row.style.effects["length"]
    assert low < 10 < high
    assert points == pytest.approx(10, abs=3)
    assert row.style.low is not None
    assert row.style.high is not None
    assert row.style.low < 0.5 < row.style.high


def test_a_wrong_language_answer_loses_with_the_gate_and_not_without(store: Store) -> None:
    """A judge that does not mind English answers to German questions: both win rates are reported, and the count."""
    rows = [
        Contest(item=str(i), language="de", text=f"question {i}", a=answer("en", 2), b=answer("de", 1)) for i in range(40)
    ] + [Contest(item=str(i), language="de", text=f"question {i}", a=answer("de", 2), b=answer("de", 1)) for i in range(40, 80)]
    row = rate(judge(rows, [ScriptedJudge(lambda seen: seen.better)], store), "de")
    assert row.rate.value == 0.5
    assert row.ungated.value == 1.0
    assert (row.a_wrong, row.b_wrong, row.decided) == (40, 0, {"gate": 40, "judge": 40})


def test_without_ungated_the_judge_is_not_asked_about_wrong_language_answers(store: Store) -> None:
    """`ungated=False` saves two requests per contest that the gate decides."""
    rows = [Contest(item=str(i), language="de", text=f"question {i}", a=answer("en", 2), b=answer("de", 1)) for i in range(5)]
    model = ScriptedJudge(lambda seen: seen.better)
    row = rate(judge(rows, [model], store, settings=JudgeSettings(ungated=False)), "de")
    assert (model.asked, row.loss, row.ungated.value) == (0, 5, None)


def test_every_contest_is_accounted_for(store: Store) -> None:
    """Empty answers lose, two of them tie, equal texts tie, a missing answer leaves its contest unscored; all are counted."""
    text = answer("en", 1)
    pairs = {
        "1": (text, ""),
        "2": (" ", "\n"),
        "3": (text, text),
        "4": (None, text),
        "5": (None, None),
        "6": (answer("en", 2), text),
    }
    rows = [
        Contest(item=item, language="en", text=f"question {item}", a=a, b=b, a_reason="no answer (400: bad request)")
        for item, (a, b) in pairs.items()
    ]
    model = ScriptedJudge(lambda seen: seen.better)
    judging = judge(rows, [model], store)
    row = rate(judging, "en")
    assert model.asked == 2
    assert row.decided == {"empty": 2, "identical": 1, "missing": 2, "judge": 1}
    assert (row.win, row.loss, row.tie, row.unscored, row.contests) == (2, 0, 2, 2, 6)
    assert row.reasons == {"a: no answer (400: bad request)": 1, "a and b: no answer (400: bad request)": 1}
    assert row.status == "uncertified"
    assert len(judging.outcomes) == 6


def test_verdicts_come_from_the_store_and_cost_nothing_twice(store: Store) -> None:
    """A second call asks nothing; the cost of all verdicts is still told, that of now is 0."""
    model, rows = ScriptedJudge(good), contests(["en"], 10)
    first = judge(rows, [model], store)
    second = judge(rows, [ScriptedJudge(good)], store)
    assert (first.spent[0].asked, second.spent[0].asked) == (20, 0)
    assert model.asked == 20
    assert first.games == second.games
    assert first.spent[0].cost == pytest.approx(first.spent[0].cost_now)
    assert (second.spent[0].cost, second.spent[0].cost_now) == (first.spent[0].cost, 0.0)


def test_a_panel_hears_only_judges_that_are_fit_and_tells_how_they_disagree(store: Store) -> None:
    """Of three judges one always says A: the other two decide, and their agreement is reported."""
    names = {"one": good, "two": lambda seen: good(seen, 0.2), "stuck": lambda _: "A"}
    judging = judge(contests(["en", "tr"], 80, lead=0.3), [ScriptedJudge(say, name) for name, say in names.items()], store)
    for found in judging.panel:
        assert found.seats == ("one", "two")
        assert found.unanimous is not None
        assert 0.5 < found.unanimous < 1
        assert found.alpha is not None
        assert found.alpha > 0.3
    assert certificate(judging, "en", "stuck").status == "unfit"
    assert {one.judge for one in judging.outcomes} == {"one", "two", "stuck", "panel"}
    panel = [one for one in judging.outcomes if one.judge == "panel" and one.language == "en"]
    assert rate(judging, "en").win == sum(one.winner == "a" for one in panel)
    assert rate(judging, "en").status == "fit"


def test_a_mean_panel_gives_the_mean_of_the_points(store: Store) -> None:
    """Two judges of which one prefers a and one b: a tie for the majority, 0.5 for the mean."""
    judges = [ScriptedJudge(lambda seen: seen.better, "one"), ScriptedJudge(lambda _: "TIE", "two")]
    judging = judge(contests(["en"], 40, lead=2), judges, store, settings=JudgeSettings(panel="mean"))
    assert rate(judging, "en").rate.value == pytest.approx(0.75)
    assert rate(judging, "en").win == 40


def test_people_s_votes_enter_the_certificate(store: Store) -> None:
    """Votes against the judge make it unfit; the agreement of the voters among themselves stands beside it."""
    rows = contests(["de"], 60)
    against = {("", "de", row.item): ("b" if float(chance("x", row.item)) < 0.5 else "a",) * 2 for row in rows}
    judging = judge(rows, [ScriptedJudge(lambda seen: seen.better)], store, votes=Votes(against))
    found = certificate(judging, "de")
    assert (found.people.n, found.people_alpha) == (60, 1.0)
    assert found.people.kappa == pytest.approx(0.0, abs=0.25)
    assert found.status == "unfit"
    assert "with people" in found.why[0]


def test_thresholds_are_settings(store: Store) -> None:
    """What is unfit under one threshold is fit under another."""
    settings = JudgeSettings(thresholds=Thresholds(consistency=0.0))
    judging = judge(contests(["en"], 40), [ScriptedJudge(lambda _: "A")], store, settings=settings)
    assert certificate(judging, "en").status == "fit"
    assert rate(judging, "en").rate.value == 0.5


def test_what_cannot_be_judged_is_refused() -> None:
    """No contests, a contest twice, equal names: an error that says what to do."""
    one = contests(["en"], 1)
    model = ScriptedJudge(good)
    nowhere: Store = None  # type: ignore[assignment]
    with pytest.raises(EvaluationError, match="no contests"):
        judge([], [model], nowhere)
    with pytest.raises(EvaluationError, match=r"item '0' in en: 2 contests"):
        judge(one * 2, [model], nowhere)
    with pytest.raises(EvaluationError, match="both contestants are called 'x'"):
        judge(one, [model], nowhere, a="x", b="x")
    with pytest.raises(EvaluationError, match="2 judges are called 'judge'"):
        judge(one, [model, ScriptedJudge(good)], nowhere)


def test_a_judge_that_is_a_contestant_is_named(store: Store) -> None:
    """Self-preference cannot be measured here, so the report says that it may be there."""
    judging = judge(contests(["en"], 2), [ScriptedJudge(good, "ours")], store, a="ours", b="theirs")
    assert "judge ours is a contestant" in judging.notes[0]
