"""A dataset's metadata, rows and examples as the report and the data card receive them, of any size."""

from __future__ import annotations

import numpy as np

from effectiveness.common.records import AUGMENTATION_KINDS, ROLES, SPLITS

ROW = np.dtype(
    [
        ("split", "u1"),
        ("role", "u1"),
        ("language", "u1"),
        ("variant", "u1"),
        ("length", "u4"),
        ("complexity", "f4"),
    ]
)
LANGUAGES = ["Rust", "Python", "Markdown", "TOML", "TypeScript", "Bash", "YAML", "JSON"]
WINDOW = 1024


def sample_rows(num_rows: int = 20_000, seed: int = 7) -> np.ndarray:
    """Rows as a build writes them: 85/10/5, train in order of complexity, most windows full."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(num_rows, ROW)
    sizes = [round(num_rows * 0.853), round(num_rows * 0.098)]
    rows["split"] = np.repeat([0, 1, 2], [*sizes, num_rows - sum(sizes)])
    rows["role"] = rng.choice(3, num_rows, p=[0.55, 0.27, 0.18])
    rows["variant"] = rng.choice(5, num_rows, p=[0.4, 0.12, 0.14, 0.2, 0.14])
    rows["length"] = np.where(rng.random(num_rows) < 0.7, WINDOW, rng.gamma(2, 160, num_rows).clip(3, WINDOW))
    rows["complexity"] = rng.gamma(2.2, 1.6, num_rows)
    for split in range(3):
        part = rows["split"] == split
        rows["complexity"][part] = np.sort(rows["complexity"][part])
    simple = rng.random(num_rows) * 12 > rows["complexity"]
    rows["language"] = np.where(
        simple,
        rng.choice(8, num_rows, p=[0.2, 0.1, 0.4, 0.1, 0.05, 0.05, 0.05, 0.05]),
        rng.choice(2, num_rows, p=[0.8, 0.2]),
    )
    return rows


def sample_metadata(rows: np.ndarray) -> dict:
    """Metadata that agrees with `rows`."""
    per_split = np.bincount(rows["split"], minlength=3)
    files = {
        "Rust": 1480,
        "Python": 210,
        "Markdown": 322,
        "TOML": 98,
        "TypeScript": 74,
        "Bash": 61,
        "YAML": 55,
        "JSON": 39,
    }
    skipped = {
        "binary": 212,
        "generated": 41,
        "lock file": 9,
        "vendored": 130,
        "minified": 4,
        "encoded data": 3,
        "too large": 1,
        "symbolic link": 17,
    }
    read = sum(files.values())
    return {
        "total_sequences": len(rows),
        **{f"{name}_sequences": int(per_split[i]) for i, name in enumerate(SPLITS)},
        "base_sequences": int((rows["variant"] == 0).sum()),
        "augmented_sequences": int((rows["variant"] != 0).sum()),
        "source_files_scanned": read,
        "num_entries": read + sum(skipped.values()),
        "tokenizer": "local byte-level BPE",
        "tokenizer_reason": "microsoft/codebert-base is neither cached nor reachable",
        "split_notes": [],
        "unreadable": [],
        "duplicate_rows_dropped": {"comment_toggle": 31, "original": 2},
        "tokenizer_sha256": "5f" * 32,
        "vocab_size": 16384,
        "max_tokens_per_sequence": WINDOW,
        "overlap_tokens": 768,
        "total_tokens": int(rows["length"].sum()),
        "augmentation_techniques": list(AUGMENTATION_KINDS),
        "weighting_strategy": {"high_priority": 3.0, "medium_priority": 1.0, "low_priority": 0.3},
        "learning_strategy": "curriculum",
        "source_repo": "the-block",
        "repository_commit": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
        "options": {
            "seed": 42,
            "recipe": "founding",
            "overlap": 0.75,
            "augmentations": "all",
            "tokenizer": "auto",
            "keep_secrets": False,
            "core": [],
            "max_tokens": 1024,
        },
        "seed": 42,
        "versions": {
            "python": "3.11",
            "numpy": "2.4.6",
            "tokenizers": "0.23.3",
            "gigatoken": "0.10.0",
            "tree-sitter": "0.26.1",
        },
        "files": {
            f"training_data_{name}.jsonl": {"sha256": f"{i}a" * 32, "bytes": 98_765_432}
            for i, name in enumerate(SPLITS)
        },
        "languages_table": LANGUAGES,
        "files_per_language": files,
        "files_per_role": {"core": 1290, "util": 618, "test": read - 1290 - 618},
        "rows_per_split_role": {
            s: {r: int(((rows["split"] == i) & (rows["role"] == j)).sum()) for j, r in enumerate(ROLES)}
            for i, s in enumerate(SPLITS)
        },
        "rows_per_language": {name: int((rows["language"] == i).sum()) for i, name in enumerate(LANGUAGES)},
        "tokens_per_language": {
            name: int(rows["length"][rows["language"] == i].sum()) for i, name in enumerate(LANGUAGES)
        },
        "skipped": skipped,
        "skipped_examples": {
            reason: [f"assets/{reason.replace(' ', '_')}/{i}.bin" for i in range(5)] for reason in skipped
        },
        "notes": {"CRLF line ends": 12, "longest line over 1000 characters": 3},
        "secrets_redacted": {"AWS access key": 2, "private key block": 1, "JSON web token": 4},
        "augmentation": _augmentation(),
        "near_duplicate_groups": {
            "groups": 41,
            "files_in_groups": 118,
            "largest": [
                [f"crates/node{i}/src/lib.rs" for i in range(9)],
                ["a/mod.rs", "b/mod.rs", "c/mod.rs"],
                ["LICENSE", "docs/LICENSE"],
            ],
        },
        "leak_report": {
            "span_tokens": 50,
            "sampled_one_in": 1,
            "exact": True,
            "held_out": {
                "val": _leaks(rows=1960, half=11, spans=812_220, shared=13_400),
                "test": _leaks(rows=980, half=4, spans=401_002, shared=5_118),
            },
            "spans_in_val_and_test": 2_000,
            "equal_rows": 0,
            "equal_rows_across": {"train and val": 0, "train and test": 0, "val and test": 0},
            "files_in_two_splits": 0,
            "files_in_two_splits_examples": [],
        },
        "hardware": {
            "device": "cpu",
            "device_name": "",
            "memory_bytes": 0,
            "tier": "Limited",
            "context_tokens": WINDOW,
            "overlap_tokens": 768,
            "reason": "no GPU",
        },
    }


def _leaks(*, rows: int, half: int, spans: int, shared: int) -> dict:
    pair = {"file": "crates/wallet/src/keys.rs", "train_file": "crates/ledger/src/keys.rs"}
    return {
        "rows": rows,
        "rows_without_span": 12,
        "rows_half_shared": half,
        "spans": spans,
        "shared": shared,
        "share": round(shared / spans, 6),
        "examples": [pair],
    }


def _augmentation() -> dict:
    refused = {
        "no local names": 310,
        "every name poisoned": 122,
        "syntax error": 14,
        "equal to its source": 60,
    }
    grammars = {"Rust": 1480, "Python": 210, "TypeScript": 74, "Bash": 61}
    return {
        kind: {
            language: {
                "files": n,
                "changed": n * (9 - k) // 10,
                "rows": n * (k + 1),
                "refused": {r: m * n // 1480 for r, m in refused.items()},
            }
            for language, n in grammars.items()
            if (kind, language) != ("variable_renaming", "Bash")
        }
        for k, kind in enumerate(AUGMENTATION_KINDS)
    }


_RUST = """/// Sum of the fees that were paid in this block.
pub fn total_fees(block: &Block) -> Result<u64, FeeError> {
    // Fees are checked: a block with an overflow is invalid.
    let mut total = 0u64;
    for tx in &block.transactions {
        let fee = tx.inputs_value()? - tx.outputs_value()?;
        total = total.checked_add(fee).ok_or(FeeError::Overflow)?;
    }
    Ok(total)
}
"""
_COMPACT = """/// Sum of the fees that were paid in this block.
pub fn total_fees(block: &Block) -> Result<u64, FeeError> { // Fees are checked: no overflow.
    let mut total = 0u64; for tx in &block.transactions { let fee = tx.inputs_value()? - tx.outputs_value()?;
        total = total.checked_add(fee).ok_or(FeeError::Overflow)?; }
    Ok(total) }
"""


def sample_examples() -> list[dict]:
    path = "crates/ledger/src/fees.rs"
    texts = {
        "variable_renaming": _RUST.replace("total ", "amount ")
        .replace("total.", "amount.")
        .replace("(total)", "(amount)")
        .replace("fee ", "cost ")
        .replace("(fee)", "(cost)"),
        "comment_toggle": _RUST.replace(
            "    // Fees are checked: a block with an overflow is invalid.\n", ""
        ),
        "format_variation": _COMPACT,
        "token_masking": _RUST.replace("total.checked_add(fee)", "<mask>"),
    }
    return [
        {"kind": kind, "language": "Rust", "path": path, "before": _RUST, "after": text}
        for kind, text in texts.items()
    ]
