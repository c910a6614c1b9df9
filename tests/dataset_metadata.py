"""What `dataset_metadata.json` must hold, and how it is read by somebody who does not trust it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dataset_rows import Bad, Problems, no_key_twice

from effectiveness.common.boundary import read_regular
from effectiveness.common.jsonl import MAX_METADATA_BYTES
from effectiveness.common.records import METADATA_FILE, UserError

DIGEST_KEY = "metadata_sha256"
COUNTS = {str: int}  # any keys, integers
SHAPES = {
    "format_version": int,
    "total_sequences": int,
    "train_sequences": int,
    "val_sequences": int,
    "test_sequences": int,
    "base_sequences": int,
    "augmented_sequences": int,
    "source_files_scanned": int,
    "source_repo": str,
    "repository_commit": str,
    "tokenizer": str,
    "tokenizer_sha256": str,
    "vocab_size": int,
    "pad_token_id": int,
    "mask_token_id": int,
    "max_tokens_per_sequence": int,
    "overlap_tokens": int,
    "total_tokens": int,
    "padding_share": float,
    "seed": int,
    "options": {"core": [str], "test": [str]},
    "versions": {str: str},
    "skipped": COUNTS,
    "rows_per_role": COUNTS,
    "rows_per_variant": COUNTS,
    "rows_per_language": COUNTS,
    "tokens_per_language": COUNTS,
    "duplicate_rows_dropped": COUNTS,
    "augmentation_techniques": [str],
    "augmentation": {str: {str: {"changed": int, "rows": int}}},
    "weighting_strategy": {str: float},
    "learning_strategy": str,
    "file_groups": [[str]],
    "split_notes": [str],
    "leak_report": {
        "exact": bool,
        "held_out": {"val": {"spans": int, "shared": int}, "test": {"spans": int, "shared": int}},
    },
    "files": {str: {"sha256": str, "bytes": int}},
    "pages": {str: {"sha256": str, "bytes": int}},
    DIGEST_KEY: str,
}


def read_metadata(directory: Path, problems: Problems) -> dict:
    """The part of the metadata that has the shape it must have; what has not is told and left out."""
    metadata = _parsed(directory / METADATA_FILE, problems)
    for key, shape in SHAPES.items():
        if key not in metadata:
            problems.add("metadata", f"{key} is missing", METADATA_FILE)
        elif not fits(metadata[key], shape):
            problems.add(
                "metadata", f"{key} must be {spell(shape)}, got {metadata[key]!r:.80}", METADATA_FILE
            )
            del metadata[key]
    return metadata


def _parsed(path: Path, problems: Problems) -> dict:
    try:
        raw = read_regular(path, max_bytes=MAX_METADATA_BYTES, way_out="build the dataset again")
        metadata = json.loads(raw, object_pairs_hook=no_key_twice, parse_constant=_no_constant)
    except Bad as bad:
        problems.add("metadata", bad.args[1], METADATA_FILE)
    except (UserError, ValueError, RecursionError) as error:
        problems.add("metadata", f"cannot be read as JSON: {error}", METADATA_FILE)
    else:
        if type(metadata) is dict:
            _check_seal(raw, metadata, problems)
            return metadata
        problems.add("metadata", "expected one JSON object", METADATA_FILE)
    return {}


def _no_constant(name: str) -> None:
    raise Bad("metadata", f"{name} is not JSON")


def _check_seal(raw: bytes, metadata: dict, problems: Problems) -> None:
    unsigned = {key: value for key, value in metadata.items() if key != DIGEST_KEY}
    digest = hashlib.sha256(canonical(unsigned)).hexdigest()
    if metadata.get(DIGEST_KEY) != digest:
        problems.add(
            "metadata", f"{DIGEST_KEY} must be {digest}, got {metadata.get(DIGEST_KEY)}", METADATA_FILE
        )
    if raw != canonical(metadata):
        problems.add(
            "metadata", "not as it was written: sorted keys, two spaces, LF at the end", METADATA_FILE
        )


def canonical(metadata: dict) -> bytes:
    text = json.dumps(metadata, sort_keys=True, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def fits(value: object, shape: object) -> bool:
    """`shape` is a type; [shape of each element]; {str: shape of each value}; or {key: shape, ...}, more allowed.

    >>> fits({"a": 1, "b": 2}, {str: int}), fits([True], [int]), fits({"a": 1, "b": 2}, {"a": int})
    (True, False, True)
    """
    if isinstance(shape, type):
        return type(value) is shape
    if isinstance(shape, list):
        return type(value) is list and all(fits(item, shape[0]) for item in value)
    if type(value) is not dict:
        return False
    if str in shape:
        return all(fits(item, shape[str]) for item in value.values())
    return all(key in value and fits(value[key], part) for key, part in shape.items())


def spell(shape: object) -> str:
    """
    >>> spell({str: [int]})
    '{str: [int]}'
    """
    if isinstance(shape, type):
        return shape.__name__
    if isinstance(shape, list):
        return f"[{spell(shape[0])}]"
    return "{" + ", ".join(f"{k if k is not str else 'str'}: {spell(v)}" for k, v in shape.items()) + "}"
