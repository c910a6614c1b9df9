"""Step 8: the rows, and everything that describes them, into the staging directory.

What is said of a dataset is counted from its rows, never from intentions.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.common.jsonl import FileDigest, digest, write_metadata
from effectiveness.common.paths import display
from effectiveness.common.publish import require_space
from effectiveness.common.recipes import RECIPES
from effectiveness.common.records import (
    AUGMENTATION_KINDS,
    DATASET_FILES,
    FORMAT_VERSION,
    LATER,
    LATER_FILE,
    METADATA_FILE,
    ORIGINAL,
    PAGES,
    ROLES,
    SPLITS,
    SPLITS_FILE,
    VARIANTS,
    WEIGHTS,
    Corpus,
)
from effectiveness.common.seeding import key_for
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus.data_card import write_data_card
from effectiveness.corpus.leaks import find_leaks
from effectiveness.corpus.report import RowCounts, tally, write_report
from effectiveness.corpus.rows import MadeRows
from effectiveness.corpus.rows.writing import (
    BuiltDataset,
    RowReader,
    RowTable,
    Written,
    least_bytes,
    write_rows,
)
from effectiveness.corpus.split import split_notes
from effectiveness.languages import LANGUAGES

if TYPE_CHECKING:
    from effectiveness.corpus.history.later import History, LaterRows

MAX_EXAMPLES_PER_KIND = 4
MAX_LISTED_GROUPS = 12
PACKAGES = ("numpy", "orjson", "tokenizers", "gigatoken", "rensa", "tree-sitter")
GRAMMARS = sorted(
    {row.grammar.partition(":")[0].replace("_", "-") for row in LANGUAGES.values() if row.grammar}
)


def save(dataset: BuiltDataset, staging: Path, pool: WorkerPool, history: History | None = None) -> dict:
    """Write the rows, read them back for the leak report, then describe them. Returns the metadata."""
    plan = dataset.plan
    written = _write_splits(dataset, staging)
    languages = _languages(dataset.corpus)
    rows = _described_rows(dataset, languages)
    counted = tally(rows, num_languages=len(languages), window=plan.context_tokens)
    rows_of = {split: file.rows for split, file in written.items()}
    leaks = find_leaks(rows_of, pool, new_share=1 - plan.overlap_tokens / plan.context_tokens)
    files = {DATASET_FILES[split]: file.digest for split, file in written.items()}
    later = history.rows(dataset, rows_of.values(), pool) if history else None
    if later:
        files[LATER_FILE] = _write_later(dataset, later, staging / LATER_FILE)
        leaks[LATER] = later.leaks()
    metadata = {
        **_counts(dataset, counted, languages),
        **_description(dataset),
        "augmentation": _augmentation(dataset.made, counted, languages),
        **(history.describe(dataset.options.until, later) if history else {}),
        "leak_report": leaks,
        "files": _spelled(files) | _digests(staging, [SPLITS_FILE, *_tokenizer_files(staging)]),
    }
    write_data_card(staging / PAGES[0], metadata)
    write_report(staging / PAGES[1], metadata, counted, _examples(dataset))
    # They show the digests of all other files, so theirs come last: what describes itself is the metadata alone.
    metadata["pages"] = _digests(staging, PAGES)
    write_metadata(staging / METADATA_FILE, metadata)
    return metadata


def _write_splits(dataset: BuiltDataset, staging: Path) -> dict[str, Written]:
    """The three files."""
    require_space(staging, least_bytes(dataset))
    with closing(RowReader(dataset)) as reader:
        return {
            split: write_rows(staging / name, reader, dataset.order[split])
            for split, name in DATASET_FILES.items()
        }


def _write_later(dataset: BuiltDataset, later: LaterRows, path: Path) -> FileDigest:
    first_id = len(dataset.table)
    dataset = replace(dataset, corpus=later.corpus, made=later.made, table=later.table)
    require_space(path.parent, least_bytes(dataset))
    with closing(RowReader(dataset)) as reader:
        return later.write(path, reader.read(np.arange(len(later.table))), first_id)


def _tokenizer_files(staging: Path) -> list[str]:
    return sorted(f"tokenizer/{path.name}" for path in (staging / "tokenizer").iterdir())


def _digests(directory: Path, names: Iterable[str]) -> dict:
    return _spelled({name: digest(directory / name) for name in names})


def _spelled(digests: dict[str, FileDigest]) -> dict:
    return {name: {"sha256": file.sha256, "bytes": file.num_bytes} for name, file in digests.items()}


# --- counts ----------------------------------------------------------------------------------------------


def _languages(corpus: Corpus) -> list[str]:
    """Those of the files, the most frequent first."""
    counted = Counter(file.language for file in corpus.scan.files)
    return sorted(counted, key=lambda name: (-counted[name], name))


def _described_rows(dataset: BuiltDataset, languages: list[str]) -> np.ndarray:
    """What is counted of each row, in the order of the files."""
    files, table = dataset.corpus.scan.files, dataset.table
    rows = np.concatenate([dataset.order[name] for name in SPLITS])
    file = table.of_unit("file")[rows]
    fields = {
        "split": table.split[rows],
        "role": np.array([ROLES.index(f.role) for f in files], np.uint8)[file],
        "language": np.array([languages.index(f.language) for f in files], np.uint8)[file],
        "variant": table.of_unit("variant")[rows],
        "length": np.minimum(table.of_unit("num_tokens")[rows], dataset.plan.context_tokens),
        "complexity": table.complexity[rows],
    }
    dtype = [(name, {"length": "u4", "complexity": "f4"}.get(name, "u1")) for name in fields]
    described = np.empty(len(rows), dtype)
    for name, values in fields.items():
        described[name] = values
    return described


def _counts(dataset: BuiltDataset, counted: RowCounts, languages: list[str]) -> dict:
    files, table = dataset.corpus.scan.files, dataset.table
    rows_per_variant = counted.by_language_variant.sum(axis=0).tolist()
    total_tokens = int(counted.tokens_by_split.sum())
    per_split_role = counted.by_split_role.tolist()
    return {
        "total_sequences": counted.num_rows,
        **{f"{name}_sequences": rows for name, rows in _named(SPLITS, counted.rows_by_split).items()},
        "base_sequences": rows_per_variant[0],
        "augmented_sequences": sum(rows_per_variant[1:]),
        "duplicate_rows_dropped": table.dropped,
        "total_tokens": total_tokens,
        "padding_share": round(1 - total_tokens / (counted.num_rows * counted.window), 6),
        "split_notes": notes_on_split(dataset.corpus, table, dataset.order),
        "languages_table": languages,
        "files_per_language": dict(sorted(Counter(f.language for f in files).items())),
        "files_per_role": {name: sum(f.role == name for f in files) for name in ROLES},
        "rows_per_role": _named(ROLES, counted.by_split_role.sum(axis=0)),
        "rows_per_split_role": {
            name: dict(zip(ROLES, rows, strict=True))
            for name, rows in zip(SPLITS, per_split_role, strict=True)
        },
        "rows_per_variant": dict(zip(VARIANTS, rows_per_variant, strict=True)),
        "rows_per_language": _named(languages, counted.by_language_variant.sum(axis=1)),
        "tokens_per_language": _named(languages, counted.tokens_by_language),
    }


def _named(names: Iterable[str], counts: np.ndarray) -> dict[str, int]:
    return dict(zip(names, counts.tolist(), strict=True))


def notes_on_split(corpus: Corpus, table: RowTable, order: dict[str, np.ndarray]) -> list[str]:
    """`split_notes` of the rows as they are written."""
    paths = [file.path for file in corpus.scan.files]
    is_original, file = table.of_unit("variant") == VARIANTS.index(ORIGINAL), table.of_unit("file")
    held_out = {
        name: dict(Counter(paths[i] for i in file[order[name][is_original[order[name]]]].tolist()))
        for name in SPLITS[1:]
    }
    rows_per_split = {name: len(rows) for name, rows in order.items()}
    return split_notes(held_out, rows_per_split, len(np.unique(corpus.groups)), is_kept=bool(corpus.kept))


def _augmentation(made: MadeRows, counted: RowCounts, languages: list[str]) -> dict:
    """kind -> language -> files tried, files changed, rows written, refusals by reason."""
    found: dict[str, dict[str, dict]] = {}
    for (kind, language, outcome), count in sorted(made.yields.items()):
        rows = counted.by_language_variant[languages.index(language), VARIANTS.index(kind)]
        cell = found.setdefault(kind, {}).setdefault(
            language, {"files": 0, "changed": 0, "rows": int(rows), "refused": {}}
        )
        cell["files"] += count
        if outcome == "changed":
            cell["changed"] += count
        else:
            cell["refused"][outcome] = count
    return {kind: found[kind] for kind in AUGMENTATION_KINDS if kind in found}


# --- what it takes to build the same bytes again, and what it shows ---------------------------------------


def _description(dataset: BuiltDataset) -> dict:
    options, plan, corpus, tokenizer = dataset.options, dataset.plan, dataset.corpus, dataset.tokenizer
    scan = corpus.scan
    return {
        "format_version": FORMAT_VERSION,
        "source_repo": display(Path(os.path.realpath(options.root).rpartition("/")[2])),
        "repository_commit": scan.commit,
        "source_files_scanned": len(scan.files),
        "num_entries": scan.num_entries,
        "listed_by": scan.listed_by,
        **({"submodules": scan.submodules} if scan.submodules else {}),
        "skipped": scan.skipped,
        "skipped_examples": {reason: list(paths) for reason, paths in scan.skipped_paths.items()},
        "unreadable": list(scan.unreadable),
        "notes": scan.notes,
        "secrets_redacted": scan.secrets,
        **_groups(corpus),
        **({"splits_of": corpus.kept} if corpus.kept else {}),
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
        "learning_strategy": RECIPES[options.recipe].learning,
        "seed": options.seed,
        "options": {
            # By name: a path would make the same bytes differ by where the tokenizer lay.
            "tokenizer": options.tokenizer if options.tokenizer in ("auto", "local") else tokenizer.name,
            "max_tokens": plan.context_tokens,
            "recipe": options.recipe,
            "overlap": options.overlap,
            "augmentations": ",".join(options.kinds) or "none",
            "seed": options.seed,
            "core": list(options.core_globs),
            "test": list(options.test_globs),
            **({"include": list(options.include)} if options.include else {}),
            **({"exclude": list(options.exclude)} if options.exclude else {}),
            **({"submodules": True} if options.submodules else {}),
            "keep_secrets": options.keep_secrets,
            **({"until": options.until} if options.until else {}),
        },
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            **{name: version(name) for name in PACKAGES},
            **{name: version(name) for name in GRAMMARS},
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


def _examples(dataset: BuiltDataset) -> list[dict]:
    """A few before/after pairs of each kind, drawn by path."""
    chosen, seed = [], dataset.options.seed
    taken: Counter[str] = Counter()
    for example in sorted(
        dataset.made.examples, key=lambda e: key_for(seed, "example", e["kind"], e["path"])
    ):
        if taken[example["kind"]] < MAX_EXAMPLES_PER_KIND:
            taken[example["kind"]] += 1
            chosen.append(example)
    return chosen
