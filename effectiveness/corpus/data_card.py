"""The dataset's README.md: a data card whose front matter makes `datasets.load_dataset(DIR)` find the splits."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import yaml

from effectiveness.common.recipes import RECIPES, recipe_of
from effectiveness.common.records import DATASET_FILES, LATER_FILE, SPLITS

_HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
ROW_METADATA = {
    "seq_id": "int64",
    "source_file": "string",
    "directory": "string",
    "file_extension": "string",
    "language": "string",
    "chunk_index": "int64",
    "total_chunks": "int64",
    "start_token": "int64",
    "length": "int64",
    "complexity": "float64",
    "is_core": "bool",
    "is_test": "bool",
    "priority": "string",
    "weight": "float64",
    "augmentation_type": "string",
}
# size_categories as the Hub spells them: (rows below, category)
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def write_data_card(path: Path, metadata: dict) -> None:
    """Write the card to `path`. `metadata` is the content of dataset_metadata.json. Raises OSError."""
    path.write_text(data_card(metadata), encoding="utf-8", newline="\n")


def data_card(metadata: dict) -> str:
    """The card as text: the same metadata give the same text."""
    return f"---\n{_front_matter(metadata)}---\n\n{_body(metadata)}"


def _front_matter(metadata: dict) -> str:
    languages = sorted(name.lower() for name, rows in metadata["rows_per_language"].items() if rows)
    front = {
        "pretty_name": _plain(f"Training windows of {metadata['source_repo']}"),
        "task_categories": ["text-generation"],
        "size_categories": [_size(metadata["total_sequences"])],
        "tags": ["code", *languages],
        "configs": [
            {
                "config_name": "default",
                "version": _version(metadata["files"]),
                "data_files": [
                    {"split": _HUB_SPLITS[split], "path": DATASET_FILES[split]}
                    for split in SPLITS
                    if metadata[f"{split}_sequences"]  # a loader fails on a split without rows
                ],
            }
        ],
        "dataset_info": {"features": _features()},
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=math.inf)


def _version(files: dict[str, dict]) -> str:
    """Another one for other rows: `datasets` keeps what it has read by directory and version, and looks no further."""
    rows = "".join(files[name]["sha256"] for name in DATASET_FILES.values() if name in files)
    return f"0.0.{int(hashlib.sha256(rows.encode()).hexdigest()[:7], 16)}"


def _features() -> list[dict]:
    """The columns by name and type, those of the rows: `[-100]` are labels, too."""
    fields = [{"name": name, "dtype": kind} for name, kind in ROW_METADATA.items()]
    tokens = [{"name": name, "sequence": "int32"} for name in ("tokens", "labels")]
    return [*tokens, {"name": "metadata", "struct": fields}]


def _size(rows: int) -> str:
    return next((category for below, category in _SIZES if rows < below), "n>10M")


def _body(metadata: dict) -> str:
    window, overlap = metadata["max_tokens_per_sequence"], metadata["overlap_tokens"]
    rows = {split: metadata[f"{split}_sequences"] for split in SPLITS}
    table = "\n".join(f"| {split} | `{DATASET_FILES[split]}` | {rows[split]:,} |" for split in SPLITS)
    weights = metadata["weighting_strategy"]
    return _BODY.format(
        repo=_plain(metadata["source_repo"]),
        commit=_plain(metadata["repository_commit"]) or "none: it is not a git repository",
        files=f"{metadata['source_files_scanned']:,}",
        total=f"{metadata['total_sequences']:,}",
        base=f"{metadata['base_sequences']:,}",
        augmented=f"{metadata['augmented_sequences']:,}",
        window=window,
        table=table,
        tokenizer=_plain(str(metadata["tokenizer"])),
        vocab_size=f"{metadata['vocab_size']:,}",
        high=f"{weights['high_priority']:g}",
        medium=f"{weights['medium_priority']:g}",
        low=f"{weights['low_priority']:g}",
        kinds=", ".join(f"`{kind}`" for kind in metadata["augmentation_techniques"]) or "none",
        recipe=recipe_of(metadata),
        recipe_words=RECIPES[recipe_of(metadata)].words,
        overlap_words=_overlap_words(overlap),
        redacted=f"{sum(metadata['secrets_redacted'].values()):,}",
        later=_later(metadata),
    )


def _overlap_words(overlap: int) -> str:
    if overlap:
        return f"Windows of one file overlap by {overlap} tokens: token counts over rows are larger than the text."
    return "Windows of one file stand side by side; the last one ends with the file and repeats what it must."


def _later(metadata: dict) -> str:
    """The paragraph on what was committed later, with --until."""
    if "until" not in metadata:
        return ""
    facts = {key: metadata[key] for key in ("until", "commit_date")} | {"head": metadata["head_commit"]}
    if not metadata["later_sequences"]:
        return _NOTHING_LATER.format(**facts)
    counts = {key: f"{metadata[f'later_{key}']:,}" for key in ("sequences", "files", "scored_tokens")}
    return _LATER.format(file=LATER_FILE, **facts, **counts)


def _plain(text: str) -> str:
    """`text` without anything Markdown or HTML would act on; a repository's name is a stranger's words."""
    return "".join(char if char.isalnum() or char in " -_./:,@+()" else "\N{MIDDLE DOT}" for char in text)


_BODY = """\
# Training windows of {repo}

