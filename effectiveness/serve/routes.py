"""The routes, each in the form that its clients' parsers read."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from effectiveness.completion.at_cursor import Answer, Cursor
from effectiveness.serve import NAME, requests
from effectiveness.serve.door import EVENTS, IsGone, Reply, as_line
from effectiveness.serve.knowledge import Knowledge
from effectiveness.serve.requests import RefusedRequest

MAX_LINES = 3
LOADING = "Loading model"


@dataclass(slots=True, kw_only=True)
class Routes:
    """Answers requests from what is known."""

    knowledge: Knowledge | None = None  # None until all is read
    max_lines: int = MAX_LINES
    is_gone: IsGone = bool  # of one request's client
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def respond(self, method: str, path: str, body: dict, is_gone: IsGone = bool) -> Reply:
        """Raises RefusedRequest."""
        route = path.partition("?")[0]
        wanted, answer = ROUTES.get(route, ("", None))
        if answer is None:
            raise RefusedRequest(404, f"no such route; there are {', '.join(ROUTES)}")
        if method != wanted:
            raise RefusedRequest(405, f"{route} takes {wanted}")
        return answer if isinstance(answer, Reply) else answer(replace(self, is_gone=is_gone), body)

    def known(self) -> Knowledge:
        """Raises RefusedRequest until all is read, in the form of llama-server, whose clients know it.

        llama.vim would keep an empty answer as the answer, and shows a message at every key where the port is closed.
        """
        if self.knowledge is None:
            raise RefusedRequest(503, LOADING, {"code": 503, "message": LOADING, "type": "unavailable_error"})
        return self.knowledge

    def ask(self, read: Callable[[dict, int], Cursor], body: dict) -> Answer:
        cursor = replace(read(body, self.max_lines), is_gone=self.is_gone)
        answer = self.known().answer(cursor)
        return Answer(num_prompt_tokens=answer.num_prompt_tokens) if requests.wants_nothing(body) else answer

    def number(self) -> str:
        return f"cmpl-{next(self._numbers)}"


# --- llama.cpp --------------------------------------------------------------------------------------------


def infill(routes: Routes, body: dict) -> Reply:
    return _llama_reply(routes.ask(requests.of_infill, body), body)


def completion(routes: Routes, body: dict) -> Reply:
    return _llama_reply(routes.ask(requests.of_completion, body), body)


def _llama_reply(answer: Answer, body: dict) -> Reply:
    whole = _llama(answer)
    if requests.wants_stream(body):
        first = {"content": answer.text, "stop": False}
        return Reply(parts=_events([first, whole | {"content": ""}]), content_type=EVENTS)
    if body.get("return_tokens") is True:
        whole["tokens"] = list(answer.ids)
    fields = body.get("response_fields")
    if isinstance(fields, list) and fields:
        whole = {name: whole[name] for name in fields if isinstance(name, str) and name in whole}
    return Reply(whole)


def _llama(answer: Answer) -> dict:
    prompt, predicted = (answer.num_prompt_tokens, answer.prompt_s), (len(answer.ids), answer.search_s)
    timings: dict[str, float] = {}
    for part, (number, seconds) in (("prompt", prompt), ("predicted", predicted)):
        timings |= {
            f"{part}_n": number,
            f"{part}_ms": 1000 * seconds,
            f"{part}_per_token_ms": 1000 * seconds / max(1, number),
            f"{part}_per_second": number / max(1e-6, seconds),
        }
    return {
        "content": answer.text,
        "stop": True,
        "model": NAME,
        "confidence": answer.confidence,
        "tokens_predicted": len(answer.ids),
        "tokens_evaluated": answer.num_prompt_tokens,
        "tokens_cached": answer.num_prompt_tokens,
        "truncated": False,
        "timings": timings,
        **{f"timings/{name}": value for name, value in timings.items()},
    }


def _events(values: list[dict]) -> Iterator[str]:
    return (f"data: {as_line(value)}\n" for value in values)


# --- OpenAI's form, and Tabby's, which has the same route ---------------------------------------------------


def completions(routes: Routes, body: dict) -> Reply:
    if "segments" in body:
        answer = routes.ask(requests.of_tabby, body)
        return Reply({"id": routes.number(), "choices": [{"index": 0, "text": answer.text}]})
    answer = routes.ask(requests.of_openai, body)
    head = {
        "id": routes.number(),
        "object": "text_completion",
        "created": int(time.time()),
        "model": NAME,
    }
    ended = "stop" if answer.is_whole else "length"
    choice = {"index": 0, "text": answer.text, "logprobs": None, "finish_reason": ended}
    if requests.wants_stream(body):
        first = head | {"choices": [choice | {"finish_reason": None}]}
        last = head | {"choices": [choice | {"text": ""}]}
        parts = itertools.chain(_events([first, last]), ["data: [DONE]\n\n"])
        return Reply(parts=parts, content_type=EVENTS)
    usage = {
        "prompt_tokens": answer.num_prompt_tokens,
        "completion_tokens": len(answer.ids),
        "total_tokens": answer.num_prompt_tokens + len(answer.ids),
    }
    return Reply(head | {"choices": [choice], "usage": usage})


def health(routes: Routes, body: dict) -> Reply:
    knowledge = routes.known()
    known = {"is_fitted": knowledge.is_fitted, "num_saved": knowledge.num_saved}
    return Reply({"status": "ok", "answers": knowledge.what, **known})


def tabby_health(routes: Routes, body: dict) -> Reply:
    version = {"build_date": "", "build_timestamp": "", "git_sha": "", "git_describe": "effectiveness"}
    machine = {"arch": "", "cpu_info": "", "cpu_count": os.cpu_count() or 1, "cuda_devices": []}
    return Reply({"model": NAME, "device": "cpu", "webserver": False, "version": version, **machine})


# --- Ollama -----------------------------------------------------------------------------------------------


def generate(routes: Routes, body: dict) -> Reply:
    answer = routes.ask(requests.of_ollama, body)
    head = {"model": NAME, "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    last = head | {"response": answer.text, "done": True, "done_reason": "stop"}
    if not requests.wants_stream(body, default=True):
        return Reply(last)
    first = head | {"response": answer.text, "done": False}
    lines = [as_line(value) for value in (first, last | {"response": ""})]
    return Reply(parts=lines, content_type="application/x-ndjson")


# --- the table ----------------------------------------------------------------------------------------------

# Clients of Ollama ask for a suffix only where the template has one.
TEMPLATE = "{{ if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}<|fim_middle|>{{ end }}"
ABOUT_TEMPLATE = {"parameters": "", "details": {}, "capabilities": ["completion", "insert"]}
MODEL = {"id": NAME, "object": "model", "created": 0, "owned_by": "you"}

# Path -> method, and who answers or what is always said.
ROUTES: dict[str, tuple[str, Callable[[Routes, dict], Reply] | Reply]] = {
    "/infill": ("POST", infill),
    "/completion": ("POST", completion),
    "/v1/completions": ("POST", completions),
    "/v1/models": ("GET", Reply({"object": "list", "data": [MODEL]})),
    "/": ("GET", health),  # what a browser asks, and clients of Ollama that look whether it runs
    "/health": ("GET", health),
    "/v1/health": ("GET", tabby_health),
    "/v1beta/server_setting": ("GET", Reply({"disable_client_side_telemetry": True})),
    "/v1/events": ("POST", Reply({})),  # which completions were taken: not kept
    "/api/generate": ("POST", generate),
    "/api/show": ("POST", Reply({"template": TEMPLATE, **ABOUT_TEMPLATE})),
    "/api/tags": ("GET", Reply({"models": [{"name": NAME, "model": NAME, "size": 0, "details": {}}]})),
    "/api/version": ("GET", Reply({"version": "0.6.4"})),
}
