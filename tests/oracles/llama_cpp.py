"""llama.cpp as judge of GGUF files, through node-llama-cpp: `npm ci --omit=optional --prefix tests/oracles/llama`."""

from __future__ import annotations

import json
from pathlib import Path

from effectiveness.common import programs

_HERE = Path(__file__).parent / "llama"
_NODE = programs.find_program("node") or ""


def _missing() -> str:
    if not _NODE:
        return "node is not installed"
    if not (_HERE / "node_modules" / "@node-llama-cpp" / "linux-x64").is_dir():
        return "run `make readers` (a binary of llama.cpp for Linux on x64, 83 MB)"
    return ""


MISSING = _missing()


def ask(model: Path, **questions) -> dict:
    """What llama.cpp makes of texts and prompts; see ask.mjs."""
    asked = {
        "model": str(model),
        "texts": [],
        "controlTexts": [],
        "prompts": [],
        "numTokens": 1,
        "contextSize": 64,
    }
    done = programs.run([_NODE, str(_HERE / "ask.mjs")], input=json.dumps(asked | questions), text=True,
                        capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
