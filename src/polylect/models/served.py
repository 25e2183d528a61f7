"""A model behind an OpenAI-compatible endpoint: vLLM, SGLang, TGI, Ollama, llama.cpp's server, hosted ones.

The protocol is the chat completions API (POST {url}/chat/completions); a request whose text is the whole prompt
(`Request.bare`) goes to {url}/completions. Replies are read with suspicion: their size is bounded, redirects are not followed,
and the key is taken out of everything that is kept.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polylect.errors import EndpointError, ModelError
from polylect.models.engine.sessions import close_session, session
from polylect.models.interface import Price, RequestError
from polylect.models.replies import Endpoint, Scrub, read_reply, refusal
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

__all__ = ["ServedModel"]

_DEFAULT_KEY = "OPENAI_API_KEY"
_MOST_BYTES = 16 << 20
_encode = json.JSONEncoder(separators=(",", ":")).encode


class ServedModel:
    """A model behind an OpenAI-compatible endpoint; a `polylect.models.interface.Model`.

    Args:
        url: of the API, as `http://127.0.0.1:8000/v1`; `/chat/completions` is put behind it.
        model: its name there.
        name: what the tables call it; None: the model's name.
        revision: what exactly is served there. With it, stored answers serve every endpoint of this model and revision;
            without it, the address is part of what identifies the model.
        key_env: environment variable that holds the key, None for no key. Over http:// the default variable goes to this
            machine alone; name one to send it elsewhere in the clear.
        price: of its tokens.
        licence: of its outputs.
        may_train: whether its outputs may train models.
        in_flight: most calls at a time; None leaves it to the engine.
        extra: further fields of the request's body, as `{"reasoning_effort": "low"}`; part of the fingerprint.
        token_field: name of the field for the limit of new tokens; some hosted models want `max_completion_tokens`.
        send_seed: send a seed with sampled requests; some endpoints refuse the field.
        tokenizer: folder or name of a tokenizer (`tokenizers` format, installed or cached) that `count` uses; None estimates
            one token per 4 bytes of UTF-8.
        most_bytes: longest reply that is read.

    Attributes:
        estimated: answers whose tokens were counted here, since the reply had no `usage`.

    Raises:
        ModelError: the address is none, or holds a password.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        name: str | None = None,
        revision: str | None = None,
        key_env: str | None = _DEFAULT_KEY,
        price: Price | None = None,
        licence: str | None = None,
        may_train: bool | None = None,
        in_flight: int | None = None,
        extra: Mapping[str, Any] | None = None,
        token_field: str = "max_tokens",  # noqa: S107 - the name of a field, no secret
        send_seed: bool = True,
        tokenizer: str | None = None,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self.url, self.model, self.name = _checked(url), model, name or model
        self.price, self.licence, self.may_train, self.in_flight = price or Price(), licence, may_train, in_flight
        self.key_env = key_env if _may_carry_key(self.url, key_env) else None
        self.estimated = 0
        self._extra = dict(extra or {})
        where = revision if revision is not None else self.url
        self.fingerprint = content_hash("served", where, model, sorted(self._extra.items()))
        self._token_field, self._send_seed, self._most_bytes = token_field, send_seed, most_bytes
        self._tokenizer_name = tokenizer
        self._tokenizer: Any = None
        self._endpoint = Endpoint(self.url, model, self.key_env)
        self._headers: dict[str, str] | None = None
        self._address: Any = None
        self._bare_address: Any = None
        self._proxy: str | None = None
        self._scrub: Scrub = Scrub("")
        self._bodies: dict[Sampling, str] = {}

    def __repr__(self) -> str:
        return f"ServedModel({self.url!r}, {self.model!r})"

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Return one request per call."""
        return [[request] for request in requests]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer requests one after the other; the engine gives one request and asks for one sample at a time.

        Raises:
            RequestError: this request failed.
            EndpointError: the key, the model or the address was refused: no request can be answered.
        """
        if len(batch) == 1 and sampling.samples == 1:
            return [await self._one(batch[0], sampling, 0)]
        return [await self._one(request, sampling, sample) for request in batch for sample in range(sampling.samples)]

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, by the tokenizer if one was given, else estimated."""
        if self._tokenizer_name is None:
            return (len(text.encode("utf-8", "replace")) + 3) // 4
        if self._tokenizer is None:
            self._tokenizer = _tokenizer(self._tokenizer_name)
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    async def close(self) -> None:
        """Hold nothing: connections belong to the event loop (see `polylect.models.engine.sessions`)."""
        await close_session()

    async def _one(self, request: Request, sampling: Sampling, sample: int) -> Generated:
        if self._headers is None:
            self._prepare()
        body = self._encode_body(request, sampling, sample)
        response, content = await self._send(body, self._bare_address if request.bare else self._address)
        if response.status != 200:
            raise refusal(response.status, response.headers, content, self._endpoint, self._scrub)
        reply = read_reply(content, sampling.max_tokens, self._endpoint, self._scrub)
        prompt_tokens, completion_tokens = reply.prompt_tokens, reply.completion_tokens
        self.estimated += prompt_tokens is None or completion_tokens is None
        if prompt_tokens is None:
            prompt_tokens = sum(self.count(content) for _, content in request.messages)
        if completion_tokens is None:
            completion_tokens = self.count(reply.text)
        return Generated(request.key, sample, reply.text, reply.finish_reason, prompt_tokens, completion_tokens)

    async def _send(self, body: bytes, address: URL) -> tuple[aiohttp.ClientResponse, bytes]:
        """Return the reply to a request, whatever its status, and its body.

        Raises:
            RequestError: no whole reply came, or it is too long.
        """
        import aiohttp

        try:
            async with session().post(
                address, data=body, headers=self._headers, allow_redirects=False, proxy=self._proxy
            ) as response:
                content = await self._read(response)
        except aiohttp.ClientError as error:
            raise RequestError(f"no whole reply: {self._scrub(f'{type(error).__name__}: {error}')}", retry=True) from None
        return response, content

    def _encode_body(self, request: Request, sampling: Sampling, sample: int) -> bytes:
        """Return the request as JSON; all but the messages and the seed is made once per sampling."""
        start = self._bodies.get(sampling)
        if start is None:
            fields: dict[str, Any] = {"model": self.model, self._token_field: sampling.max_tokens}
            fields["temperature"] = sampling.temperature
            if sampling.top_p < 1:
                fields["top_p"] = sampling.top_p
            if sampling.stop:
                fields["stop"] = list(sampling.stop)
            start = self._bodies[sampling] = _encode({**fields, **self._extra})[:-1]
        seed = ""
        if self._send_seed and sampling.temperature > 0:
            seed = f',"seed":{zlib.crc32(f"{sampling.seed}/{request.key}/{sample}".encode("utf-8", "replace")) >> 1}'
        if request.bare:
            return f'{start}{seed},"prompt":{_encode(request.text)}}}'.encode()
        messages = [{"role": role, "content": content} for role, content in request.messages]
        return f'{start}{seed},"messages":{_encode(messages)}}}'.encode()

    def _prepare(self) -> None:
        """Read the key and the proxy from the environment, once, when the first request goes out.

        Raises:
            EndpointError: the key cannot be sent.
        """
        from yarl import URL

        key = (os.environ.get(self.key_env, "") if self.key_env else "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EndpointError(f"{self.key_env}: holds characters that no key can have. Set it to the key alone.")
        self._scrub = Scrub(key)
        self._address, self._bare_address = URL(f"{self.url}/chat/completions"), URL(f"{self.url}/completions")
        self._proxy = _proxy(self.url)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        self._headers["User-Agent"] = "polylect"
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the reply's body, of a bounded size.

        Raises:
            RequestError: it is longer.
        """
        length = response.content_length
        if length is not None and length <= self._most_bytes:
            return await response.read()
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > self._most_bytes:
                response.close()
                raise RequestError(f"reply is longer than {self._most_bytes:,} bytes", retry=False)
        return b"".join(parts)


