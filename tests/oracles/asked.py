"""A judge that is started once and asked line by line in JSON."""

from __future__ import annotations

import atexit
import json
import subprocess
from functools import cache

from effectiveness.common import programs


def ask(command: tuple[str, ...], question: dict[str, str]) -> bool | None:
    judge = _started(command)
    assert judge.stdin is not None and judge.stdout is not None
    try:
        judge.stdin.write(json.dumps(question) + "\n")
        judge.stdin.flush()
        answer = judge.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:  # some texts crash Ruby's own compiler
        _started.cache_clear()
        return None
    return json.loads(answer)


@cache
def _started(command: tuple[str, ...]) -> subprocess.Popen[str]:
    judge = programs.start(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(judge.kill)
    return judge
