"""The server asks itself as each client would, at places of files that were left out of its memory, and the library
whether it would have said the same."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from effectiveness.common.seeding import rng_for
from effectiveness.completion.lines import Line
from effectiveness.completion.questions import HeldOutFile, Question, draw_questions, is_exact
from effectiveness.completion.scoring import Answered, Setup, read_files
from effectiveness.completion.store import DatasetMemory
from effectiveness.serve import NAME
from effectiveness.serve.knowledge import Knowledge
from effectiveness.serve.repository import LiveRepository

SEED = 1  # as of `effectiveness memory`: its questions, so its figure
MAX_HELD_OUT = 12
ONE_IN = 10  # files
MIN_CHARACTERS, MIN_LINE_CHARACTERS = 1_500, 4
TIMEOUT_S = 20
SLOW_MS = 1_500  # 95 of 100 answers must be faster: the server allows itself 1,000
LINES = 300
ALLOWED_MS = 8_000  # what is not there in time is no other answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedGap:
    """A line of a file, or the rest of it, that is asked for."""

    path: str
    prefix: str
    truth: str
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a client got."""

    client: str
    milliseconds: list[float]
    texts: list[str]
    problems: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutTexts:
    """Files that are not in the memory."""

    texts: dict[str, bytes] = field(default_factory=dict)
    files: Sequence[HeldOutFile] = ()  # the same as tokens, where they are those of a dataset


def hold_out(repository: LiveRepository | None, kept: DatasetMemory | None) -> HeldOutTexts:
    """The dataset's test files, or such of the repository as are left out of it."""
    if kept is not None:
        files = kept.held_out["test"]
        return HeldOutTexts(
            texts={file.path: kept.coder.spell(file.ids.tolist()) for file in files}, files=files
        )
    return HeldOutTexts(texts=leave_out(repository) if repository else {})


