"""The server: every client is answered in its form, pages are refused, nothing that is sent holds it up."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import random
import resource
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import secret_kinds
from test_at_cursor import NAMES, source

from effectiveness.common.records import UserError
from effectiveness.completion import scoring
from effectiveness.completion.at_cursor import QUIET_BELOW, Answer, Completer, Cursor
from effectiveness.completion.store import DatasetMemory
from effectiveness.serve import command, door, requests, self_test
from effectiveness.serve import repository as serve_repository
from effectiveness.serve.background import Background
from effectiveness.serve.command import CLIENTS, main, make_parser
from effectiveness.serve.door import Door
from effectiveness.serve.knowledge import Knowledge, open_knowledge
from effectiveness.serve.repository import LineIndex, LiveRepository
from effectiveness.serve.routes import NAME, ROUTES, Routes
from effectiveness.serve.self_test import CLIENTS as ASKERS
from effectiveness.serve.self_test import asker, draw_gaps, hold_out, quantile, report, try_clients

BEFORE = "def load_figs(path, limit):\n"
LINE = '    with open(path, encoding="utf-8") as source:'


def write_repository(root: Path) -> Path:
    root.mkdir()
    for name in NAMES:
        (root / f"{name}.py").write_text(source(name) + f"LIMIT_OF_{name.upper()} = {len(name)}\n")
    (root / "key.py").write_text('TOKEN = "ghp_' + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5" + '"\n')
    return root


def know(root: Path, quiet_below: float = QUIET_BELOW) -> Knowledge:
    return open_knowledge(LiveRepository.open(root), None, lambda: None, quiet_below)


def serving(knowledge: Knowledge, **settings):
    return answering(Routes(knowledge=knowledge, max_lines=1), **settings)


@contextlib.contextmanager
def answering(routes: Routes, **settings):
    with Door(("127.0.0.1", 0), routes.respond, **settings) as opened:
        thread = threading.Thread(target=opened.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield opened
        finally:
            opened.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _time_for_everybody(monkeypatch) -> None:
    """What is answered is tested here, and not how busy the machine is."""
    monkeypatch.setattr(requests, "DEFAULT_S", requests.MAX_S)


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory) -> Knowledge:
    return know(write_repository(tmp_path_factory.mktemp("served") / "repository"))


@pytest.fixture(scope="module")
def port(knowledge):
    with serving(knowledge) as opened:
        yield opened.port


def ask(port: int, path: str, body: object = None, **headers: str) -> tuple[int, bytes, str]:
    """(status, body, content type)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, sent, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get_content_type()
    finally:
        connection.close()


def answer_to(port: int, path: str, body: object = None) -> dict:
    status, text, _ = ask(port, path, body)
    assert status == 200, text
    return json.loads(text)


# --- clients: the bodies that they send, and what their parsers read ----------------------------------------


LLAMA_VIM = {
    "id_slot": 0, "input_prefix": BEFORE, "input_suffix": "\n", "input_extra": [{"text": "x\n", "filename": "x.py"}],
    "prompt": "    with op", "n_predict": 128, "stop": [], "n_indent": 4, "top_k": 40, "top_p": 0.9, "stream": False,
    "samplers": ["top_k", "top_p", "infill"], "cache_prompt": True, "t_max_prompt_ms": 500, "t_max_predict_ms": 7500,
    "response_fields": ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "tokens_cached"],
}  # fmt: skip


def test_llama_vim_reads_the_rest_of_its_line_and_flat_timings(port):
    answer = answer_to(port, "/infill", LLAMA_VIM)
    assert "    with op" + answer["content"] == LINE
    assert set(answer) == set(LLAMA_VIM["response_fields"])
    assert answer["timings/prompt_n"] > 0 and answer["truncated"] is False


def test_llama_vim_sees_content_before_it_decodes(port):
    """It drops an answer without just these characters."""
    assert b'"content":"' in ask(port, "/infill", LLAMA_VIM)[1]


def test_llama_vscode_reads_content_and_nested_timings(port):
    body = {**LLAMA_VIM, "n_cmpl": 1, "lora": [{"id": 0, "scale": 0.5}]}
    del body["response_fields"]
    answer = answer_to(port, "/infill", body)
    assert "    with op" + answer["content"] == LINE
    assert answer["timings"]["predicted_ms"] == answer["timings/predicted_ms"] > 0


def test_a_warm_up_writes_nothing(port):
    assert answer_to(port, "/infill", {**LLAMA_VIM, "n_predict": 0})["content"] == ""


