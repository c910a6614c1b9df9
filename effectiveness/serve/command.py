"""`effectiveness serve`: completions for an editor, of a repository, a model or both."""

from __future__ import annotations

import argparse
import os
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.console import count
from effectiveness.common.endings import OneLineParser, Stopped, ending_of, print_line, print_text
from effectiveness.common.invocation import typed
from effectiveness.common.records import UserError
from effectiveness.isolation import distrust
from effectiveness.serve import NAME

if TYPE_CHECKING:
    from effectiveness.completion.spelling import TextCoder
    from effectiveness.completion.store import DatasetMemory
    from effectiveness.serve.background import Background
    from effectiveness.serve.door import Door
    from effectiveness.serve.knowledge import Knowledge
    from effectiveness.serve.self_test import HeldOutTexts

PORT = 8012  # where llama.vim looks
MAX_PORT = 65_535
API_KEY = "EFFECTIVENESS_API_KEY"
CLIENTS: dict[str, str] = tomllib.loads(Path(__file__).with_name("clients.toml").read_text("utf-8"))
SELF_TEST_GAPS = 60
EXAMPLES = """examples:
  effectiveness serve --repository .                           what the repository itself says, without a model
  effectiveness serve models/mine --repository ~/projects/mine
  effectiveness serve models/mine --dataset data --repository .  fitted on files that nobody learned from
  effectiveness serve --print-config llama.vim
  effectiveness serve --repository . --self-test               latency and exact matches on files left out, and end

exit codes: 0 done or stopped, 1 failed (or the self-test did), 2 usage or missing input"""


def make_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = OneLineParser(
        prog="effectiveness serve",
        description="Serve completions to editors on this machine. Nothing leaves it.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("model", nargs="?", type=Path, metavar="MODEL", help="the --output of a training, e.g. models/mine")
    add(
        "--repository", type=Path, metavar="PATH", help="whose files, as they are now, are the memory, e.g. ."
    )
    add(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="whose memory is served, fitted on files that nothing learned from",
    )
    add("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0: any that is free")
    add(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="another one than the loopback needs --api-key"
    )
    add("--api-key", default="", metavar="KEY", help=f"that clients must send; else from ${API_KEY}")
    add("--lines", type=int, default=3, metavar="N", help="of an answer at most, default: 3")
    add("--quiet-below", type=float, default=0.25, metavar="SHARE",
        help="say nothing that is right less often, in [0, 1], default: 0.25")  # fmt: skip
    add("--print-config", choices=CLIENTS, metavar="CLIENT",
        help=f"print what to write into an editor's settings, and end: {', '.join(CLIENTS)}")  # fmt: skip
    add("--self-test", action="store_true", help="ask as each client would, print what came back, and end")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return ending_of(lambda publication: _run(make_parser().parse_args(argv)))


def _run(arguments: argparse.Namespace) -> int:
    begun = time.perf_counter()
    _check_ranges(arguments)
    if arguments.print_config:
        url, settings = f"http://127.0.0.1:{arguments.port}", CLIENTS[arguments.print_config]
        print_text(settings.replace("{url}", url).replace("{name}", NAME).rstrip("\n"))
        return 0
    key = _checked_key(arguments)
    if arguments.repository is not None:
        distrust(arguments.repository)
    from effectiveness.serve.background import Background
    from effectiveness.serve.door import Door
    from effectiveness.serve.routes import Routes

    routes = Routes(max_lines=arguments.lines)
    try:
        door = Door((arguments.host, arguments.port), routes.respond, key)
    except OSError as error:
        raise UserError(
            f"--port {arguments.port}: cannot listen there ({error.strerror or error}); "
            f"{_another_port(arguments.port)}",
            exit_code=1,
        ) from None
    with door, _answering(door) as answering:
        knowledge, held_out = _open(arguments)
        routes.knowledge = knowledge
        background = Background(knowledge, print_line)
        print_line(f"serving  {knowledge.what}, ready after {time.perf_counter() - begun:.1f} s")
        if arguments.self_test:
            return _self_test(door, background, held_out, key)
        with suppress(Stopped):
            print_line(
                f"serving  http://{arguments.host}:{door.port}; Ctrl-C ends; settings of your editor: "
                f"{typed('serve')} --print-config llama.vim{_flag_of(door.port)}"
            )
            background.start()
            answering.join()
        background.stop()
    print_line("stopped")
    return 0


def _another_port(taken: int) -> str:
    """With the way of saying it that `make serve` has."""
    other = taken + 1 if taken < MAX_PORT else taken - 1
    return f"stop what does, or take another one: --port {other}, or make serve SERVE='--port {other}'"


def _flag_of(port: int) -> str:
    return "" if port == PORT else f" --port {port}"


@contextmanager
def _answering(door: Door) -> Iterator[threading.Thread]:
    """From the first moment on: an editor that starts with the server is told that it loads."""
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        door.shutdown()


def _check_ranges(arguments: argparse.Namespace) -> None:
    for name, low, high in (("port", 0, MAX_PORT), ("lines", 1, 50), ("quiet_below", 0.0, 1.0)):
        if not low <= getattr(arguments, name) <= high:
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} must be from {low} to {high}, got {getattr(arguments, name)}")