def leave_out(repository: LiveRepository) -> dict[str, bytes]:
    """Takes some files out of the repository's texts, and returns them: always the same ones."""
    order = sorted(
        repository.texts, key=lambda path: hashlib.sha256(path.encode("utf-8", "replace")).digest()
    )
    number = min(MAX_HELD_OUT, max(1, len(order) // ONE_IN))
    long = [path for path in order if len(repository.texts[path]) >= MIN_CHARACTERS][:number]
    return {path: repository.texts.pop(path) for path in long}


def draw_gaps(files: dict[str, bytes], count: int) -> list[AskedGap]:
    """Whole lines and rests of lines in turn, evenly over the files."""
    gaps: list[AskedGap] = []
    texts = {path: text.decode("utf-8", "replace") for path, text in files.items()}
    for turn in range(count):
        for path, text in sorted(texts.items()):
            gap = _gap_in(path, text, turn)
            if gap and len(gaps) < count:
                gaps.append(gap)
    return gaps


def _gap_in(path: str, text: str, turn: int) -> AskedGap | None:
    rng = rng_for(SEED, "gap", path, str(turn))
    lines = text.splitlines(keepends=True)
    places = [
        number for number, line in enumerate(lines) if number and len(line.strip()) >= MIN_LINE_CHARACTERS
    ]
    if not places:
        return None
    number = rng.choice(places)
    line = lines[number].rstrip("\r\n")
    cut = rng.randrange(len(line) - len(line.lstrip()), len(line) - 1) if turn % 2 else 0
    before, after = "".join(lines[:number]), "".join(lines[number + 1 :])
    ending = lines[number][len(line) :]
    return AskedGap(path=path, prefix=before + line[:cut], truth=line[cut:], suffix=ending + after)


# --- as the clients do ------------------------------------------------------------------------------------

Exchange = Callable[[str, dict], tuple[str, bytes]]  # path, body -> content type, answer


def _llama_vim(ask: Exchange, gap: AskedGap) -> str:
    before, _, line = gap.prefix.rpartition("\n")
    body = {
        "input_prefix": f"{before}\n", "prompt": line, "input_suffix": gap.suffix, "input_extra": [], "n_predict": 48,
        "n_indent": 0, "stream": False, "cache_prompt": True, "t_max_prompt_ms": 500, "t_max_predict_ms": 1000,
        "samplers": ["top_k", "top_p", "infill"], "response_fields": ["content", "timings/prompt_n"],
    }  # fmt: skip
    answer = json.loads(ask("/infill", body)[1])
    assert isinstance(answer["timings/prompt_n"], int)
    return answer["content"]


def _continue(ask: Exchange, gap: AskedGap) -> str:
    prompt = f"<|fim_prefix|>{gap.prefix}<|fim_suffix|>{gap.suffix}<|fim_middle|>"
    kind, answer = ask(
        "/completion", {"prompt": prompt, "n_predict": 48, "stream": True, "stop": ["<|endoftext|>"]}
    )
    assert kind == "text/event-stream"
    events = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: ")]
    return "".join(event["content"] for event in events)


def _openai(ask: Exchange, gap: AskedGap) -> str:
    body = {"model": NAME, "prompt": gap.prefix, "suffix": gap.suffix, "max_tokens": 48, "stream": False}
    return json.loads(ask("/v1/completions", body)[1])["choices"][0]["text"]


def _tabby(ask: Exchange, gap: AskedGap) -> str:
    segments = {"prefix": gap.prefix, "suffix": gap.suffix, "filepath": gap.path}
    answer = json.loads(ask("/v1/completions", {"language": "text", "segments": segments})[1])
    assert isinstance(answer["id"], str)
    return answer["choices"][0]["text"]


def _ollama(ask: Exchange, gap: AskedGap) -> str:
    body = {"model": NAME, "prompt": gap.prefix, "suffix": gap.suffix, "stream": False}
    return json.loads(ask("/api/generate", body)[1])["response"]


CLIENTS = {
    "llama.vim, llama.vscode": _llama_vim,
    "Continue": _continue,
    "minuet, Zed": _openai,
    "Tabby": _tabby,
    "Ollama": _ollama,
}


def try_clients(port: int, gaps: Sequence[AskedGap], api_key: str = "") -> list[Tried]:
    """Every client at every gap."""
    return [_try(port, client, gaps, api_key) for client in CLIENTS]


def asker(port: int, api_key: str = "") -> Exchange:
    """By which a body is sent to a path of the server at `port`."""
    return lambda path, body: _exchange(port, path, body, api_key)


def _try(port: int, client: str, gaps: Sequence[AskedGap], api_key: str) -> Tried:
    tried = Tried(client=client, milliseconds=[], texts=[], problems=[])
    for gap in gaps:
        begun = time.perf_counter()
        try:
            tried.texts.append(CLIENTS[client](asker(port, api_key), gap))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AssertionError) as error:
            tried.texts.append("")
            tried.problems.append(f"{gap.path}: {type(error).__name__} {error}")
        tried.milliseconds.append(1000 * (time.perf_counter() - begun))
    return tried


def _exchange(port: int, path: str, body: dict, api_key: str) -> tuple[str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {api_key}"} if api_key else {}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}: {text[:200]!r}")
        return answer.headers.get_content_type(), text
    finally:
        connection.close()


def report(tried: Sequence[Tried], gaps: Sequence[AskedGap]) -> tuple[list[str], bool]:
    """Lines to print, and whether every client was answered in its form and in time."""
    lines = ["                          answers  exact  exact of answers  median ms  p95 ms"]
    for one in tried:
        shown = [(text, gap) for text, gap in zip(one.texts, gaps, strict=True) if text]
        right = sum(is_exact(text.split("\n")[0], gap.truth) for text, gap in shown)
        median, p95 = (quantile(one.milliseconds, share) for share in (0.5, 0.95))
        lines.append(
            f"  {one.client:24s}{100 * len(shown) / max(1, len(gaps)):6.1f} %{100 * right / max(1, len(gaps)):6.1f} %"
            f"{100 * right / max(1, len(shown)):16.1f} %{median:11.0f}{p95:8.0f}"
        )
        lines += [f"    problem: {problem}" for problem in one.problems[:3]]
    is_good = all(not one.problems and quantile(one.milliseconds, 0.95) <= SLOW_MS for one in tried)
    return lines, is_good


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    return sorted(values)[max(0, -(-int(share * 100) * len(values) // 100) - 1)] if values else 0.0


# --- whether the server says what was measured ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A question, what the library says, and what came through the server."""

    question: Question
    ours: Line | None
    text: str
    ids: tuple[int, ...]  # of all lines that were served

    @property
    def is_same(self) -> bool:
        """Whether what is served begins with the library's one line."""
        return self.ids[: len(self.ours.ids)] == self.ours.ids if self.ours else not self.ids


def compare(knowledge: Knowledge, files: Sequence[HeldOutFile], ask: Exchange) -> list[Compared]:
    """LINES of the files, whose memory and model are as they were fitted; nothing is kept back for being unsure."""
    completer = knowledge.completer
    questions = draw_questions(sorted(files, key=lambda file: file.path), completer.coder, LINES, SEED)
    setup = _setup(knowledge)
    judgement, quiet_below = completer.judgement, completer.quiet_below
    completer.quiet_below = 0.0
    try:
        compared = []
        for one in read_files(setup, files, questions).answered:
            text, ids = _through_the_server(one, knowledge, ask)
            ours = judgement.best(one.lines[setup.arms[-1]])
            compared.append(Compared(question=one.question, ours=ours, text=text, ids=ids))
        return compared
    finally:
        completer.quiet_below = quiet_below


def _setup(knowledge: Knowledge) -> Setup:
    completer = knowledge.completer
    memory, network = completer.memory, completer.network
    assert memory is not None
    if network is None:
        return Setup(coder=completer.coder, memory=memory)
    alone, apart = memory.with_learned(knowledge.weights), network.apart()
    return Setup(coder=completer.coder, memory=alone, network=apart, joined=memory)


def _through_the_server(one: Answered, knowledge: Knowledge, ask: Exchange) -> tuple[str, tuple[int, ...]]:
    question = one.question
    before = [*question.file.ids[: question.place].tolist(), *question.rest]
    body = {
        "input_prefix": knowledge.completer.coder.spell(before).decode("utf-8", "replace"), "prompt": "",
        "input_suffix": "", "n_predict": 48, "t_max_predict_ms": ALLOWED_MS, "return_tokens": True,
    }  # fmt: skip
    answer = json.loads(ask("/infill", body)[1])
    return answer["content"].partition("\n")[0], tuple(answer["tokens"])


def tell(compared: Sequence[Compared]) -> tuple[list[str], bool]:
    """Lines to print, and whether every answer was the library's, token for token."""
    number = max(1, len(compared))
    ours = sum(one.ours is not None and is_exact(one.ours.text, one.question.truth) for one in compared)
    served = sum(is_exact(one.text, one.question.truth) for one in compared)
    others = [one for one in compared if not one.is_same]
    lines = [
        f"next lines  {len(compared)} of files that are held out: the library has {100 * ours / number:.1f} % right, "
        f"this server {100 * served / number:.1f} %; the same tokens in {len(compared) - len(others)}"
    ]
    for one in others[:3]:
        library = one.ours.text if one.ours else ""
        lines.append(f"    {one.question.file.path}: the library {library!r}, the server {one.text!r}")
    return lines, not others
