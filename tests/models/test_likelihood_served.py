"""Log-likelihood from an endpoint: a local server that computes real scores, in the forms of vLLM, and servers that give none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import EndpointError
from polylect.models.engine import Retries
from polylect.models.likelihood import OptionScore, open_likelihood
from polylect.models.likelihood_local import LocalLikelihood
from polylect.models.likelihood_served import ServedLikelihood

QUESTIONS = [
    [("In which country is Ankara?", " Turkey"), ("In which country is Ankara?", " June")],
    [("В какой стране ", "Анкара"), ("В какой стране ", "Турция")],
    [("Anna won because Anna", " was better"), ("Anna won because Maria", " was better")],
]
FAST = Retries(attempts=3, base=0.001)


class Server:
    """A completions endpoint around a local model; `form` is what it understands."""

    def __init__(self, likelihood: LocalLikelihood) -> None:
        self.likelihood, self.form = likelihood, "echo"
        self.failures: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    def reply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body."""
        self.bodies.append(body)
        if self.failures:
            return self.failures.pop(0), {"error": {"message": "busy"}}
        if body.get("echo") and self.form == "refuses echo":
            return 400, {"error": {"message": "Only no echo is supported"}}
        values = self._tokens(str(body["prompt"]))
        usage = {"prompt_tokens": len(values), "completion_tokens": 1}
        if body.get("echo") and self.form == "echo":
            logprobs = {
                "tokens": ["?"] * (len(values) + 1),
                "token_logprobs": [value for value, _ in values] + [-1.0],
                "top_logprobs": [None if value is None else {"x": best} for value, best in values] + [{"x": -1.0}],
            }
            return 200, {"choices": [{"text": "", "logprobs": logprobs}], "usage": usage}
        if "prompt_logprobs" in body and self.form == "prompt_logprobs":
            entries = [None if v is None else {"7": {"logprob": v, "rank": 1 if v >= (b or 0) else 2}} for v, b in values]
            return 200, {"choices": [{"text": "", "prompt_logprobs": entries}], "usage": usage}
        generated = {"tokens": ["x"], "token_logprobs": [-1.0], "top_logprobs": [{"x": -1.0}]}
        return 200, {"choices": [{"text": "x", "logprobs": generated}], "usage": usage}

    def _tokens(self, text: str) -> list[tuple[float | None, float | None]]:
        import torch

        ids = self.likelihood.model.tokenizer(text)["input_ids"]
        with torch.inference_mode():
            logits = self.likelihood.model.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        rest = [(logits[place - 1, ids[place]].item(), logits[place - 1].max().item()) for place in range(1, len(ids))]
        return [(None, None), *rest]


@pytest.fixture
def server(llama: Path) -> Iterator[tuple[Server, str]]:
    """Serve a tiny model; give the server and its spec."""
    local = open_likelihood(str(llama), dtype="float32")
    assert isinstance(local, LocalLikelihood)
    served, lock = Server(local), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                status, reply = served.reply(body) if self.path == "/v1/completions" else (404, {})
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield served, f"served:http://127.0.0.1:{http.server_port}/v1#tiny"
        http.shutdown()
        thread.join()


def ask(spec: str, **settings: Any) -> list[list[OptionScore]]:
    """Return the scores of all questions."""
    likelihood = open_likelihood(spec, retries=FAST, **settings)
    assert isinstance(likelihood, ServedLikelihood)
    found = dict(pair for batch in likelihood.score(QUESTIONS) for pair in batch)
    return [found[index] for index in range(len(QUESTIONS))]


@pytest.mark.parametrize("form", ["echo", "prompt_logprobs"])
def test_served_scores_are_the_local_ones(server: tuple[Server, str], form: str) -> None:
    """Both forms give the tokens, sums and greedy flags that the model gives in this process, in any script."""
    stub, spec = server
    stub.form = form
    local = dict(pair for batch in stub.likelihood.score(QUESTIONS) for pair in batch)
    for index, options in enumerate(ask(spec)):
        for served, here in zip(options, local[index], strict=True):
            assert served.logprob == pytest.approx(here.logprob, abs=1e-4)
            assert (served.tokens, served.greedy) == (here.tokens, here.greedy)


@pytest.mark.parametrize("form", ["generated only", "refuses echo"])
def test_endpoint_without_prompt_log_probabilities_is_a_clear_error(server: tuple[Server, str], form: str) -> None:
    """Log-probabilities of generated tokens alone, which would score at chance, are not taken for those of the prompt."""
    stub, spec = server
    stub.form = form
    with pytest.raises(EndpointError, match=r"gives no log-probabilities of a prompt.*vLLM, SGLang and llama-cpp-python"):
        ask(spec)


def test_failures_that_pass_are_tried_again(server: tuple[Server, str]) -> None:
    """A 503 costs a second call and no score."""
    stub, spec = server
    stub.failures = [503, 500]
    assert all(score.logprob is not None for options in ask(spec) for score in options)


def test_endpoint_that_keeps_failing_is_an_error(server: tuple[Server, str]) -> None:
    """After the last attempt the endpoint is named."""
    stub, spec = server
    likelihood = open_likelihood(spec, retries=FAST)
    next(likelihood.score(QUESTIONS[:1]))
    stub.failures = [503] * 100
    with pytest.raises(EndpointError, match="failed 3 times"):
        list(likelihood.score(QUESTIONS[1:]))


def test_contexts_are_asked_once(server: tuple[Server, str]) -> None:
    """Options with one context cost one call for it."""
    stub, spec = server
    ask(spec)
    prompts = [body["prompt"] for body in stub.bodies[1:]]
    assert len(prompts) == len(set(prompts))
    assert prompts.count("In which country is Ankara?") == 1


def test_refused_model_is_an_error_at_once(server: tuple[Server, str], make_model: Callable[..., Path]) -> None:
    """A path without completions says which endpoints have them."""
    _, spec = server
    with pytest.raises(EndpointError, match="no /completions there"):
        ask(spec.replace("/v1#", "/v2#"))
