"""What is read of real trees: languages, bytes of code, rows that nobody wants, and what is said of a repository.

    python3 benchmarks/reading.py names --linguist CLONE TREE...       one sample each of 100 languages and 40 names
    python3 benchmarks/reading.py bytes --gem "ruby -I ..." TREE...    of what linguist calls code or markup
    python3 benchmarks/reading.py rows --seed 7 --number 300 TREE...   random pieces of what is read, for the eye
    python3 benchmarks/reading.py show TREE... [--file NAME]           what a build says, and five rows, or a file's

`names` takes linguist's own samples from a clone of it, and where it has none, of the trees; `bytes` asks its gem.
Pieces are drawn by a seed, from each tree as many as from the others.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import json
import random
import shlex
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from benchmarks.reading_names import FILE_NAMES, LANGUAGES
from effectiveness.common.programs import find_program, python, run
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus import duplicates
from effectiveness.corpus.scan import ScanOptions, listing, scan_repository
from effectiveness.corpus.secrets import redact_all
from effectiveness.languages import NOTEBOOK, language_called
from effectiveness.languages.record import read_table

ROOT = Path(__file__).resolve().parents[1]
JUDGE = Path(__file__).with_name("reading_linguist.rb")
TABLE = read_table()
HEAD_BYTES = 1024
SAMPLE_BYTES = 4000  # the smallest ones are one-liners and odd cases, the largest are whole libraries
PIECE_BYTES = 420
NUM_ROWS, ROW_CHARS = 5, 200
MOST_SHOWN = 5


class Read(NamedTuple):
    """What a scan read of a tree."""

    languages: dict[str, str]  # path -> language
    skipped: dict[str, tuple[str, ...]]  # reason -> paths
    texts: dict[str, bytes]

    def reason_of(self, path: str) -> str:
        """Why a file, or the directory that it lies in, was left out."""
        left_out = {path: reason for reason, paths in self.skipped.items() for path in paths}
        places = (path, *map(str, Path(path).parents))
        return next((left_out[place] for place in places if place in left_out), "nobody knows")


def analyse(texts, languages):
    return duplicates.signatures(texts), set()


def read_tree(tree: Path) -> Read:
    """The tree as the dataset command reads it."""
    listing.MAX_EXAMPLE_PATHS = sys.maxsize  # all of them
    with tempfile.TemporaryDirectory(prefix="reading-") as room, WorkerPool(1) as pool:
        spool = Path(room, "texts")
        found, _, _ = scan_repository(ScanOptions(root=tree), spool, pool, analyse=analyse, redact=redact_all)
        whole = spool.read_bytes()
    texts = {file.path: whole[file.offset : file.offset + file.num_bytes] for file in found.files}
    languages = {file.path: file.language for file in found.files}
    return Read(languages, found.skipped_paths, texts)


# --- names -----------------------------------------------------------------------------------------------


def name_table(clone: Path, trees: list[Path]) -> Iterator[str]:
    """Which samples are read with linguist's language, and what becomes of the others."""
    files = sorted(
        path for tree in trees for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
    )
    wanted = [("languages", name, _sample(clone, name, files), name) for name in LANGUAGES]
    wanted += [("file names", name, _named(clone, name, files), _claimant(name)) for name in FILE_NAMES]
    right: Counter[str] = Counter()
    for group, name, sample, language in wanted:
        said = "no sample" if sample is None else _language_read(sample)
        right[group] += said == _ours(language)
        if said != _ours(language):
            yield f"{group}: {name}: {sample}: {said}, not {_ours(language)}"
    for group, number in Counter(group for group, *_ in wanted).items():
        yield f"{group}: {right[group]} of {number} read with the right language"


def _ours(name: str) -> str:
    """The name of linguist's language in a dataset; the rows of a notebook are in that of its kernel."""
    language = language_called("Python" if name == NOTEBOOK else name)
    return language.name if language else name


def _claimant(filename: str) -> str:
    """The language that linguist's table gives to a file name, else to its ending."""
    of_name = (name for name, entry in TABLE.languages.items() if filename in entry.filenames)
    of_ending = (
        name for name, entry in TABLE.languages.items() if Path(filename).suffix in entry.suffixes[:1]
    )
    return next(of_name, "") or next(of_ending, "")


