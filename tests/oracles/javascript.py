"""Babel as judge of JavaScript and TypeScript: equal trees, every name bound to the same declaration.

One node process answers all questions of a test run; `npm ci --prefix tests/oracles` installs what it needs.
"""

from __future__ import annotations

import atexit
import json
import subprocess
from functools import cache
from pathlib import Path

from effectiveness.common import programs

_HERE = Path(__file__).parent
_NODE = programs.find_program("node") or ""


def _missing() -> str:
    if not _NODE:
        return "node is not installed"
    if not (_HERE / "node_modules" / "@babel" / "traverse").is_dir():
        return "run `npm ci --prefix tests/oracles`"
    return ""


MISSING = _missing()


def equal(before: bytes, after: bytes, path: str = "file.js", mode: str = "rename") -> bool | None:
    """Whether both texts mean the same; None when Babel cannot parse `before`."""
    question = {"before": before.decode(), "after": after.decode(), "path": path, "mode": mode}
    judge = _judge()
    assert judge.stdin is not None and judge.stdout is not None
    judge.stdin.write(json.dumps(question) + "\n")
    judge.stdin.flush()
    return json.loads(judge.stdout.readline())


@cache
def _judge() -> subprocess.Popen[str]:
    command = [_NODE, "--stack-size=4000", str(_HERE / "bindings.js")]
    judge = programs.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(judge.kill)
    return judge
