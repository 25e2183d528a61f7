"""What an OpenAI-compatible endpoint says: answers, failures that may pass, failures that will not, and the end of it all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from polylect.errors import EndpointError, PolylectError
from polylect.models.interface import RequestError

__all__ = ["Endpoint", "Reply", "Scrub", "read_reply", "refusal", "retry_after"]

_LONGEST = 200
_STOPPED = {"stop", "eos", "eos_token", "end_turn", "stop_sequence", "tool_calls", "function_call"}
_CUT = {"length", "max_tokens", "model_length"}
_BROKEN = {"error", "abort", "cancelled"}
_PASSING = {408, 409, 425}
_OVERLOAD = {429, 503, 529}


class Endpoint(NamedTuple):
    """Who is asked, for messages: address, model, and the environment variable of the key (None: no key is sent)."""

    url: str
    model: str
    key_env: str | None


class Reply(NamedTuple):
    """An answer; tokens are None where the endpoint does not say."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Scrub:
    """Takes a key, and what looks like one, out of a text, and brings it down to one short line."""

    key: str

    def __repr__(self) -> str:
        return "Scrub(***)"

    def __call__(self, text: str) -> str:
        """Return the text, fit to be kept."""
        if self.key:
            text = text.replace(self.key, "***")
        text = re.sub(r"(?i)\b(bearer|basic)\s+\S+|\bsk-\S+", "***", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def read_reply(content: bytes, max_tokens: int, endpoint: Endpoint, scrub: Scrub) -> Reply:
    """Return the answer that a reply with status 200 holds.

    A missing end reason is taken for "length" when all tokens were used, else for "stop".

    Raises:
        RequestError: the reply is broken or partial (asking again may help), or a filter withheld the answer (it cannot).
        EndpointError: the reply is an error that no request can escape.
    """
    try:
        reply = json.loads(content)
        if isinstance(reply, dict) and "choices" not in reply and reply.get("error"):
            error = reply["error"]
            code = error.get("code") if isinstance(error, dict) else None
            raise refusal(code if isinstance(code, int) and 400 <= code < 600 else 500, {}, content, endpoint, scrub)
        choice = reply["choices"][0]
        # A plain completion has its text beside the end reason, a chat completion a message.
        message = {"content": choice["text"]} if "message" not in choice and "text" in choice else choice["message"]
        text, finish = message.get("content"), choice.get("finish_reason")
        refused = message.get("refusal")
        prompt_tokens, completion_tokens = _usage(reply.get("usage"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise RequestError(
            f"reply is no chat completion: {scrub(content[:2000].decode(errors='replace'))!r}", retry=True
        ) from None
    if finish == "content_filter":
        raise RequestError("content filter of the endpoint", retry=False)
    if finish in _BROKEN:
        raise RequestError(f"the endpoint broke off: finish_reason {finish!r}", retry=True)
    if text is None and refused:
        text = refused
    if not isinstance(text, str | None):
        raise RequestError("reply is no chat completion: its content is no text", retry=True)
    if finish not in _STOPPED:
        cut = finish in _CUT or (completion_tokens is not None and completion_tokens >= max_tokens)
        return Reply(text or "", "length" if cut else "stop", prompt_tokens, completion_tokens)
    return Reply(text or "", "stop", prompt_tokens, completion_tokens)


def _usage(usage: Any) -> tuple[int | None, int | None]:
    """Return the tokens of prompt and answer; None for what is missing or no number."""
    given = usage if isinstance(usage, dict) else {}
    counts = [given.get("prompt_tokens"), given.get("completion_tokens")]
    prompt_tokens, completion_tokens = (
        count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 1 << 31 else None for count in counts
    )
    return prompt_tokens, completion_tokens


def refusal(status: int, headers: Mapping[str, str], content: bytes, endpoint: Endpoint, scrub: Scrub) -> PolylectError:
    """Return the error that a reply with a status other than 200 is."""
    code, text = _error(content)
    said = f"HTTP {status}: {scrub(text)}" if text else f"HTTP {status}"
    where = f"{endpoint.url}, model {endpoint.model!r}"
    if status in {401, 403}:
        key = f"Set {endpoint.key_env} to a key that may use this model" if endpoint.key_env else "Name the variable: key_env"
        return EndpointError(f"{where}: the endpoint refused the key ({said}). {key}; what was answered is kept.")
    if status == 402 or code == "insufficient_quota":
        return EndpointError(f"{where}: the account has no credit ({said}). Add some, then run again; what was answered is kept.")
    if status in {404, 405}:
        return EndpointError(
            f"{where}: nothing answers there ({said}). Look at the model's name ({endpoint.url}/models lists those that are "
            "served) and at the address, which usually ends in /v1."
        )
    if 300 <= status < 400:
        target = scrub(headers.get("Location", "elsewhere"))
        return EndpointError(
            f"{where}: redirects to {target}, which is not followed, since the key would go along. Give that address if you "
            "trust it."
        )
    if status in _OVERLOAD:
        return RequestError(said, retry=True, after=retry_after(headers), overload=True)
    if status >= 500 or status in _PASSING or status < 300:
        return RequestError(said, retry=True, after=retry_after(headers))
    return RequestError(f"content filter of the endpoint ({said})" if code == "content_filter" else said, retry=False)


def _error(content: bytes) -> tuple[str | None, str]:
    """Return the code and the message of an error's body: OpenAI's form, FastAPI's, or plain text."""
    text = content[:5000].decode(errors="replace")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None, text
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return None, str(error)
    message = error.get("message") or error.get("detail") or text
    return str(error.get("code")), message if isinstance(message, str) else json.dumps(message)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that the header Retry-After asks to wait: a number or a date (RFC 9110, section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None