def _sample(clone: Path, language: str, files: list[Path]) -> Path | None:
    """A sample of a language of about SAMPLE_BYTES that no program wrote, with the first ending that is there."""
    suffixes = TABLE.languages[language].suffixes
    samples = [path for path in (clone / "samples" / language).glob("*") if path.is_file()]
    for places, endings in ((samples, suffixes[:1]), (samples, suffixes), (files, suffixes[:1])):
        fit = [path for path in places if path.name.lower().endswith(endings)]
        fit.sort(key=lambda path: (abs(path.stat().st_size - SAMPLE_BYTES), path))
        if sample := next((path for path in fit if not _is_written_by_a_program(path)), None):
            return sample
    return None


def _is_written_by_a_program(path: Path) -> bool:
    return ".min." in path.name or b"generated" in path.read_bytes()[:HEAD_BYTES].lower()


def _named(clone: Path, name: str, files: list[Path]) -> Path | None:
    """A sample with this file name, from whichever language has it."""
    found = sorted((clone / "samples").glob(f"*/filenames/{name}"))
    return next(iter([*found, *(path for path in files if path.name == name and path.stat().st_size)]), None)


def _language_read(sample: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="reading-") as tree:
        Path(tree, sample.name).write_bytes(sample.read_bytes())
        found = read_tree(Path(tree))
    return next(iter(found.languages.values()), "") or f"left out: {next(iter(found.skipped), '')}"


# --- bytes -----------------------------------------------------------------------------------------------


def byte_table(gem: list[str], trees: list[Path]) -> Iterator[str]:
    """Of the bytes that linguist calls programming or markup: how many are read, and the largest that are not."""
    bytes_read = bytes_wanted = 0
    missed: dict[str, Counter[str]] = {}
    for tree in trees:
        found = read_tree(tree)
        read = wanted = 0
        for path, size in _wanted(gem, tree):
            wanted += size
            if path in found.languages:
                read += size
            else:
                missed.setdefault(found.reason_of(path), Counter())[f"{tree.name}/{path}"] = size
        yield f"{tree.name}: {read:,} of {wanted:,} bytes, {100 * read / max(1, wanted):.2f} %"
        bytes_read, bytes_wanted = bytes_read + read, bytes_wanted + wanted
    yield f"{len(trees)} trees: {bytes_read:,} of {bytes_wanted:,} bytes, {100 * bytes_read / bytes_wanted:.2f} %"
    for reason, sizes in sorted(missed.items(), key=lambda item: -item[1].total()):
        largest = ", ".join(f"{path} {size:,}" for path, size in sizes.most_common(MOST_SHOWN))
        yield f"not read, {reason}: {sizes.total():,} bytes in {len(sizes)} files: {largest}"


def _wanted(gem: list[str], tree: Path) -> Iterator[tuple[str, int]]:
    files = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    names = [str(path.relative_to(tree)) for path in files]
    for file in judged(gem, tree, [name for name in names if not name.startswith(".git/")]):
        if file.is_code and not file.left_out:
            yield file.path, (tree / file.path).stat().st_size


class Judged(NamedTuple):
    """What linguist says of a file."""

    path: str
    is_code: bool  # "programming" or "markup"
    left_out: bool  # vendored, generated or binary


def judged(gem: list[str], tree: Path, names: list[str]) -> list[Judged]:
    """What linguist's gem says of these files of a tree."""
    program = find_program(gem[0])
    assert program, f"{gem[0]} is not on PATH"
    command = [program, *gem[1:], str(JUDGE), str(tree)]
    done = run(command, input="\0".join(names).encode(), stdout=subprocess.PIPE, check=True)
    return [Judged(*json.loads(line)) for line in done.stdout.splitlines()]


# --- rows ------------------------------------------------------------------------------------------------


