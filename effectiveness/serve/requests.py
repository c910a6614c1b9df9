"""What clients send, as a cursor: each field is read as what it must be, or the request is refused in one line."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from effectiveness.completion.at_cursor import Cursor
from effectiveness.completion.reading import MAX_EXTRA_CHARACTERS

DEFAULT_S, MIN_S, MAX_S = 1.0, 0.02, 8.0
DEFAULT_TOKENS, MAX_TOKENS = 48, 256
MAX_STOPS, MAX_EXTRA, MAX_PATH_CHARACTERS = 16, 64, 4096
MAX_SUFFIX_CHARACTERS = 50_000  # nearest the cursor; more is in no window
# A gap that a client has marked by itself, in the spellings of StarCoder, Qwen and others.
_MARK = re.compile(r"<\|?fim_(prefix|suffix|middle)\|?>")
# Other files before the gap, as Continue writes them for Qwen's models; the last one is the file at hand.
_FILE = re.compile(r"<\|file_sep\|>([^\n]*)\n?")
# Of Tabby's segments; the nearest last.
TABBYS_SNIPPETS = (
    "relevant_snippets_from_recently_opened_files",
    "relevant_snippets_from_changed_files",
    "declarations",
)


class RefusedRequest(Exception):
    """A request that is not answered: a status of HTTP and one line, or what else a client reads as `error`."""

    def __init__(self, status: int, message: str, error: object = None) -> None:
        super().__init__(message)
        self.status, self.error = status, error or message


def of_infill(body: dict, max_lines: int) -> Cursor:
    """llama.cpp's /infill, as llama.vim and llama.vscode send it: `prompt` is the line before the cursor."""
    prefix = text_of(body, "input_prefix") + text_of(body, "prompt")
    cursor = _cursor(body, prefix, text_of(body, "input_suffix"), max_lines, "n_predict")
    return replace(cursor, extra=_extra_of(body), min_indent=int(number_of(body, "n_indent", 0, 0, 10_000)))


def of_completion(body: dict, max_lines: int) -> Cursor:
    """llama.cpp's /completion: a prompt, in which the client may have written a gap and other files by itself."""
    return _of_prompt(body, max_lines, "n_predict")


def of_openai(body: dict, max_lines: int) -> Cursor:
    """OpenAI's completions, with a suffix that is really behind the gap."""
    return _of_prompt(body, max_lines, "max_tokens", text_of(body, "suffix"))


def _of_prompt(body: dict, max_lines: int, tokens: str, behind: str = "") -> Cursor:
    path, files, prompt = headed(text_of(body, "prompt"))
    prefix, suffix = parted(prompt)
    cursor = _cursor(body, prefix, behind or suffix, max_lines, tokens)
    return replace(cursor, path=path[:MAX_PATH_CHARACTERS], extra=_nearest(files))


def of_ollama(body: dict, max_lines: int) -> Cursor:
    """Ollama's generate: prompt and suffix as OpenAI's, the rest in its options."""
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise RefusedRequest(400, "options must be an object")
    named = {"max_tokens": options.get("num_predict"), "stop": options.get("stop")}
    return of_openai(body | named, max_lines)


def of_tabby(body: dict, max_lines: int) -> Cursor:
    """Tabby's {language, segments: {prefix, suffix, filepath}}."""
    segments = body.get("segments")
    if not isinstance(segments, dict):
        raise RefusedRequest(400, "segments must be an object")
    cursor = _cursor(body, text_of(segments, "prefix"), text_of(segments, "suffix"), max_lines, "max_tokens")
    snippets = [
        (text_of(chunk, "filepath"), text_of(chunk, "body"))
        for name in TABBYS_SNIPPETS
        for chunk in _objects_of(segments, name)
    ]
    return replace(cursor, path=text_of(segments, "filepath")[:MAX_PATH_CHARACTERS], extra=_nearest(snippets))


def _cursor(body: dict, prefix: str, suffix: str | None, max_lines: int, tokens: str) -> Cursor:
    return Cursor(
        prefix=prefix,
        suffix=suffix and suffix[:MAX_SUFFIX_CHARACTERS],
        max_lines=max_lines,
        max_tokens=_tokens_of(body, tokens),
        stop=_stops_of(body),
        until=_until(body),
    )


