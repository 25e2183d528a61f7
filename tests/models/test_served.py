"""A served model: what goes over the wire, what comes back, and what each kind of failure becomes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from scripted_endpoint import Reply, Scripted, completion, error

from polylect.errors import EndpointError, ModelError, PolylectError
from polylect.models import Generated, Request, Sampling
from polylect.models.engine import Job, Retries, run, run_async
from polylect.models.engine.sessions import session
from polylect.models.interface import Model, Price, RequestError
from polylect.models.replies import retry_after
from polylect.models.served import ServedModel
from polylect.models.store import Keys, Store

KEY = "sk-very-secret-0123456789"
REQUEST = Request("id1", "Ankara?", (("May?", "June"),), "Be short.", (("user", "Hi"), ("assistant", "Hello")))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(model: ServedModel, request: Request = REQUEST, sampling: Sampling | None = None) -> list[Generated]:
    """Ask a model once, without the engine."""

    async def once() -> list[Generated]:
        try:
            return await model.answer([request], sampling or Sampling(max_tokens=16))
        finally:
            await model.close()

    return asyncio.run(once())


def failure(reply: Reply, **settings: Any) -> PolylectError:
    """Return the error that a reply becomes."""
    with Scripted(reply) as endpoint, pytest.raises(PolylectError) as caught:
        ask(ServedModel(endpoint.url, "m", **settings))
    return caught.value


def test_request_has_conversation_and_sampling() -> None:
    """The body holds the model, all turns in order, and the settings; greedy requests carry no noise."""
    with Scripted(completion("Türkiye")) as endpoint:
        model = ServedModel(f"{endpoint.url}/", "gemma", extra={"reasoning_effort": "low"})
        assert isinstance(model, Model)
        assert ask(model) == [Generated("id1", 0, "Türkiye", "stop", 7, 3)]
        ask(model, sampling=Sampling(max_tokens=9, temperature=0.7, top_p=0.9, stop=("\n",), seed=5))
    messages = [
        {"role": "system", "content": "Be short."}, {"role": "user", "content": "May?"}, {"role": "assistant", "content": "June"},
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Ankara?"},
    ]  # fmt: skip
    common = {"model": "gemma", "reasoning_effort": "low", "messages": messages}
    assert endpoint.bodies[0] == {**common, "max_tokens": 16, "temperature": 0.0}
    seed = endpoint.bodies[1].pop("seed")
    assert 0 <= seed < 1 << 31
    assert endpoint.bodies[1] == {**common, "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "stop": ["\n"]}
    assert endpoint.paths == ["/v1/chat/completions"] * 2
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_seeds_differ_by_request_and_sample() -> None:
    """Each row's noise is its own, and the same each time."""
    sampling = Sampling(temperature=1.0, samples=2, seed=5)
    with Scripted(completion("x")) as endpoint:
        model = ServedModel(endpoint.url, "m")
        for key in ("a", "b", "a"):
            ask(model, Request(key, "text"), sampling)
        hosted: dict[str, Any] = {"send_seed": False, "token_field": "max_completion_tokens"}
        ask(ServedModel(endpoint.url, "m", **hosted), REQUEST, sampling)
    seeds = [body.get("seed") for body in endpoint.bodies]
    assert len(set(seeds[:4])) == 4
    assert seeds[:2] == seeds[4:6]
    assert seeds[6:] == [None, None]
    assert endpoint.bodies[6]["max_completion_tokens"] == 64


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (completion("a", "length"), ("a", "length", 7, 3)),
        (completion("a", "eos_token"), ("a", "stop", 7, 3)),
        (completion(None, "length"), ("", "length", 7, 3)),
        (completion("a", None), ("a", "stop", 7, 3)),
        (completion("a", None, (7, 16)), ("a", "length", 7, 16)),
        (completion("", "stop"), ("", "stop", 7, 3)),
        (completion(None, "stop", refusal="I cannot."), ("I cannot.", "stop", 7, 3)),
        (completion("Türkiye", usage=None), ("Türkiye", "stop", 10, 2)),
        (completion("a", usage=(8, None)), ("a", "stop", 8, 1)),
        (completion("a", usage=(None, -5)), ("a", "stop", 10, 1)),
    ],
)
def test_replies_are_read(reply: Reply, expected: tuple[str, str, int, int]) -> None:
    """End reasons have two names, whatever the server calls them; tokens that it does not tell are estimated."""
    with Scripted(reply) as endpoint:
        model = ServedModel(endpoint.url, "m")
        (answer,) = ask(model)
    assert (answer.text, answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == expected
    assert model.estimated == (expected[2:] not in {(7, 3), (7, 16)})


def test_tokens_are_counted_by_a_given_tokenizer(llama: Path) -> None:
    """A tokenizer of the model's own counts what the endpoint does not tell; without one a token is 4 bytes."""
    from transformers import AutoTokenizer

    text = "In which country is the city of Ankara?"
    expected = len(AutoTokenizer.from_pretrained(llama)(text, add_special_tokens=False)["input_ids"])
    assert ServedModel("http://h/v1", "m", tokenizer=str(llama)).count(text) == expected
    assert ServedModel("http://h/v1", "m").count("Ankara in Türkiye") == 5
    with pytest.raises(ModelError, match="no/such: no tokenizer can be loaded"):
        ServedModel("http://h/v1", "m", tokenizer="/no/such").count(text)


@pytest.mark.parametrize(
    ("reply", "reason", "retry", "after", "overload"),
    [
        (error(429, "slow", {"Retry-After": "7"}), "HTTP 429: slow", True, 7.0, True),
        (error(503, "busy"), "HTTP 503: busy", True, None, True),
        (error(500, "oops"), "HTTP 500: oops", True, None, False),
        (error(408, "late"), "HTTP 408: late", True, None, False),
        ((502, {}, b"<html>\n bad   gateway"), "HTTP 502: <html> bad gateway", True, None, False),
        (error(400, "context too long"), "HTTP 400: context too long", False, None, False),
        (error(422, "no"), "HTTP 422: no", False, None, False),
        ((400, {}, b'{"detail": [{"msg": "bad"}]}'), 'HTTP 400: [{"msg": "bad"}]', False, None, False),
        (error(400, "hm", code="content_filter"), "content filter of the endpoint (HTTP 400: hm)", False, None, False),
        (completion(None, "content_filter"), "content filter of the endpoint", False, None, False),
        (completion("a", "abort"), "the endpoint broke off: finish_reason 'abort'", True, None, False),
        ((200, {}, b"{not json"), "reply is no chat completion: '{not json'", True, None, False),
        ((200, {}, b"[" * 100_000), f"reply is no chat completion: {'[' * 197 + '...'!r}", True, None, False),
        ((200, {}, b'{"choices": []}'), "reply is no chat completion: '{\"choices\": []}'", True, None, False),
        (completion([1]), "reply is no chat completion: its content is no text", True, None, False),  # type: ignore[arg-type]
        ((200, {}, b'{"error": {"message": "m", "code": 429}}'), "HTTP 429: m", True, None, True),
        ((200, {}, b'{"error": "overloaded"}'), "HTTP 500: overloaded", True, None, False),
    ],
)  # fmt: skip
def test_failures_of_one_request(reply: Reply, reason: str, retry: bool, after: float | None, overload: bool) -> None:
    """What may pass is tried again, what cannot is not, and only an endpoint with too much to do slows the engine."""
    failed = failure(reply)
    assert isinstance(failed, RequestError)
    assert (failed.reason, failed.retry, failed.after, failed.overload) == (reason, retry, after, overload)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), r"refused the key \(HTTP 401: .*\*\*\*.*Set OPENAI_API_KEY"),
        (error(403, "not yours"), r"model 'm': the endpoint refused the key \(HTTP 403: not yours\)\. Set OPENAI_API_KEY"),
        (error(404, "The model `m` does not exist"), r"HTTP 404: The model `m` does not exist.*/v1/models lists those"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), r"no credit \(HTTP 429: You exceeded"),
        (error(402, "pay"), r"no credit \(HTTP 402: pay\)"),
        ((307, {"Location": "http://elsewhere/v1"}, b""), r"redirects to http://elsewhere/v1, which is not followed"),
    ],
)
def test_failures_of_everything(reply: Reply, message: str) -> None:
    """What no request can escape names address, model, the endpoint's words and the next step."""
    failed = failure(reply)
    assert isinstance(failed, EndpointError)
    with pytest.raises(EndpointError, match=message):
        raise failed
    assert KEY not in str(failed)


