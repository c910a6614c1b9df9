"""What a command says at its end is true: "nothing was changed" where nothing was, and else where the new output is."""

from __future__ import annotations

import ast
import contextlib
import errno
import gc
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from effectiveness.common import publish
from effectiveness.common.console import Console, ProgressConsole
from effectiveness.common.endings import (
    STOPPING,
    Publication,
    ending_of,
    fail,
    print_line,
    signals_waiting,
    tell_on_stderr,
)
from effectiveness.common.ownership import SIGNATURE
from effectiveness.common.records import METADATA_FILE, UserError
from effectiveness.trainer import command_line

ROOT = Path(__file__).resolve().parent.parent
UNCHANGED, REPLACED = "nothing was changed", "is the new one, complete"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output that holds the text "old"."""
    place = tmp_path / "place"
    place.mkdir()
    assert ending_of(partial(write, place / "dataset", "old")) == 0
    return place / "dataset"


def write(
    output: Path, text: str, publication: Publication, first: Callable = bool, then: Callable = bool
) -> int:
    """Publish `text`; call `first` before and `then` after it."""
    with publish.publishing(output, publication=publication) as staging:
        first()
        (staging / METADATA_FILE).write_text(f"{text} {SIGNATURE.decode()}")
    then()
    return publication.exit_code


def check(output: Path, exit_code: int, stderr: str) -> str:
    """What the output holds, after the words were found to be true of it."""
    text = (output / METADATA_FILE).read_text().split()[0]
    assert text in ("old", "new")
    assert (UNCHANGED in stderr) == (text == "old"), (exit_code, stderr)
    assert (REPLACED in stderr) == (text == "new" and stderr != ""), (exit_code, stderr)
    assert exit_code != 1 or text == "old"
    assert exit_code != 0 or text == "new"
    assert len(stderr.splitlines()) <= 2, stderr
    return text


def end_of_process() -> None:
    """What the end of a process does: files are closed and their locks dropped."""
    gc.collect()
    for descriptor in publish._held_locks:
        os.close(descriptor)
    publish._held_locks.clear()


def with_signal(command: Callable[[Publication], int], number: int, at: int) -> Callable[[Publication], int]:
    """`command`, to which the signal comes before line `at` that runs in the files that publish, from 1."""
    files = {publish.__file__, contextlib.__file__}
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            lines += 1
            if lines == at:
                os.kill(os.getpid(), number)
        return trace

    def traced(publication: Publication) -> int:
        sys.settrace(trace)
        try:
            return command(publication)
        finally:
            sys.settrace(None)

    return traced


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_signal_within_publishing_is_told_truly(output, capsys, monkeypatch, can_swap):
    signal_at_lines(output, capsys, monkeypatch, can_swap, every=12)


@pytest.mark.torture
@pytest.mark.parametrize("can_swap", [True, False])
def test_a_signal_at_any_line_of_publishing_is_told_truly(output, capsys, monkeypatch, can_swap):
    signal_at_lines(output, capsys, monkeypatch, can_swap, every=1)


def signal_at_lines(output: Path, capsys, monkeypatch, can_swap: bool, every: int) -> None:
    """One of the three signals at every so many lines of publish.py and contextlib.py that run."""
    if not can_swap:
        monkeypatch.setattr(publish, "exchange", cannot_swap)
    seen, at, exit_code = set(), 1, -1
    while exit_code != 0:
        number = STOPPING[at // every % 3]
        exit_code = ending_of(with_signal(partial(write, output, "new"), number, at))
        end_of_process()
        seen.add((check(output, exit_code, capsys.readouterr().err), exit_code))
        assert exit_code in (0, 128 + number)
        assert ending_of(partial(write, output, "old")) == 0
        assert os.listdir(output.parent) == [output.name], f"left behind by the run after line {at}"
        capsys.readouterr()
        at += every
    assert at > 250
    assert {text for text, exit_code in seen if exit_code} == {"old", "new"}


def cannot_swap(one: Path, other: Path) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_a_signal_that_another_thread_is_given_waits_as_well(output):
    done, is_over = [], threading.Event()
    other = threading.Thread(target=is_over.wait)

    def command(publication: Publication) -> int:
        with signals_waiting():
            os.kill(os.getpid(), signal.SIGTERM)  # blocked here, so the other thread takes it
            is_over.wait(0.2)  # seconds, in which it does
            done.append("all")
        return 0

    other.start()
    try:
        assert ending_of(command) == 143
        assert done == ["all"]
    finally:
        is_over.set()
        other.join()


FAILURES = {
    "a user's mistake": UserError("mind this", exit_code=2),
    "no memory": MemoryError(),
    "no descriptor": OSError(errno.EMFILE, os.strerror(errno.EMFILE), b"caf\xe9"),
    "Ctrl-C": KeyboardInterrupt(),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("when", ["first", "then"])
def test_what_fails_before_or_after_publishing_is_told_truly(output, capsys, failure, when):
    exit_code = ending_of(partial(write, output, "new", **{when: raising(FAILURES[failure])}))
    stderr = capsys.readouterr().err
    if failure == "a user's mistake" and when == "first":
        assert (exit_code, stderr) == (2, "error: mind this\nFAILED\n")
    else:
        assert check(output, exit_code, stderr) == ("old" if when == "first" else "new")
        assert exit_code == (130 if failure == "Ctrl-C" else when == "first")


def closed_pipe() -> io.TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w")


def full_disk() -> io.TextIOWrapper:
    return open("/dev/full", "w")


STREAMS = {"a full disk": full_disk, "nobody reads": closed_pipe}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("unreadable", [0, 3])
@pytest.mark.parametrize("when", ["first", "then"])
def test_what_cannot_be_printed_is_told_truly(output, capsys, monkeypatch, stream, unreadable, when):
    def command(publication: Publication) -> int:
        publication.exit_code = unreadable
        return write(output, "new", publication, **{when: lambda: Console().say("line")})

    with STREAMS[stream]() as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        exit_code = ending_of(command)
    assert check(output, exit_code, capsys.readouterr().err) == ("old" if when == "first" else "new")
    assert exit_code == (1 if when == "first" else unreadable)


def test_a_second_signal_does_not_stop_the_clearing_up_and_a_third_one_does(output, capsys):
    def clear_up(publication: Publication, signals: int) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGHUP)
            print("cleared up")

    assert ending_of(partial(clear_up, signals=1)) == 143
    assert "cleared up" in capsys.readouterr().out
    assert ending_of(partial(clear_up, signals=2)) == 129
    assert "cleared up" not in capsys.readouterr().out


IN_THE_COMPILER = """
import os, signal, sys
{imports}
class Signalling:
    def find_spec(self, name, *_):
        if name == "unicodedata":
            os.kill(os.getpid(), signal.SIGHUP)
