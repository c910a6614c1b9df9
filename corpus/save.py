"""Step 8: rows to JSON lines, and everything that describes them, into the staging directory."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from corpus.curriculum import PLACES
from corpus.data_card import write_data_card
from corpus.jsonl import FileDigest, JsonLinesWriter, digest, write_metadata
from corpus.leaks import leak_report
from corpus.publish import require_space
from corpus.records import (
    AUGMENTATION_KINDS,
    DATASET_FILES,
    METADATA_FILE,
    ORIGINAL,
    ROLES,
    SPLITS,
    VARIANTS,
    BuildOptions,
    ContextPlan,
    Corpus,
    SourceFile,
)
from corpus.report import write_report
from corpus.rows import MASKED_INDEX, MadeRows
from corpus.seeding import key_for
from corpus.split import split_note
from corpus.tokenization import TokenizerInfo
from corpus.weighting import WEIGHTS

FORMAT_VERSION = 1
MAX_EXAMPLES_PER_KIND = 4
MAX_LISTED_GROUPS = 12
PACKAGES = ("numpy", "orjson", "tokenizers", "gigatoken", "rensa", "tree-sitter")
GRAMMARS = ("bash", "c", "cpp", "go", "java", "javascript", "python", "rust", "typescript")


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows that are written, in canonical order: by file, then variant, then window. Arrays of one length."""

    units: np.ndarray  # UNIT[num_units]
    unit: np.ndarray  # uint32, index into units
    start: np.ndarray  # uint32, first token of the window
    complexity: np.ndarray  # float32
    split: np.ndarray  # uint8, index into SPLITS
    dropped: dict[str, int]  # variant -> rows left out because another row has the same tokens

    def __len__(self) -> int:
        return len(self.unit)

    def of_unit(self, name: str) -> np.ndarray:
        """A field of every row's unit, for example `of_unit("variant")`."""
        return self.units[name][self.unit]


def drop_duplicates(made: MadeRows, split_of_file: np.ndarray) -> RowTable:
    """No token sequence stands in two rows. Of equal ones the first of train stays, an original before a variant:
    what the model may see in training is not asked in a test."""
    file, variant = made.units["file"][made.rows["unit"]], made.units["variant"][made.rows["unit"]]
    split = split_of_file[file]
    by_preference = np.lexsort((variant, split))  # stable: canonical order within
    _, first = np.unique(made.rows["fingerprint"][by_preference], return_index=True)
    kept = np.sort(_with_their_originals(made, by_preference[first]))
    dropped = np.bincount(variant, minlength=len(VARIANTS)) - np.bincount(
        variant[kept], minlength=len(VARIANTS)
    )
    rows = made.rows[kept]
    return RowTable(
        units=made.units,
        unit=rows["unit"].copy(),
        start=rows["start"].copy(),
        complexity=rows["complexity"].copy(),
        split=split[kept],
        dropped={name: int(count) for name, count in zip(VARIANTS, dropped, strict=True) if count},
    )


def _with_their_originals(made: MadeRows, kept: np.ndarray) -> np.ndarray:
    """`kept` without the masked rows whose original was dropped: what fills their gap stands elsewhere already."""
    units, unit = made.units, made.rows["unit"][kept]
    is_kept = np.zeros(len(made.rows), bool)
    is_kept[kept] = True
    is_original = units["variant"] == VARIANTS.index(ORIGINAL)
    original_unit = np.zeros(units["file"].max(initial=0) + 1, np.int64)
    original_unit[units["file"][is_original]] = np.flatnonzero(is_original)
    first_row = np.searchsorted(made.rows["unit"], np.arange(len(units)))
    original_row = first_row[original_unit[units["file"][unit]]] + kept - first_row[unit]
    is_masked = units["variant"][unit] == MASKED_INDEX
    return kept[~is_masked | is_kept[np.where(is_masked, original_row, 0)]]


def save(
    staging: Path,
    options: BuildOptions,
    plan: ContextPlan,
    corpus: Corpus,
    tokenizer: TokenizerInfo,
    made: MadeRows,
    table: RowTable,
    order: dict[str, np.ndarray],
) -> dict:
    """Write the rows, read them back for the leak report, then describe them. Returns the metadata."""
    files = write_rows(staging, corpus, plan, tokenizer, made, table, order)
    leaks = leak_report(staging, options.workers)
    metadata = {
        **_counts(plan, corpus, table, order),
        **_description(options, plan, corpus, tokenizer),
        "augmentation": _augmentation(made, table, corpus),
        "leak_report": leaks,
        "files": _file_digests(staging, files),
    }
    write_metadata(staging / METADATA_FILE, metadata)
    write_data_card(staging / "README.md", metadata)
    write_report(
        staging / "report.html", metadata, _report_rows(corpus, plan, table, order), _examples(options, made)
    )
    return metadata


