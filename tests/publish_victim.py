"""A small run that publishes a dataset: what the fault campaigns kill.

    publish_victim.py OUTPUT VARIANT [hold|in-place]


With "hold" it says READY while it holds the lock and goes on when its standard input is closed. With "in-place"
it does what publishing is there to avoid, so that the campaigns can show that they notice.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from effectiveness.common.durable import remove_tree
from effectiveness.common.jsonl import JsonLinesWriter, write_metadata
from effectiveness.common.publish import SCRATCH, publishing
from effectiveness.common.records import DATASET_FILES, METADATA_FILE, UserError


def write_dataset(staging: Path, variant: int) -> None:
    (staging / SCRATCH).mkdir()
    (staging / SCRATCH / "texts").write_bytes(b"x" * 100_000)
    (staging / "tokenizer").mkdir()
    (staging / "tokenizer" / "tokenizer.json").write_text(f'{{"variant": {variant}}}\n')
    digests = {}
    for name in DATASET_FILES.values():
        with JsonLinesWriter(staging / name) as writer:
            for row in range(300):
                writer.write_row(np.arange(row, row + 1024, dtype=np.uint16), {"variant": variant})
        digests[name] = writer.digest.sha256
    (staging / "README.md").write_text(f"variant {variant}\n")
    if variant not in (0, 1):
        raise UserError("this variant fails", exit_code=1)
    write_metadata(staging / METADATA_FILE, {"variant": variant, "files": digests})


def write_in_place(output: Path, variant: int) -> None:
    if output.exists():
        remove_tree(output)
    output.mkdir()
    write_dataset(output, variant)


def publish_dataset(output: Path, variant: int, hold: bool) -> None:
    with publishing(output) as staging:
        write_dataset(staging, variant)
        if hold:
            print("READY", flush=True)
            sys.stdin.read()


def main(output: str, variant: str, how: str = "") -> int:
    try:
        if how == "in-place":
            write_in_place(Path(output), int(variant))
        else:
            publish_dataset(Path(output), int(variant), how == "hold")
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("COMPLETE")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