{total} rows of {window} tokens, cut from {files} source files of `{repo}` (commit {commit}):
{base} rows of original text and {augmented} variants of it. `report.html` beside this file shows what was found,
left out and why; `dataset_metadata.json` holds every option, count and digest.

| split | file | rows |
|---|---|---|
{table}

## Use it

```python
from datasets import load_dataset
from transformers import AutoTokenizer

dataset = load_dataset("path/to/this/directory")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/directory/tokenizer")

row = dataset["train"][0]
print(tokenizer.decode(row["tokens"][: row["metadata"]["length"]]))
```

## A row

- `tokens`: {window} ids of the tokenizer in `tokenizer/` ({tokenizer}, vocabulary {vocab_size}).
  Padding stands only at the end; `metadata.length` is the number of real tokens.
- `labels`: in rows of `token_masking` the original ids, where `tokens` has masked ones; in all others `[-100]`, so that
  every row has the same columns.
- `metadata`: `source_file`, `language`, `start_token`, `chunk_index` of `total_chunks` say where the window lies;
  `complexity` orders the training file; `weight` says how much the row counts, where a training asks for it;
  `augmentation_type` is `original` or one of: {kinds}.

{overlap_words}

## How it was made

- **Splits** are made of whole groups of near-duplicate files, so no file and no near-copy of one stands in two
  splits. Variants stay with their source. The leak report in `report.html` is computed from the written files.
- **Recipe** `{recipe}`: {recipe_words}. The trainer that comes with it finds the name in the metadata.
- **Weights**: core code {high}, utilities {medium}, tests {low}. Rows are never copied.
- **Order**: `training_data_train.jsonl` does not decrease in complexity, for a training with a curriculum.
- **Rewritten texts** are emitted only when proven to mean the same as their source; masked ones keep it in `labels`.
- **Secrets** found by structural rules were overwritten before tokenizing: {redacted}.

{later}## Before you publish it

The text is the source code of `{repo}`: its licence applies, and so do the rights of the people who wrote it.
Structural rules find keys and tokens, not personal data. Evaluate on `test`, never on files a model has seen.
"""

_LATER = """\
## What was committed later

The dataset is the repository as its history stood at {until} (commit of {commit_date}). `{file}` holds what HEAD
(commit {head}) has and that state has not:
{sequences} windows of {files} files, with {scored_tokens} new tokens.
A row's `metadata.scored` lists the ranges `[first, last)` of its tokens that are new: score these, the others are
their context. Text that the dataset holds anywhere, in spans of 50 tokens, is not among them. It is no split: a
model was trained on the rest of its files. Rows of the other files have no such key, so load this one alone.

"""
_NOTHING_LATER = """\
## What was committed later

Nothing: the dataset is the repository as its history stood at {until} (commit of {commit_date}), and HEAD
(commit {head}) has no new text.

"""
