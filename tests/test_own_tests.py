"""Modules of the standard library with renamed variables still pass the tests Python ships for them.

The compiler's judgement says that the code objects are equal; this asks the only judge a user would: does it run?
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from effectiveness.corpus.augment import Variant
from tests.augment_renaming_cases import rename

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
SLICE = ("bisect", "colorsys", "shlex", "textwrap")
COMPARES_SOURCE = {  # their tests read the module's source text, or names of local variables
    "contextlib": "a traceback must show the line of the source, which has another name now"
}
MAX_SECONDS = 300
# The module must be the one of our directory: some are in memory before PYTHONPATH is asked.
RUN = """
import importlib, sys, unittest
module = importlib.import_module(sys.argv[1])
if not (module.__file__ or "").startswith(sys.argv[2]):
    sys.exit("another file was imported")
unittest.main(module=f"test.test_{sys.argv[1]}", argv=["test"], verbosity=0)
"""


def modules_with_tests() -> list[str]:
    """Modules with a test of their own, by name."""
    tests = STANDARD_LIBRARY / "test"
    modules = (path.stem for path in sorted(STANDARD_LIBRARY.glob("*.py")))
    return [m for m in modules if (tests / f"test_{m}.py").is_file() or (tests / f"test_{m}").is_dir()]


def passes(module: str, text: bytes, directory: Path) -> tuple[bool, str]:
    """Whether the tests of `module` pass when it is `text`, alone in a directory before the library's; their output."""
    library, home = directory / "lib", directory / "home"
    library.mkdir(parents=True)
    home.mkdir()
    (library / f"{module}.py").write_bytes(text)
    try:
        done = subprocess.run(
            [sys.executable, "-c", RUN, module, str(library)],
            cwd=home,
            env={
                **os.environ,
                "HOME": str(home),
                "PYTHONPATH": str(library),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False, f"not done after {MAX_SECONDS} s"
    return done.returncode == 0, done.stderr[-2000:]


def outcome(module: str, tmp_path: Path) -> str:
    """passed | not renamed | not judged: an untouched copy fails in its place, too | failed: what its tests said."""
    source = (STANDARD_LIBRARY / f"{module}.py").read_bytes()
    variant = rename(source, "Python", path=f"{module}.py")
    if not isinstance(variant, Variant):
        return "not renamed"
    passed, output = passes(module, variant.text, tmp_path / module / "renamed")
    if passed:
        return "passed"
    return f"failed: {output}" if passes(module, source, tmp_path / module / "copy")[0] else "not judged"


def outcomes(modules: list[str], tmp_path: Path) -> dict[str, str]:
    if not (STANDARD_LIBRARY / "test").is_dir():
        pytest.skip("this Python was installed without its tests")
    return {module: outcome(module, tmp_path) for module in modules}


def test_renamed_modules_pass_their_own_tests(tmp_path: Path) -> None:
    assert set(outcomes(list(SLICE), tmp_path).values()) == {"passed"}


def test_a_module_that_does_something_else_fails_its_own_tests(tmp_path: Path) -> None:
    outcomes([], tmp_path)
    broken = (STANDARD_LIBRARY / "textwrap.py").read_bytes().replace(b"width - ", b"width + ")
    assert not passes("textwrap", broken, tmp_path)[0]


@pytest.mark.torture
def test_all_renamed_modules_pass_their_own_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = outcomes(modules_with_tests(), tmp_path)
    failed = {module: why for module, why in found.items() if why.startswith("failed")}
    passed = [module for module, why in found.items() if why == "passed"]
    with capsys.disabled():
        unjudged = [module for module, why in found.items() if why == "not judged"]
        print(f"\n{len(passed)} renamed modules pass their own tests: {' '.join(passed)}")
        print(f"not judged, as an untouched copy fails in its place, too: {' '.join(unjudged)}")
    assert set(failed) <= set(COMPARES_SOURCE), failed
    assert len(passed) >= 50
