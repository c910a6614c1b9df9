"""What the search for secrets costs: seconds of the processor on real trees, beside another commit's.

    python3 benchmarks/secrets.py --against COMMIT TREE...

Both read the same files in the same batches, one after the other, in processes of their own; of several rounds the
fastest counts, as anything else that runs only adds to it. Printed: a row for every tree, with the ratio.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import io
import json
import tarfile
import tempfile
from pathlib import Path

from effectiveness.common.programs import find_program, run

ROOT = Path(__file__).resolve().parents[1]
NUM_ROUNDS, NUM_REPEATS = 3, 3
MAX_TREE_BYTES, MAX_FILE_BYTES, BATCH_BYTES = 12_000_000, 1 << 20, 1 << 20
ENDINGS = frozenset(
    (
        ".py",
        ".rs",
        ".go",
        ".c",
        ".h",
        ".js",
        ".mjs",
        ".cjs",
        ".ts",
        ".json",
        ".yaml",
        ".yml",
        ".md",
        ".txt",
        ".toml",
    )
    + (".html", ".css", ".sh")
)

# In a process of its own: the two commits have packages of the same name, and other names for the same thing.
MEASURE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
try:
    from effectiveness.corpus.secrets import redact_all
except ModuleNotFoundError:
    from corpus.secrets import redact_all
for paths in json.load(sys.stdin):
    batches = [[open(path, "rb").read() for path in batch] for batch in paths]
    times = []
    for _ in range(int(sys.argv[2])):
        started, num_found = time.process_time(), 0
        for batch in batches:
            num_found += sum(redact_all(batch)[1].values())
        times.append(time.process_time() - started)
    print(min(times), num_found)
"""


def batches_of(tree: Path) -> tuple[list[list[str]], int]:
    """Paths of source files in batches of about 1 MB, as the scan reads them, and their bytes together."""
    batches: list[list[str]] = [[]]
    num_bytes = in_batch = 0
    for path in sorted(tree.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix not in ENDINGS:
            continue
        size = path.stat().st_size
        if size > MAX_FILE_BYTES or {"__pycache__", "site-packages"} & set(path.parts):
            continue
        if in_batch + size > BATCH_BYTES:
            batches.append([])
            in_batch = 0
        batches[-1].append(str(path))
        in_batch, num_bytes = in_batch + size, num_bytes + size
        if num_bytes > MAX_TREE_BYTES:
            break
    return batches, num_bytes


def unpack(commit: str, directory: Path) -> None:
    """The files of another commit of this repository."""
    git = find_program("git", ROOT, directory)
    assert git, "git is not in PATH"
    archive = run([git, "-C", str(ROOT), "archive", commit], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(directory, filter="data")


def measure(source: Path, paths: list[list[list[str]]]) -> list[tuple[float, int]]:
    """Seconds of the processor and number of secrets for every tree."""
    command = [sys.executable, "-I", "-c", MEASURE, str(source), str(NUM_REPEATS)]
    done = run(command, input=json.dumps(paths).encode(), check=True, capture_output=True)
    rows = (line.split() for line in done.stdout.decode().splitlines())
    return [(float(seconds), int(num_found)) for seconds, num_found in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--against", metavar="COMMIT", required=True)
    parser.add_argument("trees", metavar="TREE", type=Path, nargs="+")
    arguments = parser.parse_args()
    found = [batches_of(tree) for tree in arguments.trees]
    paths = [batches for batches, _ in found]
    with tempfile.TemporaryDirectory() as before:
        unpack(arguments.against, Path(before))
        rounds = [[measure(source, paths) for source in (Path(before), ROOT)] for _ in range(NUM_ROUNDS)]
    print(f"| tree | MB | {arguments.against}, s | now, s | times as much | found before | found now |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for number, tree in enumerate(arguments.trees):
        before_s, now_s = (min(one[side][number][0] for one in rounds) for side in (0, 1))
        counts = [rounds[0][side][number][1] for side in (0, 1)]
        print(
            f"| {tree.name} | {found[number][1] / 1e6:.1f} | {before_s:.3f} | {now_s:.3f} "
            f"| {now_s / before_s:.2f} | {counts[0]} | {counts[1]} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
