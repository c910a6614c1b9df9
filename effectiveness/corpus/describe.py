"""What the metadata and the report say of a dataset: counted from its rows, never from intentions."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from effectiveness.common.jsonl import FileDigest, digest
from effectiveness.common.paths import spell
from effectiveness.common.recipes import RECIPES
from effectiveness.common.records import (
    AUGMENTATION_KINDS,
    ORIGINAL,
    ROLES,
    SPLITS,
    VARIANTS,
    WEIGHTS,
    BuildOptions,
    ContextPlan,
    Corpus,
    SourceFile,
)
from effectiveness.common.seeding import key_for
from effectiveness.corpus.rows import MadeRows
from effectiveness.corpus.rows.writing import RowTable
from effectiveness.corpus.split import split_notes
from effectiveness.corpus.tokenization import TokenizerInfo
from effectiveness.languages import LANGUAGES

FORMAT_VERSION = 2  # 1: labels in masked rows only, and another score where there is no grammar
MAX_EXAMPLES_PER_KIND = 4
MAX_LISTED_GROUPS = 12
PACKAGES = ("numpy", "orjson", "tokenizers", "gigatoken", "rensa", "tree-sitter")
GRAMMARS = sorted(
    {row.grammar.partition(":")[0].replace("_", "-") for row in LANGUAGES.values() if row.grammar}
)


def counts_of(plan: ContextPlan, corpus: Corpus, table: RowTable, order: dict[str, np.ndarray]) -> dict:
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
    return {
        "total_sequences": len(table),
        **{f"{name}_sequences": count for name, count in split_counts.items()},
        "base_sequences": int(is_original.sum()),
        "augmented_sequences": int((~is_original).sum()),
        "duplicate_rows_dropped": table.dropped,
        "total_tokens": total_tokens,
        "padding_share": round(1 - total_tokens / capacity, 6),
        "split_notes": notes_on_split(corpus, table, order),
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


def notes_on_split(corpus: Corpus, table: RowTable, order: dict[str, np.ndarray]) -> list[str]:
    """`split_notes` of the rows as they are written."""
    paths = [file.path for file in corpus.scan.files]
    is_original, file = table.of_unit("variant") == VARIANTS.index(ORIGINAL), table.of_unit("file")
    held_out = {
        name: dict(Counter(paths[i] for i in file[order[name][is_original[order[name]]]].tolist()))
        for name in SPLITS[1:]
    }
    rows_per_split = {name: len(rows) for name, rows in order.items()}
    return split_notes(held_out, rows_per_split, len(np.unique(corpus.groups)))


def _languages(files: tuple[SourceFile, ...]) -> tuple[list[str], np.ndarray]:
    """(names, uint8 index of each file's language), the most frequent first."""
    counted = Counter(file.language for file in files)
    names = sorted(counted, key=lambda name: (-counted[name], name))
    return names, np.array([names.index(file.language) for file in files], np.uint8)


def description_of(
    options: BuildOptions, plan: ContextPlan, corpus: Corpus, tokenizer: TokenizerInfo
) -> dict:
    """Everything that is needed to build the same bytes again."""
    scan = corpus.scan
    return {
        "format_version": FORMAT_VERSION,
        "source_repo": spell(Path(os.path.realpath(options.root).rpartition("/")[2])),
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


def augmentation_of(made: MadeRows, table: RowTable, corpus: Corpus) -> dict:
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
        if (counted := found.get(VARIANTS[variant], {}).get(language)) is not None:
            counted["rows"] = rows
    return {kind: found[kind] for kind in AUGMENTATION_KINDS if kind in found}


def _rows_per_variant_and_language(table: RowTable, corpus: Corpus) -> Iterator[tuple[tuple[int, str], int]]:
    names, language_of_file = _languages(corpus.scan.files)
    key = table.of_unit("variant").astype(np.int64) * len(names) + language_of_file[table.of_unit("file")]
    for value, count in zip(*np.unique(key, return_counts=True), strict=True):
        yield (int(value) // len(names), names[int(value) % len(names)]), int(count)


def file_digests(staging: Path, rows: dict[str, FileDigest]) -> dict:
    tokenizer_files = sorted(path.name for path in (staging / "tokenizer").iterdir())
    return _spelled(rows) | digests_of(staging, (f"tokenizer/{name}" for name in tokenizer_files))


def digests_of(directory: Path, names: Iterable[str]) -> dict:
    return _spelled({name: digest(directory / name) for name in names})


def _spelled(digests: dict[str, FileDigest]) -> dict:
    return {name: {"sha256": file.sha256, "bytes": file.num_bytes} for name, file in digests.items()}


def report_rows(
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


def chosen_examples(options: BuildOptions, made: MadeRows) -> list[dict]:
    """A few before/after pairs of each kind, drawn by path."""
    chosen = []
    taken: Counter = Counter()
    for example in sorted(
        made.examples, key=lambda e: key_for(options.seed, "example", e["kind"], e["path"])
    ):
        if taken[example["kind"]] < MAX_EXAMPLES_PER_KIND:
            taken[example["kind"]] += 1
            chosen.append(example)
    return chosen