@pytest.mark.parametrize("mark", ["<|fim_{}|>", "<fim_{}>"])
def test_continue_reads_events_and_its_own_markers_are_understood(port, mark):
    p, s, m = (mark.format(name) for name in ("prefix", "suffix", "middle"))
    body = {
        "prompt": f"{p}{BEFORE}    with op{s}\n{m}",
        "n_predict": 128,
        "stream": True,
        "stop": [p, s, m, "/src/"],
    }
    status, text, kind = ask(port, "/completion", body)
    assert (status, kind) == (200, "text/event-stream")
    events = [json.loads(event.removeprefix("data: ")) for event in text.decode().split("\n\n") if event]
    assert "    with op" + "".join(event["content"] for event in events) == LINE
    assert [event["stop"] for event in events] == [False, True]


def test_openai_clients_read_choices_and_a_suffix_is_really_behind_the_gap(port):
    body = {
        "model": NAME,
        "prompt": BEFORE + "    with op",
        "suffix": " as source:\n",
        "max_tokens": 64,
        "n": 1,
    }
    answer = answer_to(port, "/v1/completions", body)
    assert "    with op" + answer["choices"][0]["text"] + " as source:" == LINE
    assert answer["object"] == "text_completion" and answer["usage"]["prompt_tokens"] > 0
    status, text, kind = ask(port, "/v1/completions", {**body, "stream": True})
    events = [event.removeprefix("data: ") for event in text.decode().split("\n\n") if event]
    assert (status, kind, events[-1]) == (200, "text/event-stream", "[DONE]")
    texts = [json.loads(event)["choices"][0]["text"] for event in events[:-1]]
    assert "".join(texts) == answer["choices"][0]["text"]
    assert [model["id"] for model in answer_to(port, "/v1/models")["data"]] == [NAME]


def test_tabby_reads_choices_of_its_segments(port):
    segments = {
        "prefix": BEFORE + "    with op",
        "suffix": "\n",
        "filepath": "figs.py",
        "git_url": "file:///x",
    }
    answer = answer_to(port, "/v1/completions", {"language": "python", "segments": segments, "user": "u"})
    assert isinstance(answer["id"], str)
    assert [choice["index"] for choice in answer["choices"]] == [0]
    assert "    with op" + answer["choices"][0]["text"] == LINE
    assert answer_to(port, "/v1/health")["model"] == NAME
    assert answer_to(port, "/v1beta/server_setting") == {"disable_client_side_telemetry": True}
    assert answer_to(port, "/v1/events", {"type": "view"}) == {}


def asked_by(monkeypatch, knowledge, path: str, body: dict) -> Cursor:
    """The cursor that a request is read as."""
    asked: list[Cursor] = []
    monkeypatch.setattr(Knowledge, "answer", lambda _, cursor: asked.append(cursor) or Answer())
    Routes(knowledge=knowledge).respond("POST", path, body)
    return asked[0]


def test_what_tabby_sends_of_other_files_is_read_with_the_nearest_last(knowledge, monkeypatch):
    segments = {
        "prefix": "a",
        "suffix": "b",
        "filepath": "figs.py",
        "declarations": [{"filepath": "types.py", "body": "class Fig: ..."}],
        "relevant_snippets_from_changed_files": [{"filepath": "plums.py", "body": "plums()", "score": 1.0}],
        "relevant_snippets_from_recently_opened_files": [{"filepath": "pears.py", "body": "pears()"}],
    }
    cursor = asked_by(monkeypatch, knowledge, "/v1/completions", {"segments": segments})
    assert cursor.extra == (("pears.py", "pears()"), ("plums.py", "plums()"), ("types.py", "class Fig: ..."))
    assert (cursor.prefix, cursor.suffix, cursor.path) == ("a", "b", "figs.py")


def test_what_continue_writes_of_other_files_before_the_gap_is_no_part_of_the_text(knowledge, monkeypatch):
    files = "<|repo_name|>mine\n<|file_sep|>src/pears.py\npears()\n\n<|file_sep|>src/figs.py\n"
    prompt = f"{files}<|fim_prefix|>a\n<|fim_suffix|>b<|fim_middle|>"
    cursor = asked_by(monkeypatch, knowledge, "/completion", {"prompt": prompt})
    assert (cursor.prefix, cursor.suffix, cursor.path) == ("a\n", "b", "src/figs.py")
    assert cursor.extra == (("src/pears.py", "pears()\n\n"),)


def test_ollamas_options_say_how_much_and_until_where(knowledge, monkeypatch):
    options = {"num_predict": 7, "stop": [";"]}
    cursor = asked_by(
        monkeypatch, knowledge, "/api/generate", {"prompt": "a", "suffix": "b", "options": options}
    )
    assert (cursor.max_tokens, cursor.stop, cursor.suffix) == (7, (";",), "b")
    with pytest.raises(requests.RefusedRequest, match="options must be an object"):
        requests.of_ollama({"prompt": "a", "options": 3}, 1)


