"""Log-likelihood with local models: the numbers of one plain pass per option, whatever is shared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import ModelError
from polylect.models.likelihood import OptionScore, open_likelihood
from polylect.models.likelihood_local import LocalLikelihood
from polylect.models.likelihood_rows import batched, encode_options, pack, share, split_spaces

HEAD = "In which country is the city of Ankara? Turkey\n\nWhich month comes after May? June\n\n" * 2
QUESTIONS = [
    [(HEAD + "Which weekday comes after Monday?", " Tuesday"), (HEAD + "Which weekday comes after Monday?", " June, or so")],
    [(HEAD + "¿En qué país está Ankara?", " Turquía"), (HEAD + "¿En qué país está Ankara?", " Türkiye")],
    [(HEAD + "Hangi ülkede?", option) for option in (" A", " B", " C", " D")],
    [("The city of Ankara", " is in the country"), ("The country of Turkey", " is in the country")],
    [("In which ", "country"), ("In which ", "city")],
    [("", "Which month"), ("", "В какой стране")],
]


def open_local(folder: Path, **settings: Any) -> LocalLikelihood:
    """Open a checkpoint in float32."""
    likelihood = open_likelihood(str(folder), dtype="float32", **settings)
    assert isinstance(likelihood, LocalLikelihood)
    return likelihood


def scores(likelihood: LocalLikelihood, questions: Sequence[Any] = QUESTIONS) -> list[list[OptionScore]]:
    """Return the scores in the order of the questions."""
    found = dict(pair for batch in likelihood.score(questions) for pair in batch)
    return [found[index] for index in range(len(questions))]


def plain(likelihood: LocalLikelihood, context: str, continuation: str) -> tuple[float, int, bool]:
    """Return (log-likelihood, tokens, greedy) by one pass over all logits, the way a textbook has it."""
    import torch

    tokenizer, model = likelihood.model.tokenizer, likelihood.model.model
    if context:
        bare, moved = split_spaces(context, continuation)
        whole, begin = tokenizer(bare + moved)["input_ids"], len(tokenizer(bare)["input_ids"])
    else:
        whole, begin = tokenizer(continuation)["input_ids"], 1
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    values = [logits[place - 1, whole[place]].item() for place in range(begin, len(whole))]
    greedy = all(logits[place - 1].argmax().item() == whole[place] for place in range(begin, len(whole)))
    return sum(values), len(whole) - begin, greedy


@pytest.mark.parametrize("kind", ["llama", "gemma"])
@pytest.mark.parametrize("packed", [True, False])
def test_scores_are_those_of_a_plain_pass(make_model: Callable[..., Path], kind: str, packed: bool) -> None:
    """Shared contexts, packed options and a sliding window shorter than the shared examples change no score."""
    likelihood = open_local(make_model(kind), batch_tokens=200)
    likelihood.packed = packed
    for question, found in zip(QUESTIONS, scores(likelihood), strict=True):
        for (context, continuation), score in zip(question, found, strict=True):
            logprob, tokens, greedy = plain(likelihood, context, continuation)
            assert score.logprob == pytest.approx(logprob, abs=1e-4)
            assert (score.tokens, score.greedy) == (tokens, greedy)


def test_examples_that_questions_share_are_read_once(gemma: Path) -> None:
    """The tokens of three questions with one head hold the head once."""
    likelihood = open_local(gemma)
    passes = []
    forward = likelihood.model.model.forward

    def counted(*positional: Any, **named: Any) -> Any:
        passes.append(named["input_ids"].numel())
        return forward(*positional, **named)

    likelihood.packed = True
    likelihood.model.model.forward = counted
    scores(likelihood, QUESTIONS[:3])
    head = len(likelihood.model.tokenizer(HEAD)["input_ids"])
    assert sum(passes) < 2 * head


def test_logits_are_made_for_predicted_tokens_only(gemma: Path) -> None:
    """The head sees the last state of a context, and no state that predicts no option."""
    likelihood = open_local(gemma)
    likelihood.packed = True
    seen: list[int] = []
    likelihood.model.model.lm_head.register_forward_hook(lambda module, given, logits: seen.append(logits.shape[1]))
    (found,) = scores(likelihood, QUESTIONS[2:3])
    # All options begin with the same token, so that the states that predict them are the same, too.
    assert {score.tokens for score in found} == {2}
    assert seen[-1] == 2


def test_model_that_ignores_the_masks_is_scored_option_by_option(llama: Path) -> None:
    """A model whose packed scores differ falls back to plain rows, says so, and scores rightly."""
    likelihood = open_local(llama)
    forward = likelihood.model.model.forward

    def blind(*positional: Any, **named: Any) -> Any:
        named.pop("position_ids", None)
        if getattr(named.get("attention_mask"), "dim", lambda: 0)() == 4:
            named["attention_mask"] = None
        return forward(*positional, **named)

    likelihood.model.model.forward = blind
    found = scores(likelihood)
    assert likelihood.notes["packed"] is False
    assert found[0][0].logprob == pytest.approx(plain(likelihood, *QUESTIONS[0][0])[0], abs=1e-4)


def test_first_question_proves_that_packing_is_right(gemma: Path) -> None:
    """A model that heeds the masks is packed after the comparison."""
    likelihood = open_local(gemma)
    scores(likelihood, QUESTIONS[:2])
    assert likelihood.notes["packed"] is True


def test_batches_do_not_change_scores(gemma: Path) -> None:
    """One question a pass gives the scores of all in one pass."""
    one, many = open_local(gemma, batch_rows=1), open_local(gemma, batch_tokens=4096)
    for a, b in zip(scores(one), scores(many), strict=True):
        assert [score.logprob for score in a] == pytest.approx([score.logprob for score in b], abs=1e-4)


def test_option_longer_than_the_model_reads_is_unscored(llama: Path) -> None:
    """What does not fit has its reason, and the others are scored."""
    likelihood = open_local(llama)
    likelihood._longest = 40
    found = scores(likelihood, [QUESTIONS[0], QUESTIONS[3]])
    assert found[0][0].logprob is None
    assert "too long" in str(found[0][0].reason)
    assert found[1][0].logprob is not None


def test_continuation_without_tokens_is_unscored(llama: Path) -> None:
    """An empty continuation has no likelihood."""
    ((score, _),) = scores(open_local(llama), [[("Which month", ""), ("Which month", " June")]])
    assert score.logprob is None
    assert score.reason == "an option has no tokens"


def test_spaces_at_the_end_of_a_context_go_to_the_continuation(llama: Path) -> None:
    """The boundary of lm-evaluation-harness: a space belongs to the word behind it."""
    tokenizer = open_local(llama).model.tokenizer
    moved, plain_pair = encode_options(tokenizer, [("In which ", "country"), ("In which", " country")])
    assert moved == plain_pair
    assert tokenizer.decode(moved.continuation) == " country"
    assert moved.context[0] == tokenizer.bos_token_id


def test_text_that_begins_with_the_start_token_gets_no_second_one(llama: Path) -> None:
    """A context that a chat template has framed is encoded as it is."""
    tokenizer = open_local(llama).model.tokenizer
    (encoded,) = encode_options(tokenizer, [("<bos>In which", " country")])
    assert encoded.context.count(tokenizer.bos_token_id) == 1


def test_row_holds_the_common_beginning_once(llama: Path) -> None:
    """Options with contexts of their own (partial scoring) share what these begin with."""
    tokenizer = open_local(llama).model.tokenizer
    row = pack(0, encode_options(tokenizer, QUESTIONS[3]))
    assert row.branches[0] == 0
    assert set(row.branches) == {0, 1, 2}
    assert next(row.positions[place] for place in range(len(row.ids)) if row.branches[place] == 2) == row.branches.count(0)
    tail = tokenizer(" is in the country", add_special_tokens=False)["input_ids"]
    assert [[target for _, target in option] for option in row.scored] == [tail, tail]


def test_groups_share_only_what_is_worth_it(llama: Path) -> None:
    """Rows with the long head are one group; the short ones are read together, and too few to share their start token."""
    tokenizer = open_local(llama).model.tokenizer
    rows = [pack(index, encode_options(tokenizer, question)) for index, question in enumerate(QUESTIONS)]
    groups = {frozenset(row.index for row in members): shared for shared, members in share(rows)}
    assert groups[frozenset({0, 1, 2})] > 32
    assert [shared for members, shared in groups.items() if 3 in members] == [0]
    many = [pack(index, encode_options(tokenizer, QUESTIONS[3 + index % 2])) for index in range(40)]
    ((shared, members),) = share(many)
    assert (shared, len(members)) == (1, 40)


def test_batches_are_bounded_by_tokens_rows_and_logits(llama: Path) -> None:
    """No batch exceeds its bounds, but for a single row; no row is lost."""
    tokenizer = open_local(llama).model.tokenizer
    rows = [pack(index, encode_options(tokenizer, question)) for index, question in enumerate(QUESTIONS)]
    batches = batched(rows, tokens=120, most_rows=2, states=20)
    assert sorted(row.index for batch in batches for row in batch.rows) == list(range(len(QUESTIONS)))
    for batch in batches:
        states = sum(len({column for option in row.scored for column, _ in option}) for row in batch.rows)
        assert len(batch.rows) == 1 or (len(batch.rows) <= 2 and batch.width * len(batch.rows) <= 120 and states <= 20)


def test_rows_that_share_nothing_are_read_together(llama: Path) -> None:
    """Questions without a common head fill a batch all the same."""
    tokenizer = open_local(llama).model.tokenizer
    rows = [pack(index, encode_options(tokenizer, QUESTIONS[3 + index % 3])) for index in range(9)]
    assert [len(batch.rows) for batch in batched(rows, tokens=4096, most_rows=None, states=4096)] == [9]


def test_models_without_log_probabilities_are_refused() -> None:
    """A kind of model that cannot score says what can."""
    with pytest.raises(ModelError, match=r"fake:good.*gives no log-probabilities.*vLLM"):
        open_likelihood("fake:good")


def test_unknown_precision_is_refused(llama: Path) -> None:
    """A misspelt dtype is named."""
    with pytest.raises(ModelError, match=r"'fp32'.*float32"):
        open_likelihood(str(llama), dtype="fp32")


def test_half_precision_is_close(gemma: Path) -> None:
    """In bfloat16 packed scores agree with float32 within its rounding."""
    rough = open_likelihood(str(gemma), dtype="bfloat16")
    assert isinstance(rough, LocalLikelihood)
    exact = open_local(gemma)
    for a, b in zip(scores(rough, QUESTIONS[:2]), scores(exact, QUESTIONS[:2]), strict=True):
        for one, other in zip(a, b, strict=True):
            assert one.logprob is not None
            assert math.isclose(one.logprob, other.logprob or 0, abs_tol=0.3 * one.tokens)
