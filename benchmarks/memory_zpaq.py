"""The memory against zpaq -m5, a context mixer for bytes that knows nothing of code: bits a byte of held-out files.

    python3 benchmarks/memory_zpaq.py DATASET [--split test] [--files 16] [--train-tokens N] [--json FILE]

DATASET is one that create_training_dataset_effectiveness.py made with `--augmentations none --overlap 0`. Both get the
text of the same training files; each held-out file stands alone. For zpaq: size of the archive of (training text + the
file) minus size of the archive of the training text. The memory scores every token before it learns from it. zpaq must
be installed (Debian: apt install zpaq).

-m5 guesses the length of records in what it packs and adds models for them. On text the guess is noise: 4.10 MB of
Python packed into 515,597 bytes, the same without these models into 505,353, and where 77 kB more tipped the guess, the
difference of the two archives was 1,829 bytes instead of 8,775. So the model is named: that of -m5 for text, without
the guess. `--method=-m5` leaves it to zpaq.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import json
import math
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from effectiveness.common.programs import find_program, run
from effectiveness.common.records import UserError
from effectiveness.memory import Memory, build_memory

TEXT_MODEL = "-mx6,0w2c0,1010,255i1c256ci1,1,1,1,1,1,2ac0,2,0,255i1c0,3,0,0,255i1c0,4,0,0,0,255i1mm16ts19t0"


def originals(dataset: Path, split: str) -> dict[str, np.ndarray]:
    """Whole files of a split, put together from their windows: path -> ids."""
    windows: dict[str, list[tuple[int, list[int]]]] = {}
    with (dataset / f"training_data_{split}.jsonl").open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            about = row["metadata"]
            if about["augmentation_type"] == "original":
                place = windows.setdefault(about["source_file"], [])
                place.append((about["start_token"], row["tokens"][: about["length"]]))
    files = {}
    for path in sorted(windows):
        ids: list[int] = []
        for start, tokens in sorted(windows[path]):
            ids[start:] = tokens
        files[path] = np.array(ids, np.uint32)
    return files


def spelled_tokens(dataset: Path) -> list[bytes]:
    """The bytes of every id of the dataset's byte-level tokenizer."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(dataset / "tokenizer" / "tokenizer.json"))
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    byte_of = {chr(byte): byte for byte in visible} | {chr(256 + k): byte for k, byte in enumerate(hidden)}
    tokens = (tokenizer.id_to_token(number) or "" for number in range(tokenizer.get_vocab_size()))
    return [bytes(byte_of.get(character, 63) for character in token) for token in tokens]


def chosen(files: dict[str, np.ndarray], seed: int) -> list[str]:
    names = sorted(files)
    random.Random(seed).shuffle(names)
    return names


def archive_bytes(text: bytes, directory: Path, method: str) -> int:
    """Size of zpaq's archive of a text. Raises UserError without zpaq."""
    (directory / "text").write_bytes(text)
    (directory / "archive.zpaq").unlink(missing_ok=True)
    zpaq = find_program("zpaq", directory)
    if zpaq is None:
        raise UserError("zpaq is not installed; Debian: apt install zpaq")
    command = [zpaq, "a", "archive.zpaq", "text", method, "-t1"]
    run(command, cwd=directory, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (directory / "archive.zpaq").stat().st_size


def train_memory(
    files: dict[str, np.ndarray], max_tokens: int, spelling: list[bytes]
) -> tuple[Memory, list[str], dict]:
    """A memory of the first files of a seeded order, and what it cost."""
    names, total = [], 0
    for name in chosen(files, 0):
        if total < max_tokens:
            names.append(name)
            total += len(files[name])
    ids = np.concatenate([files[name] for name in names])
    starts = np.concatenate(([0], np.cumsum([len(files[name]) for name in names])))
    before = time.process_time()
    indexed = build_memory(ids, starts, names, spelling, fit_tokens=0)
    index_s = time.process_time() - before
    memory = build_memory(ids, starts, names, spelling)
    fit_s = time.process_time() - before - 2 * index_s
    num_bytes = sum(array.nbytes for array in indexed.index.arrays())
    return (
        memory,
        names,
        {
            "train_tokens": total,
            "index_s_per_million": round(index_s / total * 1e6, 3),
            "fit_s": round(fit_s, 1),
            "index_bytes_per_token": round(num_bytes / total, 1),
        },
    )


def compare(dataset: Path, split: str, num_files: int, train_tokens: int, method: str) -> dict:
    """Bits of every held-out file, by both."""
    spelling = spelled_tokens(dataset)
    train, held = originals(dataset, "train"), originals(dataset, split)
    memory, names, facts = train_memory(train, train_tokens, spelling)
    text = b"".join(spelling[token] for name in names for token in train[name])
    rows, tokens, seconds = [], 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        bare = archive_bytes(text, Path(scratch), method) if method else 0
        for name in chosen(held, 1)[:num_files]:
            before = time.process_time()
            bits = float(memory.reader(name).feed(held[name]).sum()) / math.log(2)
            seconds += time.process_time() - before
            tokens += len(held[name])
            file = b"".join(spelling[token] for token in held[name])
            theirs = 8 * (archive_bytes(text + file, Path(scratch), method) - bare) if method else 0
            rows.append(
                {"file": name, "bytes": len(file), "memory_bits": round(bits, 1), "zpaq_bits": theirs}
            )
            print(
                f"{name}: {len(file)} bytes, memory {bits / len(file):.3f}, zpaq {theirs / len(file):.3f}",
                flush=True,
            )
    return {
        "dataset": dataset.name,
        "split": split,
        "zpaq_method": method,
        **facts,
        "ms_per_token": round(1000 * seconds / tokens, 4),
        "files": rows,
    }


def summary(result: dict) -> str:
    rows = result["files"]
    num_bytes = sum(row["bytes"] for row in rows)
    ours, theirs = (sum(row[key] for row in rows) for key in ("memory_bits", "zpaq_bits"))
    ratio = f", zpaq {theirs / num_bytes:.4f}, ratio {ours / theirs:.3f}" if theirs else ""
    what = f"{result['dataset']} {result['split']}, {len(rows)} files of {num_bytes:,} bytes"
    cost = f"index {result['index_s_per_million']} s a million tokens, {result['index_bytes_per_token']} bytes a token"
    return f"{what}: memory {ours / num_bytes:.4f} bits a byte{ratio}; {cost}, {result['ms_per_token']} ms a token"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--files", type=int, default=16, help="held-out files, drawn by a seed")
    parser.add_argument(
        "--train-tokens", type=int, default=10**9, help="about so many tokens of training files"
    )
    parser.add_argument("--method", default=TEXT_MODEL, help="zpaq's model; empty: without zpaq")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        result = compare(options.dataset, options.split, options.files, options.train_tokens, options.method)
    except (UserError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
