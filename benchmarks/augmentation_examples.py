"""Markdown of what augmentation does to real files, as `effectiveness augment FILE --kind KIND --diff` prints it.

python -m benchmarks.augmentation_examples variable_renaming:src/lib.rs comment_toggle:main.go > examples.md
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import subprocess
from pathlib import Path

from effectiveness.common import programs
from effectiveness.isolation import ROOT


def example(kind: str, path: Path) -> str:
    """A heading and the diff, or the reason for none; headers of the diff, which spell the path, are left out."""
    command = programs.python(Path(ROOT, "effectiveness"), "augment", path, "--kind", kind, "--diff")
    done = programs.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = done.stdout.splitlines()[2:] or done.stderr.splitlines()
    return "\n".join([f"## {kind}: `{_shown(path)}`", "", "```diff", *lines, "```", ""])


def _shown(path: Path) -> str:
    """The path from the first directory that has a version in its name, else the last three parts."""
    parts = path.parts
    versioned = (at for at, part in enumerate(parts) if any(map(str.isdigit, part)) and "-" in part)
    return "/".join(parts[next(versioned, -3) :])


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for argument in arguments:
        kind, _, path = argument.partition(":")
        print(example(kind, Path(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
