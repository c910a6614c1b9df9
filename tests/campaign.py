"""Campaigns against a command that publishes a dataset: many runs, each with a fault, each looked at afterwards."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from faults import Fault, Injector, fingerprint, kill_after, signal_after

from effectiveness.common.endings import STOPPING
from effectiveness.common.seeding import rng_for


@dataclass(frozen=True, slots=True)
class Subject:
    """A command that publishes variant 0 or 1 of a dataset to `output`, alone in its directory."""

    output: Path
    command: Callable[[int], list[str]]
    whole: tuple[dict[str, str], dict[str, str]]  # fingerprints of the two variants
    run_s: float
    undisturbed: Callable[[int], int]  # the same as `command`, for its exit code

    def run(self, variant: int) -> None:
        """Publish `variant`, undisturbed: whatever happened before, it succeeds and leaves nothing beside it."""
        assert self.undisturbed(variant) == 0
        assert fingerprint(self.output) == self.whole[variant]
        assert os.listdir(self.output.parent) == [self.output.name], "something was left beside the output"


def make_subject(
    output: Path, command: Callable[[int], list[str]], undisturbed: Callable[[int], int] | None = None
) -> Subject:
    def run_command(variant: int) -> int:
        return subprocess.run(
            command(variant), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ).returncode

    output.parent.mkdir()
    whole, started_s = [], time.monotonic()
    for variant in (0, 1):
        assert run_command(variant) == 0
        whole.append(fingerprint(output))
    assert whole[0] != whole[1] and len(whole[0]) >= 5
    run_s = (time.monotonic() - started_s) / 2
    return Subject(output, command, (whole[0], whole[1]), run_s, undisturbed or run_command)


def try_faults(subject: Subject, injector: Injector, fault: Fault, points: Iterable[int]) -> None:
    """Fail the run that would publish variant 1 over variant 0 at each of `points`; then publish 0 again."""
    subject.run(0)
    for at in points:
        outcome = injector.run(subject.command(1), fault, at)
        where = f"{fault} at operation {at}: exit code {outcome.exit_code}, {outcome.stderr}"
        state = fingerprint(subject.output)
        assert state in subject.whole, f"a mixture after {where}"
        assert_words_are_true(outcome.stderr, state == subject.whole[1], where)
        if outcome.exit_code == 0:
            assert state == subject.whole[1], f"said done and was not, after {where}"
        elif outcome.exit_code > 0:
            assert state == subject.whole[0], f"said failed and was not, after {where}"
            assert is_one_line(outcome.stderr) and outcome.exit_code in (1, 2), where
        subject.run(0)


def assert_words_are_true(stderr: str, is_replaced: bool, where: str) -> None:
    assert "nothing was changed" not in stderr or not is_replaced, where
    assert "is the new one, complete" not in stderr or is_replaced, where


def is_one_line(stderr: str) -> bool:
    """One line of error, after notes and before the word that closes a failed run."""
    lines = [line for line in stderr.splitlines() if line != "FAILED" and not line.startswith("note: ")]
    return len(lines) == 1


def spread(count: int, num_points: int) -> list[int]:
    """`num_points` of 1..count: half of them evenly, the other half the last ones, where it is published."""
    half = num_points // 2
    evenly = range(1, count + 1, max(1, count // half))
    return sorted({*evenly[:half], *range(max(1, count - half + 1), count + 1)})


def try_signals(subject: Subject, num_signals: int, seed: int) -> dict[int, int]:
    """Ctrl-C, SIGTERM and SIGHUP in turn at random moments of the run, every other time to its children as well.

    Exit codes -> how often. A run that was stopped says what became of the output and leaves nothing beside it.
    """
    subject.run(0)
    rng, run_s, seen = rng_for(seed, "signal"), subject.run_s, {}
    for at in range(num_signals):
        number = STOPPING[at % len(STOPPING)]
        exit_code, stderr, num_orphans = signal_after(
            subject.command(1), rng.uniform(0, run_s), number, group=at % 2 == 0
        )
        run_s = run_s * 1.02 if exit_code else run_s * 0.9
        seen[exit_code] = seen.get(exit_code, 0) + 1
        where = f"signal {number}, at {at}: exit code {exit_code}, {stderr}"
        state = fingerprint(subject.output)
        assert num_orphans == 0 and "Traceback" not in stderr, where
        assert state in subject.whole, f"a mixture after {where}"
        assert_words_are_true(stderr, state == subject.whole[1], where)
        if exit_code == 128 + number:
            assert ("nothing was changed" in stderr) == (state == subject.whole[0]), where
            assert ("is the new one, complete" in stderr) == (state == subject.whole[1]), where
            if (
                state == subject.whole[0]
            ):  # else it came while the old one was removed: the next run goes on with that
                assert os.listdir(subject.output.parent) == [subject.output.name], f"litter after {where}"
        else:  # before it could hear it; or a worker that was ended was noticed first; or done
            assert exit_code in (-number, 0, 1), where
            assert (state == subject.whole[1]) == (exit_code == 0), where
        subject.run(0)
    return seen


def try_kills(subject: Subject, num_kills: int, seed: int) -> int:
    """kill -9 at random moments of the run, every other time its children as well. How many it hit.

    How long a run takes changes with what else the machine does: one that was not hit tells it, and as long as all
    are hit it is taken to be longer each time.
    """
    subject.run(0)
    rng, num_hit, run_s = rng_for(seed, "kill"), 0, subject.run_s
    for number in range(num_kills):
        command, delay_s = subject.command(1), rng.uniform(0, run_s)
        started_s = time.monotonic()
        exit_code, num_orphans = kill_after(command, delay_s, group=number % 2 == 0)
        run_s = run_s * 1.03 if exit_code < 0 else time.monotonic() - started_s
        assert num_orphans == 0, f"{num_orphans} workers outlived kill {number}"
        num_hit += exit_code < 0
        state = fingerprint(subject.output)
        assert state in subject.whole, f"a mixture after kill {number}"
        assert exit_code < 0 or state == subject.whole[1]
        subject.run(0)
    return num_hit
