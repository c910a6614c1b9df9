"""A copy of a dataset, open to damage, and what a careless writer would do next.

Digests would notice every one of these. So after the damage everything a careless writer would compute from
what it wrote is computed again (`seal`): counts, sizes, sha256, the digest of the metadata. What is left to
notice the damage is the content. Only the ways of level "bytes" are left unsealed.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from dataset_metadata import DIGEST_KEY, canonical

from effectiveness.common.records import (
    DATASET_FILES,
    LATER,
    LATER_FILE,
    METADATA_FILE,
    ORIGINAL,
    ROLES,
    SPLITS,
    VARIANTS,
)
from effectiveness.corpus.data_card import data_card

TRAIN, VAL, TEST = SPLITS
FILES = DATASET_FILES | {LATER: LATER_FILE}


class Wreckage:
    """A copy of a dataset that may be damaged: as rows, as metadata, or as bytes."""

    def __init__(self, good: Path, directory: Path):
        shutil.copytree(good, directory)
        self.directory = directory
        self.metadata = json.loads((directory / METADATA_FILE).read_bytes())
        self.window = self.metadata["max_tokens_per_sequence"]
        self.rng = random.Random(5)
        self.rows = {
            split: [orjson.loads(line) for line in self.path(split).read_bytes().splitlines()]
            for split in FILES
            if self.path(split).is_file()
        }

    def path(self, name: str) -> Path:
        return self.directory / FILES.get(name, name)

    def every_row(self) -> list[dict]:
        return [row for split in SPLITS for row in self.rows[split]]

    def pick(self, want: Callable[[dict], bool] = lambda row: True, split: str = TRAIN) -> dict:
        """One row for which `want(metadata)` holds; IndexError when there is none: the dataset is too plain."""
        return self.rng.choice([row for row in self.rows[split] if want(row["metadata"])])

    def write_rows(self) -> None:
        for split in self.rows:
            self.path(split).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in self.rows[split]))

    def edit_line(self, edit: Callable[[bytes], bytes], split: str = TRAIN, number: int = 3) -> None:
        """Replace one line, its newline included."""
        lines = self.path(split).read_bytes().splitlines(keepends=True)
        lines[number] = edit(lines[number])
        self.path(split).write_bytes(b"".join(lines))

    def edit_file(self, name: str, edit: Callable[[bytes], bytes]) -> None:
        self.path(name).write_bytes(edit(self.path(name).read_bytes()))

    def swap_files(self, a: str, b: str) -> None:
        raw = self.path(a).read_bytes()
        self.path(a).write_bytes(self.path(b).read_bytes())
        self.path(b).write_bytes(raw)

    def keep(self, want: Callable[[dict], bool]) -> None:
        self.rows = {
            split: [row for row in rows if want(row["metadata"])] for split, rows in self.rows.items()
        }

    def reorder(self) -> None:
        self.rows[TRAIN].sort(key=lambda row: (row["metadata"]["complexity"], row["metadata"]["seq_id"]))

    def seal_counts(self) -> None:
        """Count again what the metadata counts, as the writer would have."""
        described = [row.get("metadata", {}) for row in self.every_row()]
        count = {
            key: Counter(str(m.get(key)) for m in described) for key in ("augmentation_type", "language")
        }
        kinds, languages = count["augmentation_type"], count["language"]
        roles = Counter(
            "test" if m.get("is_test") else "core" if m.get("is_core") else "util" for m in described
        )
        tokens = Counter()
        for m in described:
            tokens[str(m.get("language"))] += m["length"] if type(m.get("length")) is int else 0
        self.metadata |= {f"{split}_sequences": len(self.rows[split]) for split in SPLITS}
        self.metadata |= {
            "total_sequences": len(described),
            "base_sequences": kinds[ORIGINAL],
            "augmented_sequences": len(described) - kinds[ORIGINAL],
            "total_tokens": tokens.total(),
            "padding_share": round(1 - tokens.total() / max(1, len(described) * self.window), 6),
            "rows_per_role": {role: roles[role] for role in ROLES},
            "rows_per_variant": {kind: kinds[kind] for kind in VARIANTS},
            "rows_per_language": dict(languages),
            "tokens_per_language": dict(tokens),
        }
        pairs = Counter((m.get("augmentation_type"), m.get("language")) for m in described)
        for kind, cells in self.metadata["augmentation"].items():
            for language, cell in cells.items():
                cell["rows"] = pairs[kind, language]

    def seal_later(self) -> None:
        """Count the later set again."""
        if LATER not in self.rows:
            return
        described, places = [row["metadata"] for row in self.rows[LATER]], set()
        for m in described:
            ranges = (
                range(m["start_token"] + int(a), m["start_token"] + int(b)) for a, b in m.get("scored", [])
            )
            places.update((m["source_file"], at) for of_range in ranges for at in of_range)
        self.metadata |= {
            "later_sequences": len(described),
            "later_files": len({m["source_file"] for m in described}),
            "later_scored_tokens": len(places),
        }

    def seal_digests(self) -> None:
        """The digests of all files, in the metadata and wherever a page shows them, and a card that fits."""
        before = [recorded["sha256"] for recorded in self.metadata.get("files", {}).values()]
        self._seal("files")
        after = [recorded["sha256"] for recorded in self.metadata.get("files", {}).values()]
        if self.path("report.html").is_file():
            page = self.path("report.html").read_text("utf-8")
            for old, new in zip(before, after, strict=True):
                page = page.replace(old, new)
            self.path("report.html").write_text(page, "utf-8")

    def _seal(self, key: str) -> None:
        for name in self.metadata.get(key, {}):
            if self.path(name).is_file():
                raw = self.path(name).read_bytes()
                self.metadata[key][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}

    def write_the_card(self) -> None:
        with suppress(
            KeyError, TypeError, ValueError, AttributeError
        ):  # metadata that no card can be made of
            self.path("README.md").write_text(data_card(self.metadata), "utf-8")

    def write_metadata(self) -> None:
        if isinstance(self.metadata.get("pages"), dict):
            self._seal("pages")
        unsigned = {key: value for key, value in self.metadata.items() if key != DIGEST_KEY}
        self.metadata = unsigned | {DIGEST_KEY: hashlib.sha256(canonical(unsigned)).hexdigest()}
        (self.directory / METADATA_FILE).write_bytes(canonical(self.metadata))


@dataclass(frozen=True)
class Way:
    """One way to wreck a dataset. `level`: "bytes" is left unsealed, "lines" gets new digests, "rows" is written
    again with new counts and digests, "metadata" is signed again, "pages" gets new digests of the pages only."""

    name: str
    level: str
    noticed_by: str  # part of the name of a test that must fail
    wreck: Callable[[Wreckage], object]

    def apply(self, good: Path, scratch: Path) -> Path:
        """A wrecked copy of `good`, in `scratch`."""
        wreckage = Wreckage(good, Path(tempfile.mkdtemp(dir=scratch)) / "wrecked")
        self.wreck(wreckage)
        if self.level == "rows":
            wreckage.write_rows()
            wreckage.seal_counts()
            wreckage.seal_later()
        if self.level in ("lines", "rows", "tokenizer"):
            wreckage.seal_digests()
        if self.level in ("lines", "rows", "metadata", "tokenizer"):
            wreckage.write_the_card()
        if self.level != "bytes":
            wreckage.write_metadata()
        return wreckage.directory
