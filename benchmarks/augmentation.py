"""What the text augmentations cost beside a plain parse, on one core, by processor time.

    python -m benchmarks.augmentation --tree Python=/usr/lib/python3.11 --tree Rust=/usr/share/cargo/registry

The smallest possible cost is shown, too: what the proofs alone ask for. That is a parse of the source and, for Python,
a compilation of it and of every variant, for other languages a parse of each and its syntax tree spelled out.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from effectiveness.corpus.augment import AUGMENTATIONS, RepositoryFacts, Variant, python_code, vary
from effectiveness.corpus.augment.command import facts_of, files_below, language_at, text_of
from effectiveness.languages.syntax import parse, table_of

SEED = 42


def sources(root: Path, language: str, number: int) -> list[tuple[str, bytes]]:
    """(path, text) of a seeded draw of the files of a language below `root`."""
    found = []
    for path in sorted(files_below(root)):
        text = text_of(path)
        known = language_at(path, text)
        if text and known and known.name == language:
            found.append((path.relative_to(root).as_posix(), text))
    random.Random(SEED).shuffle(found)
    return found[:number]


def all_kinds(path: str, text: bytes, language: str, facts: RepositoryFacts) -> list[bytes]:
    """Every variant of a file, from its bytes to the proof."""
    table = table_of(parse(language, text))
    results = vary(text, language, table, path=path, seed=SEED, kinds=AUGMENTATIONS, facts=facts)
    return [result.text for result in results if isinstance(result, Variant)]


def proof_alone(language: str, texts: list[bytes]) -> None:
    """What no proof by this grammar or compiler can do without, for a source and its variants."""
    if language == "Python":
        parse(language, texts[0])
        for text in texts:
            python_code.compiled(text)
    else:
        for text in texts:
            str(parse(language, text).root_node)


def cpu_s(work: Callable[..., object], *cases: tuple) -> float:
    """Seconds for `work(*case)` of every case; nothing is kept, so that memory is used again as it is in a build."""
    start = time.process_time()
    for case in cases:
        work(*case)
    return time.process_time() - start


def measure(language: str, files: list[tuple[str, bytes]], facts: RepositoryFacts, rounds: int) -> list[str]:
    """Cells of one row: medians over the rounds, ratios within each."""
    variants = [[text, *all_kinds(path, text, language, facts)] for path, text in files]
    num_mb = sum(len(text) for _, text in files) / 1e6
    parses, wholes, floors = [], [], []
    for _ in range(rounds):
        parses.append(cpu_s(parse, *((language, text) for _, text in files)))
        wholes.append(cpu_s(all_kinds, *((path, text, language, facts) for path, text in files)))
        floors.append(cpu_s(proof_alone, *((language, texts) for texts in variants)))
    speed = num_mb / statistics.median(wholes)
    cells = [f"{len(files):,}", f"{num_mb:.1f}", f"{num_mb / statistics.median(parses):.1f}", f"{speed:.2f}"]
    for times in (wholes, floors):
        ratios = [a / b for a, b in zip(times, parses, strict=True)]
        cells.append(f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
    return [language, *cells]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", action="append", required=True, metavar="LANGUAGE=DIRECTORY")
    parser.add_argument("--files", type=int, default=300, help="of each tree (default 300)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    print(
        "| language | files | MB | parse, MB/s | all kinds, MB/s | all kinds / parse | proofs alone / parse |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for given in options.tree:
        language, _, directory = given.partition("=")
        files = sources(Path(directory), language, options.files)
        if not files:
            print(f"{given}: no files of this language", file=sys.stderr)
            return 2
        row = measure(language, files, facts_of(Path(directory)), options.rounds)
        print(f"| {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