sys.modules.pop("unicodedata", None)
sys.meta_path.insert(0, Signalling())
sys.exit(ending_of(lambda _: compile(r"'\\N{{MIDDLE DOT}}'", "file", "eval") and 0))
"""


@pytest.mark.parametrize("of", ["common.endings", "trainer.command_line"])
def test_a_signal_that_python_makes_another_error_of_is_told_as_the_signal(of):
    """The compiler imports a module for a named character, and calls what is raised there a SyntaxError."""
    code = IN_THE_COMPILER.format(imports=f"from effectiveness.{of} import ending_of")
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 129 and "stopped; nothing was changed" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_signal_that_was_ignored_from_the_start_stays_ignored():
    """As by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert ending_of(lambda publication: os.kill(os.getpid(), signal.SIGHUP) or 0) == 0


CLOSED = """
import os, sys
from effectiveness.common.endings import claim_standard_streams
claim_standard_streams()
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(1, b"of a library"); os.write(2, b"of a library"); print("ours"); print("ours", file=sys.stderr)
"""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_what_is_printed_to_a_closed_stream_lands_in_no_file(tmp_path, closed):
    command = f'exec "$@" {closed}'
    arguments = ["bash", "-c", command, "-", sys.executable, "-c", CLOSED, str(tmp_path / "file")]
    assert subprocess.run(arguments, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["-m effectiveness proof --model m", "-m effectiveness ablate"])
def test_a_closed_standard_stream_is_no_traceback_for_any_command_of_the_trainer(command, closed, tmp_path):
    line = f"{sys.executable} {command} --dataset {tmp_path}/missing {closed}"
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr


def test_a_signal_while_python_ends_leaves_the_exit_code_of_what_is_done():
    code = (
        "import atexit, os, subprocess; from effectiveness.common.endings import ending_of\n"
        "loop = 'while kill -HUP $0 2>/dev/null; do :; done'\n"
        "atexit.register(subprocess.Popen, ['sh', '-c', loop, str(os.getpid())], stdout=-3, stderr=-3)\n"
        "ending_of(lambda publication: 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


# --- what others wrote into a name ------------------------------------------------------------------------

HOSTILE = "a\nCOMPLETE\r\x1b[2J\x1b]0;title\x07\x9b31m\x00\u202e\u2028\udce9"
AS_TOLD = r"a\nCOMPLETE\r\x1b[2J\x1b]0;title\x07\x9b31m\x00\u202e\u2028\udce9"
WAYS = {
    "print_line": print_line,
    "tell_on_stderr": tell_on_stderr,
    "fail": lambda line: fail(line, 2),
    "console": lambda line: Console().say(line),
    "trainer's console": lambda line: ProgressConsole(is_speaker=True).say(line),
    "trainer's fail": lambda line: command_line.fail(line, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_others_wrote_controls_a_terminal_or_begins_a_line(way, capsys):
    """A type of adapter, a path, the name of a model: each stands in a line, and one reached a terminal as it was."""
    WAYS[way](HOSTILE)
    told = [line.removeprefix("error: ") for text in capsys.readouterr() for line in text.split("\n") if line]
    assert [line for line in told if line != "FAILED"] == [AS_TOLD]


PRINTING = {
    "effectiveness/common/endings.py",
    "effectiveness/common/console.py",
    "effectiveness/isolation.py",  # what it names, it spells
    "effectiveness/cli.py",
}


def test_every_other_line_is_printed_by_these():
    found = set()
    for path in (ROOT / "effectiveness").rglob("*.py"):
        calls = [n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
        if any(isinstance(call, ast.Name) and call.id == "print" for call in calls):
            found.add(path.relative_to(ROOT).as_posix())
    assert found == PRINTING