# --- rows ------------------------------------------------------------------------------------------------


def write_rows(
    staging: Path,
    corpus: Corpus,
    plan: ContextPlan,
    tokenizer: TokenizerInfo,
    made: MadeRows,
    table: RowTable,
    order: dict[str, np.ndarray],
) -> dict[str, FileDigest]:
    """The three JSON lines files. Raises UserError when they cannot fit on the disk."""
    require_space(staging, _least_bytes(plan, tokenizer, table))
    rows = _RowReader(corpus, plan, tokenizer, made, table)
    written = {}
    for split, name in DATASET_FILES.items():
        with JsonLinesWriter(staging / name) as writer:
            for row in order[split].tolist():
                writer.write_row(*rows.read(row))
        written[name] = writer.digest
    rows.close()
    return written


def _least_bytes(plan: ContextPlan, tokenizer: TokenizerInfo, table: RowTable) -> int:
    """A lower bound of what the rows take: most ids of a large vocabulary have four digits and a comma."""
    digits = 4 if tokenizer.vocab_size > 4096 else 3
    arrays = len(table) + int((table.of_unit("variant") == MASKED_INDEX).sum())
    return arrays * plan.context_tokens * digits


class _RowReader:
    """Puts rows together from the spool files: reads slices, so that memory does not grow with the dataset."""

    def __init__(
        self, corpus: Corpus, plan: ContextPlan, tokenizer: TokenizerInfo, made: MadeRows, table: RowTable
    ):
        self._context, self._stride = plan.context_tokens, plan.context_tokens - plan.overlap_tokens
        self._pad_id, self._dtype, self._table = tokenizer.pad_id, made.dtype, table
        self._units = made.units.tolist()
        self._original = {
            unit[0]: index for index, unit in enumerate(self._units) if unit[1] == VARIANTS.index(ORIGINAL)
        }
        self._files = corpus.scan.files
        shards = int(made.units["shard"][-1]) + 1  # canonical order is shard order
        self._spools = [os.open(made.spool(shard), os.O_RDONLY) for shard in range(shards)]

    def close(self) -> None:
        for spool in self._spools:
            os.close(spool)

    def read(self, row: int) -> tuple[np.ndarray, dict, np.ndarray | None]:
        """(tokens, metadata, labels or None) of one row, padded to the window."""
        table = self._table
        unit, start = int(table.unit[row]), int(table.start[row])
        file, variant, num_tokens, _, _ = self._units[unit]
        length = min(num_tokens, self._context)
        chunk = -(-start // self._stride)  # the last window ends with the file: its start may be off the grid
        total = 1 + -(-(num_tokens - length) // self._stride)
        metadata = {
            "seq_id": row,
            **_file_metadata(self._files[file]),
            "chunk_index": chunk,
            "total_chunks": total,
            "start_token": start,
            "length": length,
            "complexity": round(float(table.complexity[row]), PLACES),
            "augmentation_type": VARIANTS[variant],
        }
        if variant == MASKED_INDEX:  # masked windows lie one after another
            return (
                self._ids(unit, chunk * length, length),
                metadata,
                self._ids(self._original[file], start, length),
            )
        return self._ids(unit, start, length), metadata, None

    def _ids(self, unit: int, start: int, length: int) -> np.ndarray:
        _, _, _, shard, offset = self._units[unit]
        size = self._dtype.itemsize
        raw = os.pread(self._spools[shard], length * size, (offset + start) * size)
        ids = np.frombuffer(raw, self._dtype)
        if len(ids) != length:
            raise OSError(f"spool file of shard {shard} ended early: {len(ids)} of {length} ids")
        if length == self._context:
            return ids
        padded = np.full(self._context, self._pad_id, self._dtype)
        padded[:length] = ids
        return padded


def _file_metadata(file: SourceFile) -> dict:
    """The part of a row's metadata that all rows of a file share."""
    weight, priority = WEIGHTS[file.role]
    directory, _, name = file.path.rpartition("/")
    dot = name.rfind(".")
    return {
        "source_file": file.path,
        "directory": directory,
        "file_extension": name[dot:] if dot > 0 else "",
        "language": file.language,
        "is_core": file.role == "core",
        "is_test": file.role == "test",
        "priority": priority,
        "weight": weight,
    }


# --- what describes them ---------------------------------------------------------------------------------


def _counts(plan: ContextPlan, corpus: Corpus, table: RowTable, order: dict[str, np.ndarray]) -> dict:
    files = corpus.scan.files
    languages, language_of_file = _languages(files)
    file = table.of_unit("file")
    role = np.array([ROLES.index(f.role) for f in files], np.uint8)[file]
    language = language_of_file[file]
    length = np.minimum(table.of_unit("num_tokens"), plan.context_tokens)
    is_original = table.of_unit("variant") == VARIANTS.index(ORIGINAL)
    total_tokens = int(length.sum(dtype=np.int64))
    capacity = len(table) * plan.context_tokens
    split_counts = {name: len(rows) for name, rows in order.items()}
    note = split_note(split_counts, len(np.unique(corpus.groups)))
    return {
        "total_sequences": len(table),
        **{f"{name}_sequences": count for name, count in split_counts.items()},
        "base_sequences": int(is_original.sum()),
        "augmented_sequences": int((~is_original).sum()),
        "duplicate_rows_dropped": table.dropped,
        "total_tokens": total_tokens,
        "padding_share": round(1 - total_tokens / capacity, 6),
        "split_notes": [note] if note else [],
        "languages_table": languages,
        "files_per_language": dict(sorted(Counter(f.language for f in files).items())),
        "files_per_role": {name: sum(f.role == name for f in files) for name in ROLES},
        "rows_per_role": {name: int((role == i).sum()) for i, name in enumerate(ROLES)},
        "rows_per_split_role": {
            name: {r: int(((table.split == s) & (role == i)).sum()) for i, r in enumerate(ROLES)}
            for s, name in enumerate(SPLITS)
        },
        "rows_per_variant": {
            name: int(count)
            for name, count in zip(
                VARIANTS, np.bincount(table.of_unit("variant"), minlength=len(VARIANTS)), strict=True
            )
        },
        "rows_per_language": {name: int((language == i).sum()) for i, name in enumerate(languages)},
        "tokens_per_language": {
            name: int(length[language == i].sum(dtype=np.int64)) for i, name in enumerate(languages)
        },
    }


def _languages(files: tuple[SourceFile, ...]) -> tuple[list[str], np.ndarray]:
    """(names, uint8 index of each file's language), the most frequent first."""
    counted = Counter(file.language for file in files)
    names = sorted(counted, key=lambda name: (-counted[name], name))
    return names, np.array([names.index(file.language) for file in files], np.uint8)


def _description(options: BuildOptions, plan: ContextPlan, corpus: Corpus, tokenizer: TokenizerInfo) -> dict:
    """Everything that is needed to build the same bytes again."""
    scan = corpus.scan
    return {
        "format_version": FORMAT_VERSION,
        "source_repo": Path(os.path.realpath(options.root)).name,
        "repository_commit": scan.commit,
        "source_files_scanned": len(scan.files),
        "num_entries": scan.num_entries,
        "listed_by": scan.listed_by,
        "skipped": scan.skipped,
        "skipped_examples": {reason: list(paths) for reason, paths in scan.skipped_paths.items()},
        "unreadable": list(scan.unreadable),
        "notes": scan.notes,
        "secrets_redacted": scan.secrets,
        **_groups(corpus),
        "tokenizer": tokenizer.name,
        "tokenizer_reason": tokenizer.reason,
        "tokenizer_sha256": tokenizer.sha256,
        "vocab_size": tokenizer.vocab_size,
        "pad_token_id": tokenizer.pad_id,
        "mask_token_id": tokenizer.mask_id,
        "max_tokens_per_sequence": plan.context_tokens,
        "overlap_tokens": plan.overlap_tokens,
        "hardware": asdict(plan),
        "augmentation_techniques": list(options.kinds),
        "weighting_strategy": {
            f"{priority}_priority": weight for weight, priority in (WEIGHTS[role] for role in ROLES)
        },
        "learning_strategy": "curriculum",
        "seed": options.seed,
        "options": {
            # By name: a path would make the same bytes differ by where the tokenizer lay.
            "tokenizer": options.tokenizer if options.tokenizer in ("auto", "local") else tokenizer.name,
            "max_tokens": plan.context_tokens,
            "overlap": options.overlap,
            "augmentations": ",".join(options.kinds) or "none",
            "seed": options.seed,
            "core": list(options.core_globs),
            "test": list(options.test_globs),
            "keep_secrets": options.keep_secrets,
        },
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            **{name: version(name) for name in PACKAGES},
            **{f"tree-sitter-{name}": version(f"tree-sitter-{name}") for name in GRAMMARS},
        },
    }


def _groups(corpus: Corpus) -> dict:
    """Near-duplicate groups of more than one file, the largest first."""
    members: dict[int, list[str]] = {}
    for file, group in zip(corpus.scan.files, corpus.groups.tolist(), strict=True):
        members.setdefault(group, []).append(file.path)
    groups = sorted(
        (paths for paths in members.values() if len(paths) > 1), key=lambda paths: (-len(paths), paths)
    )
    return {
        "file_groups": groups,
        "near_duplicate_groups": {
            "groups": len(groups),
            "files_in_groups": sum(map(len, groups)),
            "largest": groups[:MAX_LISTED_GROUPS],
        },
    }


def _augmentation(made: MadeRows, table: RowTable, corpus: Corpus) -> dict:
    """kind -> language -> files tried, files changed, rows written, refusals by reason."""
    found: dict[str, dict[str, dict]] = {}
    for (kind, language, outcome), count in sorted(made.yields.items()):
        cell = found.setdefault(kind, {}).setdefault(
            language, {"files": 0, "changed": 0, "rows": 0, "refused": {}}
        )
        cell["files"] += count
        if outcome == "changed":
            cell["changed"] += count
        else:
            cell["refused"][outcome] = count
    for (variant, language), rows in _rows_per_variant_and_language(table, corpus):
        if (cell := found.get(VARIANTS[variant], {}).get(language)) is not None:
            cell["rows"] = rows
    return {kind: found[kind] for kind in AUGMENTATION_KINDS if kind in found}


def _rows_per_variant_and_language(table: RowTable, corpus: Corpus) -> Iterator[tuple[tuple[int, str], int]]:
    names, language_of_file = _languages(corpus.scan.files)
    key = table.of_unit("variant").astype(np.int64) * len(names) + language_of_file[table.of_unit("file")]
    for value, count in zip(*np.unique(key, return_counts=True), strict=True):
        yield (int(value) // len(names), names[int(value) % len(names)]), int(count)


def _file_digests(staging: Path, rows: dict[str, FileDigest]) -> dict:
    tokenizer_files = sorted((staging / "tokenizer").iterdir())
    found = rows | {f"tokenizer/{path.name}": digest(path) for path in tokenizer_files}
    return {name: {"sha256": file.sha256, "bytes": file.num_bytes} for name, file in sorted(found.items())}


def _report_rows(
    corpus: Corpus, plan: ContextPlan, table: RowTable, order: dict[str, np.ndarray]
) -> np.ndarray:
    """What the report draws of each row, in the order of the files."""
    rows = np.concatenate([order[name] for name in SPLITS])
    _, language_of_file = _languages(corpus.scan.files)
    file = table.of_unit("file")[rows]
    fields = {
        "split": table.split[rows],
        "role": np.array([ROLES.index(f.role) for f in corpus.scan.files], np.uint8)[file],
        "language": language_of_file[file],
        "variant": table.of_unit("variant")[rows],
        "length": np.minimum(table.of_unit("num_tokens")[rows], plan.context_tokens),
        "complexity": table.complexity[rows],
    }
    dtype = [(name, "u4" if name == "length" else "f4" if name == "complexity" else "u1") for name in fields]
    described = np.empty(len(rows), dtype)
    for name, values in fields.items():
        described[name] = values
    return described


def _examples(options: BuildOptions, made: MadeRows) -> list[dict]:
    """A few before/after pairs of each kind, drawn by path."""
    chosen, taken = [], Counter()
    for example in sorted(
        made.examples, key=lambda e: key_for(options.seed, "example", e["kind"], e["path"])
    ):
        if taken[example["kind"]] < MAX_EXAMPLES_PER_KIND:
            taken[example["kind"]] += 1
            chosen.append(example)
    return chosen
