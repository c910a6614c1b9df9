"""JSON lines out and in, the metadata file, and digests of files.

Rows go from numpy to disk with orjson: 9 times `json.dumps`. A row is serialised on the caller's thread while
another one hashes and writes the block before it (both release the GIL).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import orjson

from effectiveness.common.boundary import open_binary, read_regular
from effectiveness.common.durable import sync, write_all, write_atomically
from effectiveness.common.paths import display
from effectiveness.common.records import FORMAT_VERSION, UserError

DIGEST_KEY = "metadata_sha256"

_ROW_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
_BLOCK_BYTES = 1 << 20
_POWERS_OF_TEN = tuple(10**digits for digits in range(1, 10))  # ids have at most ten digits
_MAX_PENDING_BLOCKS = 4  # memory stays below 6 blocks however slow the disk is
# The labels of a row that is not masked: the index that loss functions leave out. Every row has the same keys with
# values of the same types, because readers that infer them look at the first rows only; an empty list has no type.
NO_LABELS = -100
_NO_LABELS = b"%d" % NO_LABELS
_ROW_KEYS = ({"tokens", "metadata"}, {"tokens", "metadata", "labels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    sha256: str
    num_bytes: int
    num_lines: int


class JsonLinesWriter:
    """Write rows to a new file; `digest` tells sha256, bytes and lines once it is closed.

    >>> with JsonLinesWriter(path) as writer:                                       # doctest: +SKIP
    ...     writer.write_row(token_ids[start:stop], metadata)
    >>> writer.digest.num_lines                                                     # doctest: +SKIP
    1
    """

    digest: FileDigest

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._hash = hashlib.sha256()
        self._num_bytes = self._num_lines = 0
        self._block = bytearray()
        self._pending: deque[Future[None]] = deque()
        self._background = ThreadPoolExecutor(max_workers=1)  # one: blocks are written in order

    def write_row(
        self, tokens: np.ndarray, metadata: dict[str, Any], labels: np.ndarray | None = None
    ) -> None:
        """Append one row. `tokens` and `labels`: one-dimensional integer arrays of equal length; without
        `labels` they are `[NO_LABELS]`.

        Raises OSError, of this or an earlier row, when the disk fails.
        """
        row: dict[str, Any] = {"tokens": np.asarray(tokens), "metadata": metadata}  # asarray: no memmap
        row["labels"] = [NO_LABELS] if labels is None else np.asarray(labels)
        self._write_line(orjson.dumps(row, option=_ROW_OPTIONS))

    def write_spelled_row(self, tokens: bytes, metadata: dict[str, Any], labels: bytes | None = None) -> int:
        """Append one row whose ids are text already, as `spell_ids` gives it: the same bytes as `write_row`, and how
        many they are.
        """
        labels = _NO_LABELS if labels is None else labels
        parts = (b'{"tokens":[', tokens, b'],"metadata":', orjson.dumps(metadata), b',"labels":[', labels)
        return self._write_line(b"".join((*parts, b"]}\n")))

    def _write_line(self, line: bytes) -> int:
        self._block += line
        self._num_lines += 1
        if len(self._block) >= _BLOCK_BYTES:
            self._hand_over()
        return len(line)

    def _hand_over(self) -> None:
        self._pending.append(self._background.submit(self._append, self._block))
        self._block = bytearray()
        while len(self._pending) > _MAX_PENDING_BLOCKS:
            self._pending.popleft().result()

    def _append(self, block: bytearray) -> None:
        self._hash.update(block)
        write_all(self._fd, block)
        self._num_bytes += len(block)

    def close(self) -> None:
        """Write what is left, fsync, and set `digest`."""
        self._hand_over()
        while self._pending:
            self._pending.popleft().result()
        sync(self._fd)
        self.digest = FileDigest(
            sha256=self._hash.hexdigest(), num_bytes=self._num_bytes, num_lines=self._num_lines
        )

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._background.shutdown(cancel_futures=True)
            os.close(self._fd)


def spell_ids(ids: np.ndarray) -> tuple[bytes, np.ndarray]:
    """(`ids` as JSON spells them, a comma behind each; int64[len(ids) + 1], where each begins, and the end).

    >>> spell_ids(np.array([7, 1024], np.uint16))
    (b'7,1024,', array([0, 2, 7]))
    """
    text = orjson.dumps(ids, option=orjson.OPT_SERIALIZE_NUMPY)
    lengths = np.full(len(ids), 2, np.uint8)
    for power in itertools.takewhile(ids.max(initial=0).__ge__, _POWERS_OF_TEN):
        lengths += ids >= power
    edges = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(lengths, out=edges[1:])
    return text[1:-1] + b"," * bool(len(ids)), edges


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file one at a time. Raises UserError naming file and line of the first bad one."""
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            problem, row = parse_row(line)
            if problem:
                raise UserError(f"{display(path)}:{number}: {problem}; build the dataset again")
            yield row