def parted(prompt: str) -> tuple[str, str | None]:
    """Prefix and suffix of a prompt with the markers of a gap; the prompt and None without them.

    >>> parted("<fim_prefix>a<fim_suffix>b<fim_middle>"), parted("<|fim_prefix|><|fim_suffix|>b<|fim_middle|>a")
    (('a', 'b'), ('a', 'b'))
    """
    marks = list(_MARK.finditer(prompt)) if "fim_" in prompt else []
    first = {name: next((m for m in marks if m[1] == name), None) for name in ("prefix", "suffix")}
    middle = next((m for m in reversed(marks) if m[1] == "middle"), None)
    if not (first["prefix"] and first["suffix"] and middle):
        return prompt, None
    begin, behind = first["prefix"].end(), first["suffix"]
    if not begin <= behind.start() <= behind.end() <= middle.start():
        return prompt, None
    return prompt[begin : behind.start()] + prompt[middle.end() :], prompt[behind.end() : middle.start()]


def headed(prompt: str) -> tuple[str, list[tuple[str, str]], str]:
    """The path of the file at hand, what stands of other files before it, and the prompt without both.

    >>> headed("<|repo_name|>r\\n<|file_sep|>a.py\\nx = 1\\n<|file_sep|>b.py\\n<|fim_prefix|>y")
    ('b.py', [('a.py', 'x = 1\\n')], '<|fim_prefix|>y')
    """
    heads = list(_FILE.finditer(prompt)) if "<|file_sep|>" in prompt else []
    if not heads:
        return "", [], prompt
    ends = [head.start() for head in heads[1:]]
    files = [(head[1], prompt[head.end() : end]) for head, end in zip(heads, ends, strict=False)]
    return heads[-1][1], files, prompt[heads[-1].end() :]


def wants_nothing(body: dict) -> bool:
    """A warm-up: the prompt is to be read, and nothing to be written."""
    return body.get("n_predict") == 0 or body.get("max_tokens") == 0


def wants_stream(body: dict, default: bool = False) -> bool:
    return bool(body.get("stream", default))


def text_of(body: dict, name: str) -> str:
    """A text, "" where there is none; half of a surrogate pair becomes a question mark, for it is no character."""
    value = body.get(name)
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusedRequest(400, f"{name} must be a text")
    return value.encode("utf-8", "replace").decode()


def number_of(body: dict, name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise RefusedRequest(400, f"{name} must be a number")
    return min(high, max(low, value))


def _tokens_of(body: dict, name: str) -> int:
    """-1 is llama.cpp's word for "as many as you like"."""
    wanted = int(number_of(body, name, DEFAULT_TOKENS, -1, MAX_TOKENS))
    return DEFAULT_TOKENS if wanted < 0 else wanted


def _stops_of(body: dict) -> tuple[str, ...]:
    """Markers of gaps and files end nothing here: they are never written."""
    value = body.get("stop")
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise RefusedRequest(400, "stop must be a text or a list of texts")
    return tuple(stop for stop in stops[:MAX_STOPS] if stop)


def _extra_of(body: dict) -> tuple[tuple[str, str], ...]:
    """The last ones are the nearest; as many of them as there is room for."""
    given = _objects_of(body, "input_extra")[-MAX_EXTRA:]
    return _nearest([(text_of(chunk, "filename"), text_of(chunk, "text")) for chunk in given])


def _objects_of(body: dict, name: str) -> list[dict]:
    given = body.get(name) or []
    if not isinstance(given, list) or not all(isinstance(chunk, dict) for chunk in given):
        raise RefusedRequest(400, f"{name} must be a list of objects")
    return given


def _nearest(files: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Of (path, text), as much from the end as there is room for."""
    kept: list[tuple[str, str]] = []
    room = MAX_EXTRA_CHARACTERS
    for path, text in reversed(files[-MAX_EXTRA:]):
        if text[:room]:
            kept.insert(0, (path[:MAX_PATH_CHARACTERS], text[:room]))
        room = max(0, room - len(text))
    return tuple(kept)


def _until(body: dict) -> float:
    """Of time.monotonic: what the client allows for prompt and answer together."""
    parts = [number_of(body, f"t_max_{part}_ms", 0, 0, 1000 * MAX_S) / 1000 for part in ("prompt", "predict")]
    return time.monotonic() + min(MAX_S, max(MIN_S, sum(parts) or DEFAULT_S))
