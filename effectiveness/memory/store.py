"""A memory on disk: arrays that are mapped as they lie, and a header that says what they must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from effectiveness.common.boundary import read_bytes
from effectiveness.common.publish import publishing
from effectiveness.common.records import UserError
from effectiveness.memory.index import Groups, Index
from effectiveness.memory.text import Spelling
from effectiveness.memory.tree import Tree

FORMAT = 3
HEADER = "memory.json"
_GROUP_FILES = ("buckets", "groups")


def save(
    directory: Path,
    index: Index,
    paths: Sequence[str],
    file_starts: np.ndarray,
    learned: bytes | np.ndarray,
    tokenizer_sha256: str,
) -> None:
    """Publish the directory in one step. Raises UserError where it cannot be written."""
    arrays = _arrays_of(index, file_starts, learned)
    described = {name: _described(array) for name, array in arrays.items()}
    facts = {
        "format": FORMAT,
        "tokenizer_sha256": tokenizer_sha256,
        "rare_from": index.tree.rare_from,
        "bucket_bits": {str(group.context): group.bucket_bits for group in index.groups},
        "arrays": described,
        "paths": list(paths),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    with publishing(directory, manifest=HEADER, owned=("*.json", "*.bin")) as staging:
        for name, array in arrays.items():
            with (staging / f"{name}.bin").open("wb") as file:
                file.write(np.ascontiguousarray(array).data.cast("B"))
        (staging / HEADER).write_text(json.dumps({"digest": digest, **facts}, indent=1) + "\n")


def _arrays_of(index: Index, file_starts: np.ndarray, learned: bytes | np.ndarray) -> dict[str, np.ndarray]:
    arrays = {
        "text": index.text,
        "places": index.places,
        "followers": index.followers,
        "starts": index.starts,
        "token_bytes": index.spelling.joined,
        "token_offsets": index.spelling.offsets,
        "nodes": index.tree.nodes,
        "rank": index.tree.rank,
        "rank_sums": index.tree.rank_sums,
        "file_starts": file_starts,
        "learned": np.frombuffer(learned, np.uint8),
    }
    for group in index.groups:
        arrays[f"buckets-{group.context}"] = group.buckets
        arrays[f"groups-{group.context}"] = group.units
    return arrays


def _described(array: np.ndarray) -> dict[str, object]:
    digest = hashlib.sha256(np.ascontiguousarray(array).data.cast("B")).hexdigest()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": digest}


def load(directory: Path) -> dict[str, Any]:
    """Map a saved memory: what `Memory` is made of.

    Raises UserError where a file is missing, cut short, changed or of another format.
    """
    facts = _read_header(directory)
    try:
        arrays = {name: _mapped(directory, name, wanted) for name, wanted in facts["arrays"].items()}
        index = _index_of(arrays, facts)
        index.native()
        if not all(isinstance(path, str) for path in facts["paths"]):
            raise TypeError("a path is no text")
        return {
            "index": index,
            "paths": tuple(facts["paths"]),
            "tokenizer_sha256": facts["tokenizer_sha256"],
            **{name: arrays[name] for name in ("file_starts", "learned")},
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(directory, f"{HEADER} does not describe a memory ({error})") from None


def _read_header(directory: Path) -> dict:
    try:
        facts = json.loads(read_bytes(directory / HEADER))
        stated = facts.pop("digest")
        found = facts["format"]
        actual = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    except FileNotFoundError:
        raise UserError(f"{directory} holds no memory ({HEADER} is missing); build one first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(directory, f"{HEADER} cannot be read ({error})") from None
    if found != FORMAT:
        raise UserError(
            f"{directory}: a memory built by another version of this program (format {found}, here {FORMAT}); build it "
            "again"
        )
    if actual != stated:
        raise _damaged(directory, f"{HEADER} was changed")
    return facts


def _damaged(directory: Path, why: str) -> UserError:
    return UserError(f"the memory in {directory} is damaged: {why}; build it again", exit_code=1)


def _mapped(directory: Path, name: str, wanted: dict) -> np.ndarray:
    path = directory / f"{name}.bin"
    dtype, shape = np.dtype(wanted["dtype"]), tuple(wanted["shape"])
    if dtype.kind not in "uif" or not name.replace("-", "").replace("_", "").isalnum():
        raise _damaged(directory, f"{HEADER} names an array {name} of {dtype}")
    num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    try:
        if path.is_symlink() or path.stat().st_size != num_bytes:
            raise _damaged(directory, f"{path.name} has not the {num_bytes} bytes it was written with")
        array = np.memmap(path, dtype, "r", shape=shape) if num_bytes else np.zeros(shape, dtype)
    except OSError as error:
        raise _damaged(directory, f"{path.name} cannot be read ({error.strerror})") from None
    if hashlib.sha256(array.data.cast("B")).hexdigest() != wanted["sha256"]:
        raise _damaged(directory, f"{path.name} was changed")
    return array


def _index_of(arrays: dict[str, np.ndarray], facts: dict) -> Index:
    groups = []
    for context, bucket_bits in facts["bucket_bits"].items():
        buckets, units = (arrays[f"{name}-{context}"] for name in _GROUP_FILES)
        groups.append(Groups(context=int(context), bucket_bits=bucket_bits, buckets=buckets, units=units))
    return Index(
        text=arrays["text"],
        places=arrays["places"],
        followers=arrays["followers"],
        starts=arrays["starts"],
        spelling=Spelling(joined=arrays["token_bytes"], offsets=arrays["token_offsets"]),
        tree=Tree(
            nodes=arrays["nodes"],
            rank=arrays["rank"],
            rank_sums=arrays["rank_sums"],
            rare_from=facts["rare_from"],
        ),
        groups=tuple(sorted(groups, key=lambda group: group.context)),
    )
