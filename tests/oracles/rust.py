"""rustc as judge: equal assembly and equal MIR, for one file or for a whole crate."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

MISSING = "" if shutil.which("rustc") else "rustc is not installed"

_FLAGS = (
    "-Zlocation-detail=none",
    "--crate-type=lib",
    "--crate-name=oracle",
    "--cap-lints=allow",
    "-Cdebuginfo=0",
    "-Copt-level=0",
    "-Ccodegen-units=1",
    "-Clink-dead-code",
    "-Cmetadata=oracle",
    "--emit=asm,mir",
)
# MIR names variables for debuggers, and spells where a closure stands and what its captures were called.
_DEBUG = re.compile(r"^ *debug .*\n", re.MULTILINE)
_PLACE = re.compile(r"[\w./-]+\.rs:\d+:\d+(?:: \d+:\d+)?(?: \(#\d+\))?")
_CAPTURE = re.compile(r"([{,] )\w+(: (?:move|copy|const|&|_))")


def equal(before: bytes, after: bytes, path: str = "", mode: str = "rename") -> bool | None:
    """Whether rustc makes the same of both files; None when it refuses `before` (a crate it needs is not here)."""
    expected = _build({"lib.rs": before})
    return None if expected is None else _build({"lib.rs": after}) == expected


def equal_crates(
    root: Path, changed: dict[str, bytes], *, edition: str = "2021", features: tuple[str, ...] = ()
) -> bool | None:
    """Whether the crate in `root` (with `src/lib.rs`) compiles to the same once `changed` (path in `src` ->
    text) replaces its files; None when rustc refuses the crate as it is."""
    sources = {
        str(file.relative_to(root / "src")): file.read_bytes() for file in (root / "src").rglob("*.rs")
    }
    extra = tuple(f'--cfg=feature="{feature}"' for feature in features)
    expected = _build(sources, edition, extra)
    return None if expected is None else _build(sources | changed, edition, extra) == expected


def _build(
    sources: dict[str, bytes], edition: str = "2021", extra: tuple[str, ...] = ()
) -> tuple[str, str] | None:
    """(assembly, MIR) of a crate, or None when it does not compile."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in sources.items():
            file = Path(directory, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
        done = subprocess.run(
            ["rustc", *_FLAGS, *extra, "--edition", edition, "--out-dir", "out", "lib.rs"],
            cwd=directory,
            env={"RUSTC_BOOTSTRAP": "1", "PATH": _path(), "HOME": str(Path.home())},
            capture_output=True,
            timeout=120,
        )
        if done.returncode:
            return None
        assembly = Path(directory, "out", "oracle.s").read_text()
        return assembly, _without_names(Path(directory, "out", "oracle.mir").read_text())


def _path() -> str:
    return str(Path(shutil.which("rustc") or "rustc").parent) + ":/usr/local/bin:/usr/bin:/bin"


def _without_names(mir: str) -> str:
    mir = _PLACE.sub("", _DEBUG.sub("", mir))
    return "\n".join(_CAPTURE.sub(r"\1\2", line) if "closure" in line else line for line in mir.split("\n"))