def _checked(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        ModelError: it is none, or holds a user name or password, which are not repeated.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ModelError(
            "The address of the endpoint holds a user name or password. Leave it out, and name the environment variable that "
            "holds the key: key_env."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(f"{url!r}: no address of an endpoint. Give one such as http://127.0.0.1:8000/v1.")
    return url.rstrip("/").removesuffix("/chat/completions")


def _may_carry_key(url: str, key_env: str | None) -> bool:
    """Return whether the key may go there: the default one goes over https, or to this machine."""
    parts = urlsplit(url)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return key_env != _DEFAULT_KEY or parts.scheme == "https" or here


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address.

    Raises:
        EndpointError: it is of a kind that is not spoken.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
        kind = urlsplit(proxy).scheme or "unnamed"
        raise EndpointError(
            f"{url}: the proxy of {parts.scheme}_proxy is of the kind {kind!r}. Give an http:// proxy, or name the "
            "host in no_proxy."
        )
    return proxy


def _tokenizer(name: str) -> Any:
    """Load a tokenizer from a folder or file, or by name.

    Raises:
        ModelError: there is none.
    """
    from pathlib import Path

    from tokenizers import Tokenizer

    path = Path(name) / "tokenizer.json" if Path(name).is_dir() else Path(name)
    try:
        return Tokenizer.from_file(str(path)) if path.exists() else Tokenizer.from_pretrained(name)
    except Exception as error:
        raise ModelError(
            f"{name}: no tokenizer can be loaded ({error}). Give a folder with a tokenizer.json, or a name."
        ) from error
