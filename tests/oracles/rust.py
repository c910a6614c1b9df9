"""rustc as judge: equal assembly and equal MIR, for one file or for a whole crate."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path

from effectiveness.common import programs

_RUSTC = programs.find_program("rustc") or ""
MISSING = "" if _RUSTC else "rustc is not installed"

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
    expected = _build((("lib.rs", before),))
    return None if expected is None else _build((("lib.rs", after),)) == expected


def equal_library(root: Path, changed: dict[Path, bytes]) -> bool | None:
    """Whether the crate whose `lib.rs` lies in `root` compiles to the same once `changed` (path -> text) replaces
    its files; None when rustc refuses the crate as it is."""
    if not (root / "lib.rs").is_file():
        return None
    before = {path: path.read_bytes() for path in root.rglob("*.rs")}
    edition, features = _manifest(root.parent / "Cargo.toml")
    expected = _build(_relative(before, root), edition, features)
    return (
        None if expected is None else _build(_relative(before | changed, root), edition, features) == expected
    )


def compiled(root: Path) -> set[Path]:
    """The files that rustc reads of a crate, with the features and the machine at hand."""
    edition, features = _manifest(root.parent / "Cargo.toml")
    command = [_RUSTC, "--emit=dep-info=-", "--crate-type=lib", "--edition", edition, *features]
    done = programs.run([*command, "lib.rs"], cwd=root, env=_environment(), capture_output=True, text=True)
    return {root / name for name in re.findall(r"^(.+\.rs):$", done.stdout, re.MULTILINE)}


def _relative(texts: dict[Path, bytes], root: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((str(path.relative_to(root)), texts[path]) for path in sorted(texts))


def _manifest(path: Path) -> tuple[str, tuple[str, ...]]:
    """(edition, flags of the features most crates have by default)."""
    edition = re.search(r'^edition = "(\d+)"', path.read_text(), re.MULTILINE) if path.is_file() else None
    features = tuple(f'--cfg=feature="{name}"' for name in ("std", "alloc", "default"))
    return (edition[1] if edition else "2015"), features


@lru_cache(maxsize=2)  # the text as it is, for each kind of variant
def _build(
    sources: tuple[tuple[str, bytes], ...], edition: str = "2021", extra: tuple[str, ...] = ()
) -> tuple[str, str] | None:
    """(assembly, MIR) of a crate, or None when it does not compile."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in sources:
            file = Path(directory, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
        done = programs.run(
            [_RUSTC, *_FLAGS, *extra, "--edition", edition, "--out-dir", "out", "lib.rs"],
            cwd=directory,
            env=_environment(),
            capture_output=True,
            timeout=120,
        )
        if done.returncode:
            return None
        assembly = Path(directory, "out", "oracle.s").read_text()
        return assembly, _without_names(Path(directory, "out", "oracle.mir").read_text())


def _environment() -> dict[str, str]:
    path = str(Path(_RUSTC).parent) + ":/usr/local/bin:/usr/bin:/bin"
    return {"RUSTC_BOOTSTRAP": "1", "PATH": path, "HOME": str(Path.home())}


def _without_names(mir: str) -> str:
    mir = _PLACE.sub("", _DEBUG.sub("", mir))
    return "\n".join(_CAPTURE.sub(r"\1\2", line) if "closure" in line else line for line in mir.split("\n"))