def test_ollamas_clients_are_told_that_a_suffix_is_filled(port):
    """Continue asks for a suffix only where the template names it."""
    assert ".Suffix" in answer_to(port, "/api/show", {"name": NAME})["template"]
    assert answer_to(port, "/api/version")["version"]


def test_ollamas_clients_read_lines_of_json(port):
    body = {"model": NAME, "prompt": BEFORE + "    with op", "suffix": "\n", "raw": True}
    status, text, _ = ask(port, "/api/generate", body)
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and lines[-1]["done"]
    assert "    with op" + "".join(line["response"] for line in lines) == LINE
    assert answer_to(port, "/api/generate", {**body, "stream": False})["done"]
    assert answer_to(port, "/api/tags")["models"][0]["name"] == NAME


IS_LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}


def test_until_all_is_read_clients_are_told_so_in_the_form_of_llama_server(knowledge):
    routes = Routes(max_lines=1)
    with answering(routes) as opened:
        for path, body in (("/health", None), ("/infill", {"input_prefix": BEFORE}), ("/api/generate", {})):
            status, told, _ = ask(opened.port, path, body)
            assert (status, json.loads(told)) == (503, IS_LOADING)
        assert ask(opened.port, "/v1/health")[0] == 200  # Tabby would ask again half a minute later
        routes.knowledge = knowledge
        assert answer_to(opened.port, "/health")["status"] == "ok" == answer_to(opened.port, "/")["status"]


def test_the_command_answers_while_it_reads_and_a_mistake_found_then_is_one_line(monkeypatch, capsys):
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = []

    def read(arguments):
        told.append(ask(port, "/health")[:2])
        raise UserError("--repository x: nothing to read")

    monkeypatch.setattr(command, "_open", read)
    assert main(["--repository", ".", "--port", str(port)]) == 2
    assert capsys.readouterr().err == "error: --repository x: nothing to read\nFAILED\n"
    assert [(status, json.loads(body)) for status, body in told] == [(503, IS_LOADING)]
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/health")


def test_health_says_who_answers(port):
    assert answer_to(port, "/health")["answers"] == f"memory of {len(NAMES) + 1} files"


def test_every_client_has_a_snippet_with_the_address(capsys):
    for client in CLIENTS:
        assert main(["--print-config", client]) == 0
        settings = capsys.readouterr().out
        assert "http://127.0.0.1:8012" in settings and "{url}" not in settings and "{name}" not in settings


# --- who is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8012"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_in_a_browser_is_refused(port, headers):
    for path, body in (("/infill", {"prompt": "x"}), ("/health", None)):
        status, text, _ = ask(port, path, body, **headers)
        assert status == 403
        assert list(json.loads(text)) == ["error"] and text.count(b"\n") == 1


def test_another_address_than_the_loopback_needs_a_key(capsys, monkeypatch):
    monkeypatch.delenv("EFFECTIVENESS_API_KEY", raising=False)
    assert main(["--repository", ".", "--host", "0.0.0.0"]) == 2
    assert "--api-key" in capsys.readouterr().err


def test_a_key_is_asked_for_and_compared(knowledge):
    with serving(knowledge, api_key="secret") as opened:
        assert ask(opened.port, "/health")[0] == 401
        assert ask(opened.port, "/health", Authorization="Bearer wrong")[0] == 401
        assert ask(opened.port, "/health", Authorization="Bearer secret")[0] == 200


def test_a_body_beyond_the_limit_is_refused_unread(port):
    head = f"POST /infill HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {1 << 40}\r\n\r\n"
    assert b" 413 " in raw_exchange(port, head.encode()).split(b"\r\n")[0]


