"""Splits that stay: the table of a dataset's files, and what an older one says of the files of today.

A model that goes on from last month's is to be scored on files that neither month trained on, and two scores of the
same files. So with an older dataset named, a file goes no way but one: test -> val -> train, never back. Where its
group holds files of several splits, or it resembles texts of several, it goes to the one of them that asks least
of it: train before val, since it was trained on; val before test, since a val file has chosen weights.

A file is known again by its path, and where that or its text is new, by what it resembles: a file that was renamed,
cut in two or copied from one that is gone. Texts that are no longer there as they were are carried along, so that the
table of the third dataset knows what the first one trained on.

One line of the table: {"path", "split", "was": its split by the older dataset or "", "is_gone", "sketch": base64 of
the uint64s of `duplicates.signature`, little-endian}.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import orjson

from effectiveness.common.boundary import open_binary
from effectiveness.common.jsonl import digest, of_another_version, read_metadata
from effectiveness.common.paths import display
from effectiveness.common.records import DATASET_FILES, METADATA_FILE, SPLITS, SPLITS_FILE, Corpus, UserError
from effectiveness.corpus.duplicates import NUM_BANDS
from effectiveness.corpus.duplicates.passages import NOTHING, least_of_alike

FEWEST_KNOWN = 0.25  # of the files, then or now: of fewer it is the dataset of something else


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSplits:
    """The table of an older dataset."""

    directory: Path
    sha256: str
    train_sha256: tuple[
        str, ...
    ]  # of the rows trained on: its own and those it kept the splits of, oldest first
    paths: tuple[str, ...]
    split: np.ndarray  # uint8[entries], index into SPLITS
    is_gone: np.ndarray  # bool[entries]: no file of that dataset, but of one before it
    sketches: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSplits:
    """What an older dataset says of the files of today."""

    older: FileSplits | None
    split: np.ndarray  # uint8[files], index into SPLITS; NOTHING for a new file
    by_path: np.ndarray  # bool[files]
    is_carried: np.ndarray  # bool[entries of the older table]: not there as it was

    def described(self, split: np.ndarray) -> dict | None:
        """For the metadata; `split`: uint8[files], where each went."""
        if self.older is None:
            return None
        is_known, was_held_out = self.split != NOTHING, (self.split != NOTHING) & (self.split != 0)
        return {
            "file_splits_sha256": self.older.sha256,
            "train_sha256": list(self.older.train_sha256),
            "known_by_path": int(self.by_path.sum()),
            "known_by_text": int((is_known & ~self.by_path).sum()),
            "new": int((~is_known).sum()),
            "held_out_then": int(was_held_out.sum()),
            "held_out_still": int((was_held_out & (split != 0)).sum()),
        }


def keep_splits(older: FileSplits | None, paths: Sequence[str], sketches: Sequence[np.ndarray]) -> KeptSplits:
    """Look every file up. Raises UserError where the older dataset is of something else."""
    split = np.full(len(paths), NOTHING, np.uint8)
    if older is None:
        return KeptSplits(older=None, split=split, by_path=split != NOTHING, is_carried=np.empty(0, bool))
    of_path: dict[str, int] = {}
    for path, value in zip(older.paths, older.split.tolist(), strict=True):
        of_path[path] = min(value, of_path.get(path, NOTHING))
    split = np.array([of_path.get(path, NOTHING) for path in paths], np.uint8)
    by_path = split != NOTHING
    then, now = _texts(older.paths, older.sketches), _texts(paths, sketches)
    is_carried, is_new = _are_not_among(then, set(now)), _are_not_among(now, set(then))
    texts, theirs = tuple(compress(sketches, is_new)), tuple(compress(older.sketches, is_carried))
    alike = least_of_alike(texts, theirs, older.split[is_carried], NUM_BANDS)
    split[is_new] = np.minimum(split[is_new], alike)
    _refuse_foreign(older, set(paths), float((split != NOTHING).mean()))
    return KeptSplits(older=older, split=split, by_path=by_path, is_carried=is_carried)


def _texts(paths: Sequence[str], sketches: Sequence[np.ndarray]) -> list[tuple[str, int]]:
    return [(path, int(sketch[NUM_BANDS])) for path, sketch in zip(paths, sketches, strict=True)]


def _are_not_among(texts: list[tuple[str, int]], others: set[tuple[str, int]]) -> np.ndarray:
    return np.fromiter((text not in others for text in texts), bool, len(texts))


def _refuse_foreign(older: FileSplits, paths: set[str], share_known: float) -> None:
    there = [path for path, is_gone in zip(older.paths, older.is_gone, strict=True) if not is_gone]
    share_found = sum(path in paths for path in there) / max(1, len(there))
    if max(share_known, share_found) < FEWEST_KNOWN:
        raise UserError(
            f"--splits-of {display(older.directory)}: few of its {len(there):,} files are here, and few of those here "
            "were there; name a dataset of this repository, or leave the flag out"
        )


# --- the table, written and read ------------------------------------------------------------------------------


def write_splits(
    file: Path,
    paths: Sequence[str],
    split: np.ndarray,
    sketches: Sequence[np.ndarray],
    kept: KeptSplits,
) -> None:
    """Every file of today, then what is carried along."""
    lines = (
        _line(path, SPLITS[index], "" if was == NOTHING else SPLITS[was], False, sketch)
        for path, index, was, sketch in zip(paths, split, kept.split, sketches, strict=True)
    )
    with open(file, "xb") as table:
        table.writelines(lines)
        if kept.older is not None:
            entries = zip(kept.older.paths, kept.older.split, kept.older.sketches, strict=True)
            table.writelines(
                _line(path, SPLITS[index], SPLITS[index], True, sketch)
                for path, index, sketch in compress(entries, kept.is_carried)
            )


def _line(path: str, split: str, was: str, is_gone: bool, sketch: np.ndarray) -> bytes:
    text = base64.b64encode(sketch.astype("<u8").tobytes()).decode("ascii")
    row = {"path": path, "split": split, "was": was, "is_gone": is_gone, "sketch": text}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def read_splits(directory: Path) -> FileSplits:
    """The table of a finished dataset. Raises UserError, one line, for anything that was not written as it stands."""
    metadata = read_metadata(directory / METADATA_FILE)
    file, files = directory / SPLITS_FILE, metadata.get("files")
    listed = files.get(SPLITS_FILE) if isinstance(files, dict) else None
    if listed is None and (version := of_another_version(metadata)):
        raise UserError(f"--splits-of {display(directory)}: {version}, without --splits-of")
    if listed is None:
        raise UserError(
            f"--splits-of {display(directory)}: it has no {SPLITS_FILE}, so nobody knows which file went where; "
            "build it again"
        )
    try:
        sha256 = digest(file).sha256
        if sha256 != listed["sha256"]:
            raise ValueError
        train_sha256 = _train_digests(metadata)
        with open_binary(file) as lines:
            entries = list(_entries(lines))
    except OSError as error:
        raise UserError(f"cannot read {display(file)}: {error.strerror}; build the dataset again") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{display(file)} is not as it was written; build the dataset again") from None
    paths, split, is_gone, sketches = zip(*entries, strict=True) if entries else ((), (), (), ())
    return FileSplits(
        directory=directory,
        sha256=sha256,
        train_sha256=train_sha256,
        paths=paths,
        split=np.array(split, np.uint8),
        is_gone=np.array(is_gone, bool),
        sketches=sketches,
    )


def _train_digests(metadata: dict) -> tuple[str, ...]:
    """Each once, oldest first: a dataset that is built over itself again and again has one history."""
    before = metadata.get("splits_of", {}).get("train_sha256", [])
    found = dict.fromkeys([*before, metadata["files"][DATASET_FILES["train"]]["sha256"]])
    if not all(type(name) is str for name in found):
        raise ValueError("no digest")
    return tuple(found)


def _entries(lines: Iterator[bytes]) -> Iterator[tuple[str, int, bool, np.ndarray]]:
    """Raises ValueError, KeyError or TypeError. A path is a name to look up, and nothing is opened by it."""
    for line in lines:
        row = orjson.loads(line)
        path, split, is_gone = row["path"], SPLITS.index(row["split"]), row["is_gone"]
        raw = base64.b64decode(row["sketch"], validate=True)
        if type(path) is not str or type(is_gone) is not bool or len(raw) < 8 * (NUM_BANDS + 1):
            raise ValueError("a value is of another type than it was written with")
        sketch = np.frombuffer(raw, "<u8").astype(np.uint64)
        passages = sketch[NUM_BANDS + 1 :]
        if (passages[1:] <= passages[:-1]).any():
            raise ValueError("passages rise")
        yield path, split, is_gone, sketch


def num_trained_on(directory: Path, corpus: Corpus) -> int:
    """Files held out in `corpus` that the dataset of this repository in `directory` has in train; 0 where none is."""
    if not (directory / SPLITS_FILE).is_file():
        return 0
    try:
        older = read_splits(directory)
    except UserError:  # it is damaged and replaced: nothing is to go on from it
        return 0
    trained = {path for path, split in zip(older.paths, older.split, strict=True) if split == 0}
    return sum(corpus.scan.files[i].path in trained for i in np.flatnonzero(corpus.split))