def pieces(trees: list[Path], number: int, seed: int) -> Iterator[str]:
    """Random pieces of what is read, as many of each tree; within a tree by bytes."""
    rng = random.Random(seed)
    for at, tree in enumerate(trees):
        texts = read_tree(tree).texts
        paths = sorted(path for path in texts if texts[path])
        weights = [len(texts[path]) for path in paths]
        share = number * (at + 1) // len(trees) - number * at // len(trees)
        for path in rng.choices(paths, weights, k=share):
            start = rng.randrange(max(1, len(texts[path]) - PIECE_BYTES))
            piece = texts[path][start : start + PIECE_BYTES].decode("utf-8", "replace")
            yield f"=== {tree.name}/{path} @{start}\n{piece}"


# --- show ------------------------------------------------------------------------------------------------


def shown(trees: list[Path], seed: int, file: str) -> Iterator[str]:
    """Markdown: of each repository what the command says of its scan, and five rows of it, or all of one file."""
    for tree in trees:
        with tempfile.TemporaryDirectory(prefix="reading-") as room:
            yield _shown(tree, Path(room, "dataset"), seed, file)


def _shown(tree: Path, output: Path, seed: int, file: str) -> str:
    command = [*python(ROOT / "create_training_dataset_effectiveness.py"), str(tree), "--output", str(output)]
    done = run(
        [*command, "--tokenizer", "local", "--max-tokens", "256", "--device", "cpu"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = done.stdout.replace(str(output), "DATASET").replace(str(tree), tree.name).splitlines()
    end = next((at for at, line in enumerate(lines) if line.startswith("[STEP 2")), len(lines))
    said = lines[1:end]  # the first one names the recipe
    if done.returncode:
        return f"## {tree.name}\n\n```\n" + "\n".join(said) + "\n```\n"
    metadata = json.loads((output / "dataset_metadata.json").read_text("utf-8"))
    table = ["| language | files | rows | tokens |", "|---|---|---|---|"]
    for name, files in sorted(metadata["files_per_language"].items(), key=lambda item: (-item[1], item[0])):
        rows, tokens = metadata["rows_per_language"][name], metadata["tokens_per_language"][name]
        table.append(f"| {name} | {files:,} | {rows:,} | {tokens:,} |")
    left_out = [
        f"- {count:,} {reason}: {', '.join(f'`{path}`' for path in metadata['skipped_examples'][reason][:3])}"
        for reason, count in sorted(metadata["skipped"].items(), key=lambda item: (-item[1], item[0]))
    ]
    return "\n".join(
        [f"## {tree.name}", "", "```", *said, "```", "", *table, "", "Left out:", "", *(left_out or ["- nothing"]), "",
         *_rows(output, seed, file)]
    )  # fmt: skip


def _rows(output: Path, seed: int, file: str) -> Iterator[str]:
    """The first characters of five random rows of train, or those of all rows of `file`."""
    tokenizer = Tokenizer.from_file(str(output / "tokenizer" / "tokenizer.json"))
    splits = ("train", "val", "test") if file else ("train",)
    texts = [(output / f"training_data_{split}.jsonl").read_text("utf-8") for split in splits]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    of_file = [row for row in rows if row["metadata"]["source_file"] == file]
    of_file.sort(key=lambda row: row["metadata"]["chunk_index"])
    for row in of_file if file else random.Random(seed).sample(rows, min(NUM_ROWS, len(rows))):
        about = row["metadata"]
        text = tokenizer.decode(row["tokens"][: about["length"]], skip_special_tokens=False)[:ROW_CHARS]
        where = f"`{about['source_file']}`, {about['language']}, window {about['chunk_index'] + 1} of"
        yield f"{where} {about['total_chunks']}:\n\n~~~~text\n{text.strip(chr(10))}\n~~~~\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("names", "bytes", "rows", "show"))
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--linguist", type=Path, help="a clone of github-linguist/linguist")
    parser.add_argument("--gem", default="ruby", help="how ruby finds the gem github-linguist")
    parser.add_argument("--file", default="", help="whose rows `show` shows")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--number", type=int, default=300)
    flags = parser.parse_intermixed_args()
    lines = {
        "names": lambda: name_table(flags.linguist, flags.trees),
        "bytes": lambda: byte_table(shlex.split(flags.gem), flags.trees),
        "rows": lambda: pieces(flags.trees, flags.number, flags.seed),
        "show": lambda: shown(flags.trees, flags.seed, flags.file),
    }
    for line in lines[flags.what]():
        print(line, flush=True)


if __name__ == "__main__":
    main()