def test_redirect_is_not_followed() -> None:
    """The key goes to nobody that the user did not name."""
    with Scripted(completion("stolen")) as thief:
        failure((302, {"Location": f"{thief.url}/chat/completions"}, b""))
        assert thief.headers == []


def test_long_replies_are_not_read() -> None:
    """A reply beyond the bound fails its request, whether its length is announced or not."""
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        status, _, body = completion("x" * 5000)
        failed = failure((status, headers, body), most_bytes=1000)
        assert isinstance(failed, RequestError)
        assert (failed.reason, failed.retry) == ("reply is longer than 1,000 bytes", False)
        with Scripted((status, headers, body)) as endpoint:
            assert ask(ServedModel(endpoint.url, "m"))[0].text == "x" * 5000


def test_nobody_there_is_worth_another_try() -> None:
    """A connection that is refused may be a server that starts."""
    with Scripted(completion("x")) as endpoint:
        url = endpoint.url
    with pytest.raises(RequestError, match="no whole reply: ClientConnectorError") as caught:
        ask(ServedModel(url, "m"))
    assert caught.value.retry


def test_key_stays_out_of_rows_errors_and_names(tmp_path: Path) -> None:
    """An endpoint that repeats the key in its errors does not get it into the store, a message or a repr."""
    with Scripted(lambda n: error(400, f"bad header Bearer {KEY} and {KEY}")) as endpoint:
        model = ServedModel(endpoint.url, "m")
        with Store(tmp_path / "answers.sqlite") as store:
            run([Job(model, [REQUEST], Sampling())], store)
            (row,) = store.get(Keys(model.fingerprint, Sampling()).of(REQUEST), 64).values()
        assert row.reason == "HTTP 400: bad header *** and ***"
        assert KEY not in repr(model) + repr(vars(model)["_scrub"]) + model.fingerprint
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_key_goes_in_the_clear_to_this_machine_alone() -> None:
    """Without a word of the user, OPENAI_API_KEY goes over https or stays on this machine."""
    assert ServedModel("https://api.example.com/v1", "m").key_env == "OPENAI_API_KEY"
    assert ServedModel("http://localhost:8000/v1", "m").key_env == "OPENAI_API_KEY"
    assert ServedModel("http://10.0.0.7:8000/v1", "m").key_env is None
    assert ServedModel("http://10.0.0.7:8000/v1", "m", key_env="CLUSTER_KEY").key_env == "CLUSTER_KEY"