def raw_exchange(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
        return received


def test_no_path_of_a_request_is_opened(port, knowledge, monkeypatch):
    opened = []
    monkeypatch.setattr("builtins.open", lambda *a, **k: opened.append(a))
    monkeypatch.setattr("os.open", lambda *a, **k: opened.append(a))
    for name in ("/etc/passwd", "../../etc/passwd", "apples.py"):
        chunk = {"filename": name, "text": "x"}
        answer_to(port, "/infill", {"prompt": "x", "input_extra": [chunk]})
        answer_to(port, "/v1/completions", {"segments": {"prefix": "x", "filepath": name}})
    assert ask(port, "/../../etc/passwd")[0] == 404
    assert opened == []


# --- what is sent by accident or malice ---------------------------------------------------------------------

ODD = (
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    float("nan"),
    "",
    "x",
    "\ud800",
    "\x00" * 9,
    [],
    [[]],
    {},
    {"a": {}},
    ["x", 1],
    [["deep"]] * 300,
    {"prefix": 1, "suffix": ["x"], "filepath": "\udfff"},
    -0.0,
    float("-inf"),
    2**63,
    "\ud83d\ude00 \ude00 \ufdd0",
)
BODIES = (
    *(b"[" * 100_000, b'{"prompt":' * 50_000, b"1" * 5000, b'"x"', b"null", b"{", b"\xff\xfe"),
    b'{"prompt": "x", "stop": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    b'{"prompt": "x", "segments": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    b'{"prompt": "x", "n_predict": ' + b"9" * 5000 + b"}",
    b'{"prompt": "x", "n_predict": 1e400, "n_indent": -1e400}',
    b'{"prompt": "x", "t_max_predict_ms": NaN, "n_predict": Infinity}',
    b'{"prompt": "a", "prompt": 7, "prompt": "b", "stop": [], "stop": {}}',
    b'{"prompt": "\\ud800\\udfff\\ud800", "input_extra": [{"text": "\\udc00", "filename": "\\ud800"}]}',
    b'\xef\xbb\xbf{"prompt": "x"}',
    '{"prompt": "x"}'.encode("utf-16"),
)
FIELDS = (
    *(
        "prompt",
        "input_prefix",
        "input_suffix",
        "input_extra",
        "suffix",
        "segments",
        "n_predict",
        "max_tokens",
    ),
    *("stop", "n_indent", "t_max_predict_ms", "t_max_prompt_ms", "stream", "response_fields", "language"),
)


def odd_request(rng: random.Random, port: int) -> bytes:
    method = rng.choice(["GET", "POST", "POST", "POST", "PUT", "HEAD", "BREW", "get", ""])
    path = rng.choice([*ROUTES, *ROUTES, "/", "*", "/\xff", "//infill", "/infill?x=1", "http://x/infill", ""])
    body = json.dumps({name: rng.choice(ODD) for name in rng.sample(FIELDS, rng.randrange(5))}).encode()
    kind = rng.randrange(6)
    if kind == 0:
        body = rng.randbytes(rng.randrange(60))
    elif kind == 1:
        body = rng.choice(BODIES)
    length = rng.choice([len(body)] * 6 + [0, -1, len(body) + 5, "x", "9" * 30, ""])
    host = rng.choice([f"127.0.0.1:{port}"] * 8 + ["x", ""])
    version = rng.choice(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/9.9", "HTTP/x", ""])
    more = rng.choice(
        [""] * 6 + ["Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", ":\r\n", "x" * 70_000]
    )
    head = f"{method} {path} {version}\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n"
    request = head.encode("latin-1") + body
    return request[: rng.randrange(len(request))] if rng.randrange(10) == 0 else request


def send_odd_requests(port: int, opened: Door, count: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        request = odd_request(rng, port)
        answer = raw_exchange(port, request)
        body = answer.partition(b"\r\n\r\n")[2] if answer.startswith(b"HTTP/") else answer
        if (
            body
            and not request.startswith(b"HEAD")
            and b"text/event-stream" not in answer
            and b"ndjson" not in answer
        ):
            body = body.rpartition(b"\r\n\r\n")[2]
            assert body.startswith(b"{") and isinstance(json.loads(body), dict), (request[:300], answer[:600])
    assert opened.num_failed == 0


def test_every_odd_body_is_answered_or_refused_in_a_line_of_json(knowledge, capfd):
    with serving(knowledge) as opened:
        for body in BODIES:
            for path in ("/infill", "/v1/completions", "/api/generate"):
                status, text, _ = ask(opened.port, path, body)
                assert status in (200, 400) and text.endswith(b"\n"), (path, body[:60], text[:200])
        assert opened.num_failed == 0
    assert capfd.readouterr() == ("", "")


def test_300_malformed_requests_are_each_answered_or_refused_in_a_line_of_json(knowledge, capfd):
    with serving(knowledge) as opened:
        send_odd_requests(opened.port, opened, 300, seed=1)
        assert answer_to(opened.port, "/infill", LLAMA_VIM)["content"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.torture
def test_10000_malformed_requests_50_at_once_and_no_leak(knowledge):
    with serving(knowledge) as opened:
        sizes = []
        for turn in range(6):
            threads = [
                threading.Thread(target=send_odd_requests, args=(opened.port, opened, 34, 50 * turn + number))
                for number in range(50)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            sizes.append(resident_bytes())
        assert max(sizes[3:]) - max(sizes[:3]) < 20 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_repeated_requests_leave_memory_as_it_was(knowledge):
    texts = [source(*NAMES)[:end] for end in range(40, 400, 30)]
    with serving(knowledge) as opened:
        sizes = []
        for turn in range(14):
            for text in texts:
                answer_to(opened.port, "/infill", {"input_prefix": text, "input_suffix": "\n" * turn})
            sizes.append(resident_bytes())
    assert max(sizes[7:]) - max(sizes[:7]) < 20 << 20  # the last few files have a reader each


def test_a_client_that_hangs_or_sends_a_byte_a_second_holds_up_nobody_and_is_let_go(knowledge, monkeypatch):
    monkeypatch.setattr(door, "REQUEST_S", 1.0)
    with serving(knowledge) as opened, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", opened.port)
        slow = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(6)]
        until = time.monotonic() + 10
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /infill HTTP/1.1\r\nHo"[: 4 * number])
        assert answer_to(opened.port, "/infill", LLAMA_VIM)["content"]
        open_ones = set(slow)
        while open_ones and time.monotonic() < until:
            for connection in list(open_ones):
                with contextlib.suppress(TimeoutError):
                    connection.settimeout(0.05)
                    try:
                        connection.sendall(b"x")
                        if connection.recv(1) == b"":
                            open_ones.discard(connection)
                    except ConnectionError:
                        open_ones.discard(connection)
        assert not open_ones
        assert answer_to(opened.port, "/infill", LLAMA_VIM)["content"]


def test_who_says_nothing_gives_its_place_to_who_asks(knowledge, monkeypatch):
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(door, "PATIENCE_S", 20.0)
    with serving(knowledge) as opened, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", opened.port)
        silent = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(2)]
        silent[1].sendall(b"POST /infill HTTP/1.1\r\n")
        for _ in range(3):
            assert answer_to(opened.port, "/infill", LLAMA_VIM)["content"]
        assert silent[0].recv(1) == b""


def test_who_is_answered_keeps_its_place_and_the_next_is_refused(knowledge, monkeypatch):
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(door, "PATIENCE_S", 0.1)
    body = json.dumps({**LLAMA_VIM, "t_max_predict_ms": 8000}).encode()
    head = f"POST /infill HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: {len(body)}\r\n\r\n"
    with serving(knowledge) as opened:
        with socket.create_connection(("127.0.0.1", opened.port), timeout=20) as asked, knowledge.lock:
            asked.sendall(head.replace("PORT", str(opened.port)).encode() + body)
            while opened._waited_for or opened._places._value != 0:
                time.sleep(0.01)
            time.sleep(2 * door.GRACE_S)
            assert b" 503 " in raw_exchange(opened.port, b"GET /health HTTP/1.1\r\n\r\n")
            assert not opened._waited_for
        assert answer_to(opened.port, "/infill", LLAMA_VIM)["content"]


def test_who_has_hung_up_is_not_searched_for(knowledge, monkeypatch):
    answered = []
    monkeypatch.setattr(Completer, "answer", lambda _, cursor: answered.append(cursor) or Answer())
    body = json.dumps({**LLAMA_VIM, "t_max_predict_ms": 8000}).encode()
    with serving(knowledge) as opened:
        head = (
            f"POST /infill HTTP/1.1\r\nHost: 127.0.0.1:{opened.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with knowledge.lock:
            for _ in range(4):
                with socket.create_connection(("127.0.0.1", opened.port), timeout=20) as asked:
                    asked.sendall(head.encode() + body)
            time.sleep(0.1)
        answer_to(opened.port, "/infill", LLAMA_VIM)
    assert len(answered) == 1 and not answered[0].is_gone.__self__.server.num_failed


def test_an_error_of_ours_is_one_line_here_and_one_there(knowledge, capfd, monkeypatch):
    monkeypatch.setattr(Knowledge, "answer", lambda *_: 1 / 0)
    with serving(knowledge) as opened:
        status, text, _ = ask(opened.port, "/infill", {"prompt": "x"})
        assert status == 500 and json.loads(text)["error"]
        assert opened.num_failed == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "ZeroDivisionError" in said and "Traceback" not in said


def test_who_waits_for_others_is_answered_at_its_time(knowledge):
    with serving(knowledge) as opened, knowledge.lock:
        answer = answer_to(opened.port, "/infill", {"prompt": "x", "t_max_predict_ms": 50})
    assert answer["content"] == ""


def test_the_time_that_a_client_allows_is_what_it_gets_within_bounds():
    now = time.monotonic()
    for body, seconds in (
        ({}, requests.DEFAULT_S),
        ({"t_max_prompt_ms": 100, "t_max_predict_ms": 200}, 0.3),
        ({"t_max_predict_ms": 10**9}, requests.MAX_S),
        ({"t_max_predict_ms": 1}, requests.MIN_S),
    ):
        assert requests.of_infill(body, 1).until - now == pytest.approx(seconds, abs=0.5)


def test_a_context_longer_than_any_window_keeps_the_nearest_text(port):
    body = {
        **LLAMA_VIM,
        "input_prefix": "y = 0\n" * 100_000 + BEFORE,
        "input_suffix": "\n" + "z = 0\n" * 100_000,
    }
    assert "    with op" + answer_to(port, "/infill", body)["content"] == LINE


# --- the live repository ------------------------------------------------------------------------------------


def write_real_code(root: Path) -> Path:
    root.mkdir()
    for name in ("shlex", "textwrap", "queue", "sched", "heapq", "string", "fnmatch", "csv"):
        module = Path(__import__(name).__file__)
        (root / module.name).write_bytes(module.read_bytes())
    return root


OTHER_LINES = "".join(f"{name}_number = number_of_{name}\n" for name in NAMES)
BEGUN = "class Reader:\n    def first_line_of(self, source, limit):\n        if source"


def test_a_saved_a_new_and_a_removed_file_are_known_at_the_next_look(tmp_path):
    root = write_real_code(tmp_path / "repository")
    known = know(root)
    body = {"input_prefix": OTHER_LINES + BEGUN, "input_suffix": "\n"}
    with serving(known) as opened:
        for path, rest in (
            ("queue.py", " is not self.queue[0].maxsize:"),
            ("new.py", ".readline(limit) in self.quotes:"),
        ):
            assert answer_to(opened.port, "/infill", body)["content"] != rest
            (root / path).write_text(f"{BEGUN}{rest}\n            return limit\n\n\n" * 3)
            assert known.refresh() == 1
            assert answer_to(opened.port, "/infill", body)["content"] == rest
            (root / path).unlink()
            assert known.refresh() == 1
        assert answer_to(opened.port, "/infill", body)["content"] != rest
        assert known.refresh() == 0


def test_a_save_is_known_to_the_next_answer_however_many_are_before_it_at_the_lock(tmp_path):
    known = know(write_real_code(tmp_path / "repository"))
    (tmp_path / "repository" / "new.py").write_text(f"{BEGUN} is new:\n            return limit\n\n\n" * 3)
    with known.lock:  # others are answered
        assert known.refresh() == 1
        assert known.refresh() == known.num_saved == 0  # and it goes on looking meanwhile
    answer = known.answer(Cursor(prefix=OTHER_LINES + BEGUN, suffix="\n"))
    assert (answer.text, known.num_saved) == (" is new:", 1)


def test_a_save_while_others_are_answered_is_taken_over_at_the_next_look_where_nobody_asks_again(tmp_path):
    known = know(write_real_code(tmp_path / "repository"))
    (tmp_path / "repository" / "new.py").write_text(OTHER_LINES)
    with known.lock:
        known.refresh()
    assert (known.refresh(), known.num_saved) == (0, 1)


def test_what_a_file_was_does_not_answer_for_what_it_is(tmp_path):
    root = write_real_code(tmp_path / "repository")
    (root / "own.py").write_text(f"{BEGUN} is not self.queue[0].maxsize:\n            return limit\n" * 3)
    with serving(know(root)) as opened:
        own = {"input_prefix": BEGUN, "input_suffix": "\n            return limit\n"}
        assert answer_to(opened.port, "/infill", own)["content"] == ""
        other = {**own, "input_prefix": OTHER_LINES + BEGUN}
        assert answer_to(opened.port, "/infill", other)["content"] == " is not self.queue[0].maxsize:"
        segments = {"prefix": OTHER_LINES + BEGUN, "suffix": "\n", "filepath": "/home/me/repository/own.py"}
        named = answer_to(opened.port, "/v1/completions", {"segments": segments})
        assert named["choices"][0]["text"] == ""


def test_a_file_that_is_saved_by_a_rename_is_known_before_the_directory_is_listed(tmp_path, monkeypatch):
    root = write_repository(tmp_path / "repository")
    repository = LiveRepository.open(root)
    listed = []
    whole = LiveRepository._list
    monkeypatch.setattr(LiveRepository, "_list", lambda self: (listed.append(1), whole(self))[1])
    for number in range(2):
        (root / "beside").write_text(source("apples") + f"x = {number}\n")
        (root / "beside").replace(root / "apples.py")
        (root / f"new_{number}.py").write_text(source("apples"))
        assert [change.path for change in repository.changes()] == ["apples.py"] and len(listed) == number
        assert [change.path for change in repository.changes()] == [f"new_{number}.py"]


def test_who_asks_after_a_long_pause_has_the_files_looked_at_at_once(knowledge):
    knowledge.woken.clear()
    knowledge.answer(Cursor(prefix="x"))
    assert not knowledge.woken.is_set()
    knowledge.asked_at -= 3600
    knowledge.answer(Cursor(prefix="x"))
    assert knowledge.woken.is_set() and knowledge.is_asked_lately


def test_a_saved_file_goes_through_the_rules_of_the_scanner(tmp_path):
    root = write_repository(tmp_path / "repository")
    repository = LiveRepository.open(root)
    assert b"ghp_XXXX" in repository.texts["key.py"]
    secret = "ghp_" + "zY8xW6vU4tS2rQ0pO8nM6lK4jI2hG0fE8dC6"
    (root / "plums.py").write_text(f'TOKEN = "{secret}"\n')
    (root / "pears.py").write_text("# Code generated by protoc. DO NOT EDIT.\n" + source("pears"))
    (root / ".gitignore").write_text("secret/\n")
    (root / "secret").mkdir()
    (root / "secret" / "inner.py").write_text(source("inner"))
    outside = tmp_path / "outside.py"
    outside.write_text(source("outside"))
    (root / "grapes.py").unlink()
    (root / "grapes.py").symlink_to(outside)
    changes = {change.path: change.text for change in repository.changes()}
    assert secret.encode() not in changes["plums.py"] and b"ghp_XXXX" in changes["plums.py"]
    assert changes["pears.py"] is None and changes["grapes.py"] is None
    assert not any("secret" in path or "outside" in path for path in repository.texts)


@pytest.mark.parametrize("is_redacted", [True, False])
def test_planted_secrets_are_not_completed_and_would_be_if_they_were_not_redacted(
    tmp_path, monkeypatch, is_redacted
):
    if not is_redacted:
        monkeypatch.setattr(serve_repository, "redact_all", lambda texts, *_, **__: (list(texts), {}))
    root = write_repository(tmp_path / "repository")
    kinds = dict(list(secret_kinds.KINDS.items())[::6])
    plants = [p for p in secret_kinds.planted(kinds, seed=11, num_values=1) if len(p.secrets[0]) >= 12]
    for number, plant in enumerate(plants):
        (root / f"settings_{number}.py").write_text(f"{source(NAMES[0])}\n{plant.text}\n")
    opened = know(root, quiet_below=0.0)
    told = []
    for plant in plants:
        secret = plant.secrets[0].split("\n")[0]
        before, known = plant.text[: plant.text.index(secret)], secret[:4]
        answer = opened.answer(Cursor(prefix=f"{source(NAMES[0])}\n{before}{known}", max_lines=1))
        told.append((known + answer.text)[:12] == secret[:12])
    assert len(told) >= 25
    assert not any(told) if is_redacted else sum(told) > len(told) / 2


def test_a_buffer_without_a_name_is_found_by_its_lines():
    texts = {f"{name}.py": source(name, f"green_{name}").encode() for name in NAMES}
    index = LineIndex.of(texts)
    text = source("plums", "green_plums")
    assert index.path_of(text[:150], text[150:], texts) == "plums.py"
    assert index.path_of("entirely_different(text)\n" * 3, "", texts) == ""
    assert index.path_of(source("plums")[:150], "", texts) == ""  # two lines: a licence's head is as long
    alike = text[:150] + source("quinces", "medlars")  # a new file that began as a copy
    assert index.path_of(alike[:300], alike[300:], texts) == ""


def test_weights_and_confidence_are_fitted_behind_the_answers(tmp_path):
    known = know(write_repository(tmp_path / "repository"))
    said: list[str] = []
    Background(known, said.append).fit()
    assert known.is_fitted and known.completer.judgement.num_questions > 10
    assert said and "fitted" in said[0]


def test_files_are_looked_at_often_while_somebody_asks_and_never_for_more_than_a_share_of_a_core(knowledge):
    background = Background(knowledge, lambda _: None)
    knowledge.asked_at = time.monotonic()
    assert background._pause_s(0.004) <= 0.02
    assert background._pause_s(0.05) == pytest.approx(0.2)
    knowledge.asked_at -= 3600
    assert background._pause_s(0.004) == 1.0
    assert background._pause_s(0.1) == pytest.approx(2.0)


# --- the command ------------------------------------------------------------------------------------------


def test_every_client_is_tried_and_scored_on_files_left_out(tmp_path):
    repository = LiveRepository.open(write_repository(tmp_path / "repository"))
    (tmp_path / "repository" / "long.py").write_text(source(*NAMES) * 2)
    repository.changes()
    held_out = hold_out(repository, None).texts
    assert list(held_out) == ["long.py"] and "long.py" not in repository.texts
    gaps = draw_gaps(held_out, 6)
    assert gaps == draw_gaps(held_out, 6) and len(gaps) == 6
    assert all(gap.prefix + gap.truth + gap.suffix == held_out["long.py"].decode() for gap in gaps)
    with serving(open_knowledge(repository, None, lambda: None, QUIET_BELOW)) as opened:
        tried = try_clients(opened.port, gaps)
    assert [one.client for one in tried] == list(ASKERS)
    assert not any(one.problems for one in tried)
    assert (
        len({tuple(one.texts) for one in tried}) <= 2
    )  # all clients ask the same; a line may be right by its name
    lines, _ = report(tried, gaps)
    assert len(lines) == 1 + len(ASKERS)
    with contextlib.closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = try_clients(nobody.getsockname()[1], gaps[:1])
    assert not report(closed, gaps[:1])[1]


def test_the_server_of_a_dataset_says_token_for_token_what_the_library_says(
    small_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(scoring, "FIT_QUESTIONS", 6)
    monkeypatch.setattr(self_test, "LINES", 8)
    shutil.copytree(small_dataset, tmp_path / "data")
    kept = DatasetMemory.open(tmp_path / "data", lambda _: None)
    held_out = hold_out(None, kept)
    known = open_knowledge(None, kept, lambda: None, QUIET_BELOW)
    assert not {file.path for file in held_out.files} & set(known.paths)
    Background(known, lambda _: None).fit()
    with serving(known) as opened:
        compared = self_test.compare(known, held_out.files, asker(opened.port))
    assert len(compared) == 8 and any(one.ids for one in compared)
    lines, is_same = self_test.tell(compared)
    assert is_same and "the same tokens in 8" in lines[0]
    other = dataclasses.replace(compared[0], ids=(1, 2, 3))
    lines, is_same = self_test.tell([other, *compared[1:]])
    assert not is_same and "the same tokens in 7" in lines[0]


def test_a_dataset_is_served_as_its_repository_is_now(small_dataset, tmp_path):
    shutil.copytree(small_dataset, tmp_path / "data")
    kept = DatasetMemory.open(tmp_path / "data", lambda _: None)
    gone, changed, *_ = kept.memory.paths
    assert kept.know_everything() > 0
    root = tmp_path / "repository"
    for path in {*kept.memory.known_paths} - {gone}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(kept.coder.spell(kept.memory.ids_now(path).tolist()))
    (root / changed).write_text(source("figs") * 2)
    (root / "new.py").write_text(source("dates"))
    known = open_knowledge(LiveRepository.open(root), kept, lambda: None, 0.0)
    held_out = {file.path for files in kept.held_out.values() for file in files}
    assert gone not in kept.memory.known_paths and "new.py" in known.paths
    assert set(kept.memory.live.texts) - held_out == {changed, "new.py"}
    ids = kept.coder.encode(source("dates"))
    before = DatasetMemory.open(tmp_path / "data", lambda _: None).memory.reader().feed(ids).sum()
    assert kept.memory.reader().feed(ids).sum() < 0.7 * before


def test_a_quantile_is_a_value_that_was_measured():
    assert [quantile([3.0, 1.0, 2.0], share) for share in (0.5, 0.95)] == [2.0, 3.0]
    assert quantile([], 0.5) == 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "0"], "MODEL"),
        (["--repository", "nowhere", "--port", "0"], "no such directory"),
        (["nowhere", "--port", "0"], "no finished model"),
        (["--repository", ".", "--port", "70000"], "--port"),
        (["--repository", ".", "--quiet-below", "2"], "--quiet-below"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 2 and error.endswith("FAILED\n")


def test_an_empty_repository_is_a_mistake_of_one_line(tmp_path):
    with pytest.raises(UserError, match="no source file"):
        LiveRepository.open(tmp_path)


def test_the_port_that_is_taken_is_told(tmp_path, capsys):
    root = write_repository(tmp_path / "repository")
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--repository", str(root), "--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_the_flags_are_those_that_are_documented():
    flags = {flag for action in make_parser()._actions for flag in action.option_strings}
    assert flags == {
        "-h", "--help", "--repository", "--dataset", "--port", "--host", "--api-key", "--lines", "--quiet-below",
        "--print-config", "--self-test",
    }  # fmt: skip


TWICE = "POST /infill HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n{body}"
SMUGGLED = "GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.mark.parametrize(
    "more",
    [
        *("", "Connection: keep-alive\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: \x0bchunked\r\n"),
        *("Content-Length: 0\r\n", "Host: evil.example\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\n"),
        *("X: a\r\n b\r\n", "Content-Type: text/plain\r\n", "Access-Control-Request-Method: POST\r\n"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_connection_gets_one_answer_whatever_is_hidden_behind_the_first_request(port, more):
    body = '{"prompt": "x"}'
    words = {"host": f"127.0.0.1:{port}", "length": len(body), "more": more, "body": body}
    answer = raw_exchange(port, (TWICE + SMUGGLED).format(**words).encode())
    # An answer to Expect is no answer to the request.
    assert answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").count(b"HTTP/1.1 ") == 1
    assert b"Access-Control" not in answer and b'"status"' not in answer