def _opened(path: Path) -> BinaryIO:
    try:
        return open_binary(path)
    except OSError as error:
        raise UserError(f"cannot read {display(path)}: {error.strerror}; build the dataset again") from None


def parse_row(line: bytes) -> tuple[str, dict[str, Any]]:
    """(what is wrong or "", row). `tokens` and `labels` are lists of integers of equal length; a row without labels has
    no such key, as in datasets of format 1."""
    if not line.endswith(b"\n"):
        return "the last line has no newline: the file was cut", {}
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"not JSON ({error})", {}
    if not isinstance(row, dict) or set(row) not in _ROW_KEYS or not isinstance(row["metadata"], dict):
        return 'expected an object with "tokens", "metadata" and in masked rows "labels"', {}
    if row.get("labels") == [NO_LABELS]:
        del row["labels"]
    tokens, labels = row["tokens"], row.get("labels")
    if not _are_integers(tokens) or (labels is not None and not _are_integers(labels)):
        return '"tokens" and "labels" must be lists of integers', {}
    if labels is not None and len(labels) != len(tokens):
        return f'{len(tokens)} "tokens" but {len(labels)} "labels"', {}
    return "", row


def _are_integers(values: Any) -> bool:
    return isinstance(values, list) and set(map(type, values)) == {int}  # a bool is an int to isinstance


def write_metadata(path: Path, metadata: dict[str, Any]) -> None:
    """Replace a file by `metadata` and the sha256 of it under DIGEST_KEY, as canonical JSON: whole or not at all.

    Raises TypeError or ValueError for what would not read back equal: NaN, keys that are not strings.
    """
    unsigned = {key: value for key, value in metadata.items() if key != DIGEST_KEY}
    orjson.dumps(unsigned, option=orjson.OPT_SERIALIZE_NUMPY)  # stricter: a key 1 would read back as "1"
    digest = hashlib.sha256(_canonical(unsigned)).hexdigest()
    write_atomically(path, _canonical(unsigned | {DIGEST_KEY: digest}))


MAX_METADATA_BYTES = 1 << 30  # it names every file of the repository


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file, without DIGEST_KEY. Raises UserError unless every byte is as written."""
    if not os.path.lexists(path):
        raise UserError(f"{display(path)} is missing: not a complete dataset; build it first")
    raw = read_regular(path, max_bytes=MAX_METADATA_BYTES, way_out="build the dataset again")
    try:
        metadata = _verified(raw)
    except (ValueError, TypeError, RecursionError):  # not UTF-8, not JSON, not an object, not what we hashed
        raise UserError(f"{display(path)} is not as it was written; build the dataset again") from None
    return metadata


def of_another_version(metadata: dict[str, Any]) -> str:
    """What to say, and to do, of a dataset that another version of this program built; else ""."""
    made = metadata.get("format_version", FORMAT_VERSION)
    if type(made) is not int or made == FORMAT_VERSION:
        return ""
    age, way_out = (
        ("an older", "build it again") if made < FORMAT_VERSION else ("a newer", "update this program")
    )
    return f"built by {age} version of this program (format {made}, here {FORMAT_VERSION}): {way_out}"


def _verified(raw: bytes) -> dict[str, Any]:
    metadata = json.loads(raw)
    if not isinstance(metadata, dict) or raw != _canonical(metadata):
        raise ValueError("not canonical")
    written = metadata.pop(DIGEST_KEY, None)
    if written != hashlib.sha256(_canonical(metadata)).hexdigest():
        raise ValueError("digest differs")
    return metadata


def _canonical(metadata: dict[str, Any]) -> bytes:
    """Sorted keys, two spaces, UTF-8, newline at the end."""
    text = json.dumps(metadata, default=_plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"metadata cannot hold a {type(value).__name__}")


def digest(path: Path) -> FileDigest:
    """sha256, bytes and lines of a file, read in blocks."""
    sha256, num_bytes, num_lines = hashlib.sha256(), 0, 0
    with open_binary(path, buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
            num_bytes += len(block)
            num_lines += block.count(b"\n")
    return FileDigest(sha256=sha256.hexdigest(), num_bytes=num_bytes, num_lines=num_lines)