def test_requests_without_a_key_have_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no key is set none is sent, and a key that cannot be sent is named by its variable."""
    with Scripted(completion("x")) as endpoint:
        monkeypatch.delenv("OPENAI_API_KEY")
        ask(ServedModel(endpoint.url, "m"))
        monkeypatch.setenv("MY_KEY", "two\nlines")
        with pytest.raises(EndpointError, match="MY_KEY: holds characters") as caught:
            ask(ServedModel(endpoint.url, "m", key_env="MY_KEY"))
    assert "authorization" not in endpoint.headers[0]
    assert "lines" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"), [("ftp://h/v1", "'ftp://h/v1': no address"), ("http://me:pw@h/v1", "user name or password")]
)
def test_address_is_checked(url: str, message: str) -> None:
    """An address that is none, or holds a password, is refused, and the password not repeated."""
    with pytest.raises(ModelError, match=message) as caught:
        ServedModel(url, "m")
    assert "pw" not in str(caught.value).replace("password", "")


def test_fingerprint_is_of_address_model_and_settings() -> None:
    """Address, model, revision and extra fields make a model another one; with a revision the address does not matter."""
    first = ServedModel("http://a/v1", "m")
    assert first.fingerprint == ServedModel("http://a/v1/", "m", name="other", price=Price(1.0)).fingerprint
    others = [
        ServedModel("http://b/v1", "m"), ServedModel("http://a/v1", "n"), ServedModel("http://a/v1", "m", revision="r"),
        ServedModel("http://a/v1", "m", extra={"top_k": 1}),
    ]  # fmt: skip
    assert len({model.fingerprint for model in (first, *others)}) == 5
    assert ServedModel("http://b/v1", "m", revision="r").fingerprint == others[2].fingerprint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None), ("nan", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    """Both forms of the header are understood; nonsense is as good as none."""
    assert retry_after({"Retry-After": value}, datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_engine_and_endpoint_together(tmp_path: Path) -> None:
    """Through the engine, one bad request fails its row, passing failures pass, and the rest is answered."""

    def reply(number: int) -> Reply:
        return error(500, "oops") if number % 5 == 0 else completion(f"answer {number}")

    requests = [Request(f"id{number}", f"text {number}") for number in range(40)]
    with Scripted(reply) as endpoint, Store(tmp_path / "answers.sqlite") as store:
        model = ServedModel(endpoint.url, "m", price=Price(1.0, 1.0))
        counts = run([Job(model, requests, Sampling())], store, retries=Retries(attempts=20, base=0.001))
    assert (counts.stored, counts.failed, counts.tokens) == (40, 0, 400)
    assert counts.retried == sum(number % 5 == 0 for number in range(1, len(endpoint.bodies) + 1)) > 5


def test_wrong_key_stops_the_engine_at_once(tmp_path: Path) -> None:
    """A refused key costs a few calls, not one per prompt, and leaves no failed rows."""
    requests = (Request(f"id{number}", f"text {number}") for number in range(10_000))
    with Scripted(error(401, "no")) as endpoint, Store(tmp_path / "answers.sqlite") as store:
        with pytest.raises(EndpointError, match="Set OPENAI_API_KEY"):
            run([Job(ServedModel(endpoint.url, "m"), requests, Sampling())], store)
        assert len(store) == 0
    assert len(endpoint.bodies) <= 16


def test_a_run_that_ends_does_not_cut_the_calls_of_another(tmp_path: Path) -> None:
    """Two runs in one event loop share its connections: the first to end leaves them open, the last closes them."""
    order: list[str] = []
    quick_ended = Event()

    def reply(number: int) -> Reply:
        if "slow" in str(endpoint.bodies[number - 1]):
            assert quick_ended.wait(60)
        return completion("fine")

    async def both() -> list[int]:
        async def one(text: str) -> int:
            with Store(tmp_path / f"{text}.sqlite") as store:
                counts = await run_async([Job(ServedModel(endpoint.url, "m"), [Request("a", text)], Sampling())], store)
            order.append(text)
            return counts.retried + counts.failed

        slow = asyncio.create_task(one("slow"))
        again = [await one("quick")]
        shared = session()
        quick_ended.set()
        again.append(await slow)
        assert shared.closed
        return again

    with Scripted(reply) as endpoint:
        assert asyncio.run(both()) == [0, 0]
    assert order == ["quick", "slow"]
    assert len(endpoint.bodies) == 2
