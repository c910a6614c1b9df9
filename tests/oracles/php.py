"""PHP itself as judge: equal tokens, documentation comments and text outside of the code among them; of renamed
variables equal instructions, in which they are known by their place."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path

from effectiveness.common import programs
from tests.oracles.asked import ask

_PHP = programs.find_program("php") or ""
MISSING = "" if _PHP else "php is not installed"

_TOKENS = (
    _PHP,
    "-n",
    "-d",
    "display_errors=0",
    "-d",
    "extension=tokenizer",
    str(Path(__file__).with_suffix(".php")),
)
_INSTRUCTIONS = (
    *(
        _PHP,
        "-n",
        "-d",
        "zend_extension=opcache",
        "-d",
        "opcache.enable_cli=1",
        "-d",
        "opcache.optimization_level=0",
    ),
    *(
        "-d",
        "opcache.opt_debug_level=0x10000",
        "-d",
        "opcache.file_update_protection=0",
        "-r",
        "opcache_compile_file($argv[1]) || exit(1);",
        "--",
    ),
)
_NAME = re.compile(rb"\b(CV\d+)\(\$\w+\)")
_PLACE = re.compile(rb"^     ; /.*:\d+-\d+$", re.MULTILINE)


def equal(before: bytes, after: bytes, path: str = "file.php", mode: str = "layout") -> bool | None:
    """Whether both texts are the same program; None when PHP cannot read `before`."""
    if mode == "layout":
        return ask(_TOKENS, {"before": before.decode(), "after": after.decode()})
    expected = _instructions(before)
    return None if expected is None else _instructions(after) == expected


@lru_cache(maxsize=2)  # the text as it is
def _instructions(text: bytes) -> bytes | None:
    """What the compiler makes of a text, which is not run."""
    with tempfile.NamedTemporaryFile(suffix=".php") as file:
        file.write(text)
        file.flush()
        done = programs.run([*_INSTRUCTIONS, file.name], capture_output=True, timeout=60)
    found = done.stderr.replace(file.name.encode(), b"/file.php")  # __FILE__
    return None if done.returncode or not found else _PLACE.sub(b"", _NAME.sub(rb"\1", found))