def _checked_key(arguments: argparse.Namespace) -> str:
    from effectiveness.serve.door import is_loopback

    key = arguments.api_key or os.environ.get(API_KEY, "")
    if arguments.self_test and arguments.dataset and arguments.repository:
        raise UserError(
            "--self-test of a --dataset asks about its test files, which the --repository holds; leave one out"
        )
    if not is_loopback(arguments.host) and not key:
        raise UserError(
            f"--host {arguments.host} would show your code to others; give --api-key, or leave it out"
        )
    return key


def _open(arguments: argparse.Namespace) -> tuple[Knowledge, HeldOutTexts]:
    """What answers, and for a self-test the files that are left out of it. The model is read beside the memory."""
    from effectiveness.completion.network import load_network, open_coder
    from effectiveness.serve import self_test
    from effectiveness.serve.knowledge import open_knowledge
    from effectiveness.serve.repository import LiveRepository

    with ThreadPoolExecutor(1) as loader:
        coder = open_coder(arguments.model) if arguments.model else None
        loading = loader.submit(load_network, arguments.model, coder) if coder else None
        kept = _open_dataset(arguments.dataset, coder)
        repository = LiveRepository.open(arguments.repository) if arguments.repository else None
        held_out = self_test.HeldOutTexts()
        if arguments.self_test:
            held_out = self_test.hold_out(repository, kept)
        elif kept is not None:
            kept.know_everything()
        network_of = loading.result if loading else lambda: None
        return open_knowledge(repository, kept, network_of, arguments.quiet_below, coder), held_out


def _open_dataset(directory: Path | None, coder: TextCoder | None) -> DatasetMemory | None:
    if directory is None:
        return None
    from effectiveness.completion.store import DatasetMemory

    kept = DatasetMemory.open(directory, print_line)
    if coder is not None and coder.sha256 != kept.coder.sha256:
        raise UserError(
            f"--dataset {directory}: the model has another tokenizer; name the dataset it was trained on"
        )
    return kept


def _self_test(door: Door, background: Background, held_out: HeldOutTexts, key: str) -> int:
    """Every client at places of the held-out files; of a dataset also whether the library would have said the same."""
    from effectiveness.serve import self_test

    gaps = self_test.draw_gaps(held_out.texts, SELF_TEST_GAPS)
    if not gaps:
        raise UserError(
            "--self-test needs a --repository with a file of 1,500 characters to leave out, or a --dataset"
        )
    background.fit()
    print_line(
        f"asking  {count(len(gaps), 'line')} of {count(len(held_out.texts), 'file')} outside the memory"
    )
    lines, is_good = self_test.report(self_test.try_clients(door.port, gaps, key), gaps)
    if held_out.files:
        compared = self_test.compare(background.knowledge, held_out.files, self_test.asker(door.port, key))
        more, is_same = self_test.tell(compared)
        lines, is_good = [*lines, *more], is_good and is_same
    for line in lines:
        print_line(line)
    print_line("COMPLETE" if is_good else "FAILED")
    return 0 if is_good else 1
