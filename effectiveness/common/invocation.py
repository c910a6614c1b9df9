"""What a person types to start a command here: this interpreter with a checkout's scripts, else what pip installed.

For lines that are printed. What is written into files names `effectiveness COMMAND`: their bytes are the same
wherever the program lies.
"""

import os
import shlex
import sys
from pathlib import Path

from effectiveness import isolation
from effectiveness.common.paths import display
from effectiveness.common.programs import find_program

PROGRAM = "effectiveness"
SCRIPTS = {
    "dataset": "create_training_dataset_effectiveness.py",
    "train": "training/model_trainer_unified.py",
}
ENVIRONMENTS = (".venv", ".serving")  # of the Makefile


def typed(command: str) -> str:
    """The words before the arguments, as they work in the working directory of now.

    >>> typed("serve").split()[-2:]
    ['effectiveness', 'serve']
    """
    if not isolation.IS_CHECKOUT:
        return f"{_program()} {command}"
    if command in SCRIPTS:
        return script(SCRIPTS[command])
    is_here = Path(isolation.ROOT) == _here()
    return f"{interpreter()} {'-m effectiveness' if is_here else nearest(Path(isolation.ROOT, PROGRAM))} {command}"


def script(path: str) -> str:
    """How another script of the checkout is started, which pip does not install."""
    return f"{interpreter()} {nearest(Path(isolation.ROOT, path))}"


def _program() -> str:
    """The command that pip made: its name where a shell finds this one, else its path."""
    own, found = Path(sys.executable).with_name(PROGRAM), find_program(PROGRAM)
    if not own.exists() or (found and own.samefile(found)):
        return PROGRAM
    return nearest(own)


def without(library: str) -> str:
    """What is wrong where a library cannot be imported, and the way out."""
    said = f"{library} is not installed for {nearest(Path(sys.executable))}"
    if not isolation.IS_CHECKOUT:
        return f"{said}; install this program again, with what it needs"
    for environment in ENVIRONMENTS:
        place = Path(isolation.ROOT, environment)
        if next(place.glob(f"lib/python*/site-packages/{library}*"), None):
            return f"{said}; start it with {nearest(place / 'bin' / 'python3')}"
    return f"{said}; `make run` sets up an environment that has all, `make serve` one without training"


def not_compiled() -> str:
    """What is wrong where the memory's extension was never built, and the way out."""
    said = "the memory's compiled part is missing"
    if not isolation.IS_CHECKOUT:
        return f"{said}; install this program again where gcc or clang is"
    root = Path(isolation.ROOT)
    there = "" if root == _here() else f"cd {as_word(root)} && "
    return f"{said}; `{there}{nearest(Path(sys.executable))} setup.py build_ext --inplace` makes it, with gcc or clang"


def interpreter() -> str:
    """`python3` where a shell finds this one by it. Files are no measure: the python of each venv is one link."""
    own, found = Path(sys.executable), find_program("python3")
    return "python3" if found and Path(found).parent == own.parent else nearest(own)


def nearest(path: Path) -> str:
    """Relative where it lies below the working directory, as one word of a command line."""
    here = _here()
    return as_word(path.relative_to(here) if path.is_relative_to(here) else path)


def as_word(path: Path) -> str:
    """A path as one word of a command line."""
    return shlex.quote(display(path))


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it is gone
        return Path(os.sep)
