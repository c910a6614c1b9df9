"""Clients of every bad kind at once, and one that asks properly among them."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from test_serve import LLAMA_VIM, know, resident_bytes, serving, write_repository

from effectiveness.serve import door
from effectiveness.serve.door import Door
from effectiveness.serve.self_test import asker

ALLOWED_MS = 1_000
LEEWAY_S = 2.0  # for the way there and back on a busy machine
MAX_GROWTH_BYTES = 20 << 20


class Crowd:
    """`count` threads, each of which is one bad client after another until the end."""

    def __init__(self, port: int, count: int, seed: int, pause_s: float) -> None:
        self.port, self.pause_s = port, pause_s
        self.ended = threading.Event()
        self.num_visits = dict.fromkeys(BAD, 0)
        self.threads = [
            threading.Thread(
                target=self._behave_badly, args=(random.Random(f"{seed} {number}"),), daemon=True
            )
            for number in range(count)
        ]

    def __enter__(self) -> Crowd:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _behave_badly(self, rng: random.Random) -> None:
        while not self.ended.is_set():
            kind = rng.choice(list(BAD))
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection,
            ):
                BAD[kind](self, connection, self.request(rng))
            self.num_visits[kind] += 1
            self.ended.wait(self.pause_s * rng.random())

    def request(self, rng: random.Random) -> bytes:
        path = rng.choice(["/infill", "/completion", "/v1/completions", "/api/generate"])
        text = "def load_figs(path, limit):\n    with op"
        body = json.dumps({"prompt": text, "stream": rng.random() < 0.7, "t_max_predict_ms": 50}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def hangs_up_before_the_body(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.sendall(request[: request.index(b"\r\n\r\n") + 4])


def hangs_up_within_the_body(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.sendall(request[:-7])


def hangs_up_while_it_is_answered(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)


def resets_while_it_is_answered(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.sendall(request)


def sends_a_byte_a_second(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    for place in range(len(request)):
        connection.sendall(request[place : place + 1])
        if crowd.ended.wait(1.0):
            return


def never_reads(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.sendall(request)
    crowd.ended.wait(3.0)


def says_nothing(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.settimeout(3.0)
    connection.recv(1)


def only_ends_its_sending(crowd: Crowd, connection: socket.socket, request: bytes) -> None:
    connection.sendall(request[:-1])
    connection.shutdown(socket.SHUT_WR)
    crowd.ended.wait(0.5)


BAD: dict[str, Callable[[Crowd, socket.socket, bytes], None]] = {
    kind.__name__: kind
    for kind in (
        hangs_up_before_the_body,
        hangs_up_within_the_body,
        hangs_up_while_it_is_answered,
        resets_while_it_is_answered,
        sends_a_byte_a_second,
        never_reads,
        says_nothing,
        only_ends_its_sending,
    )
}


def ask_properly(port: int, times: int) -> list[float]:
    """Seconds of each question; every one is answered in its form."""
    seconds = []
    body = {**LLAMA_VIM, "t_max_prompt_ms": ALLOWED_MS // 2, "t_max_predict_ms": ALLOWED_MS // 2}
    for _ in range(times):
        begun = time.monotonic()
        kind, text = asker(port)("/infill", body)
        seconds.append(time.monotonic() - begun)
        assert kind == "application/json" and isinstance(json.loads(text)["content"], str)
    return seconds


def num_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def at_rest(opened: Door) -> tuple[int, int]:
    """Threads and descriptors when every visit has ended."""
    until = time.monotonic() + 3 * door.REQUEST_S
    while opened._places._value < door.MAX_CONNECTIONS and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.2)  # a thread gives its place back a moment before it ends
    return threading.active_count(), num_open_files()


def outlast(
    knowledge, *, count: int, questions: int, rounds: int, pause_s: float
) -> tuple[list[float], list[int]]:
    """(seconds of the proper questions, resident bytes after each round); threads and descriptors come back."""
    seconds, sizes = [], []
    with serving(knowledge) as opened:
        ask_properly(opened.port, 2)
        before = threads, files = at_rest(opened)
        for turn in range(rounds):
            with Crowd(opened.port, count, turn, pause_s) as crowd:
                for _ in range(questions):
                    seconds += ask_properly(opened.port, 1)
                    assert threading.active_count() - threads <= count + door.MAX_CONNECTIONS
                    assert num_open_files() - files <= 2 * count + door.MAX_CONNECTIONS + 8
                    crowd.ended.wait(pause_s)
            assert sum(crowd.num_visits.values()) >= count
            sizes.append(resident_bytes())
        assert at_rest(opened) == before and not opened._waited_for
        assert opened.num_failed == 0
    return seconds, sizes


def test_who_asks_properly_is_answered_among_a_dozen_that_do_not(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(door, "REQUEST_S", 2.0)
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 8)
    monkeypatch.setattr(door, "PATIENCE_S", 20.0)
    seconds, _ = outlast(
        know(write_repository(tmp_path / "r")), count=12, questions=5, rounds=1, pause_s=0.05
    )
    assert len(seconds) == 5
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.torture
def test_who_asks_properly_is_answered_in_time_among_fifty_that_do_not(tmp_path, capfd):
    knowledge = know(write_repository(tmp_path / "r"))
    seconds, sizes = outlast(knowledge, count=50, questions=60, rounds=5, pause_s=0.2)
    said = "".join(capfd.readouterr())
    median = sorted(seconds)[len(seconds) // 2]
    print(f"slowest {max(seconds):.2f} s, median {median:.2f} s; MiB {[size >> 20 for size in sizes]}")
    assert max(seconds) <= ALLOWED_MS / 1000 + LEEWAY_S
    assert max(sizes[1:]) - sizes[0] < MAX_GROWTH_BYTES
    assert "Traceback" not in said
