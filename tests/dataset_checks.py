"""What must hold of a finished dataset. Every function takes the facts and returns what is wrong, in lines.

Nothing is taken from the metadata that the rows can say: counts, digests, sizes, roles, splits and overlaps
are worked out again and compared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
from dataset_facts import Facts, file_values, first_few, named, role_masks
from dataset_rows import FILE_KEYS

from effectiveness.common.boundary import open_binary, read_bytes, read_text
from effectiveness.common.paths import no_time
from effectiveness.common.records import (
    DATASET_FILES,
    FORMAT_VERSION,
    METADATA_FILE,
    PAGES,
    SET_LANGUAGE,
    SPLITS,
    SPLITS_FILE,
    VARIANTS,
)
from effectiveness.corpus.data_card import data_card
from effectiveness.languages import LANGUAGES, may_be

SHARES = {"train": 85.0, "val": 10.0, "test": 5.0}
WEIGHT_OF = {"core": ("high", 3.0), "util": ("medium", 1.0), "test": ("low", 0.3)}


# ----------------------------------------------------------- metadata


def files_have_their_digests(facts: Facts) -> list[str]:
    """sha256 and size of every file that the metadata lists, and no data file that it does not list."""
    listed, pages = facts.metadata.get("files", {}), facts.metadata.get("pages", {})
    told = [f"{METADATA_FILE}: pages does not list {name}" for name in PAGES if name not in pages]
    for name in (*DATASET_FILES.values(), SPLITS_FILE, "tokenizer/tokenizer.json"):
        if name not in listed:
            told.append(f"{METADATA_FILE}: files does not list {name}")
    for name, recorded in (listed | pages).items():
        path = facts.directory / name
        if not path.is_file():
            told.append(f"{name}: the file is missing")
            continue
        with open_binary(path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        got = {"sha256": digest, "bytes": path.stat().st_size}
        told += [
            f"{name}: {key} is {value}, {METADATA_FILE} says {recorded[key]}"
            for key, value in got.items()
            if recorded[key] != value
        ]
    return told


_VERSION_OF_ROWS = re.compile(r"^ {2}version: .*\n", re.MULTILINE)


def pages_tell_of_this_dataset(facts: Facts) -> list[str]:
    """The data card has the front matter and numbers that the metadata give, the report the digest of every file."""
    told = []
    for name, tells in zip(PAGES, (_is_the_card, _shows_the_digests), strict=True):
        path = facts.directory / name
        if not path.is_file():
            continue  # told where digests are compared
        try:
            is_true = tells(facts.metadata, read_text(path))
        except (UnicodeDecodeError, KeyError):
            is_true = False
        told += [f"{name}: tells of another dataset than {METADATA_FILE}"] * (not is_true)
    return told


def _is_the_card(metadata: dict, text: str) -> bool:
    expected = data_card(metadata)
    if not _VERSION_OF_ROWS.search(text):  # an earlier release wrote none
        expected = _VERSION_OF_ROWS.sub("", expected)
    return _facts_of_card(text) == _facts_of_card(expected)


def _facts_of_card(text: str) -> tuple[str, list[str]]:
    """(the front matter, every number of the rest): another release may say the same in other words."""
    front, _, body = text.partition("\n---\n")
    return front, re.findall(r"[0-9][0-9a-f,.]*", body)


def _shows_the_digests(metadata: dict, page: str) -> bool:
    return all(recorded["sha256"] in page for recorded in metadata["files"].values())


def tokenizer_fits(facts: Facts) -> list[str]:
    path = facts.directory / "tokenizer" / "tokenizer.json"
    try:
        config = json.loads(read_bytes(path))
        added = {token["id"]: token["content"] for token in config["added_tokens"]}
        size = 1 + max([*config["model"]["vocab"].values(), *added])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"tokenizer/tokenizer.json: cannot be read: {error!r}"]
    told = []
    if size != facts.metadata.get("vocab_size"):
        told.append(f"{METADATA_FILE}: vocab_size must be {size}, got {facts.metadata.get('vocab_size')}")
    for name in ("pad", "mask"):
        token_id = facts.metadata.get(f"{name}_token_id")
        if name not in added.get(token_id, ""):
            told.append(
                f"{METADATA_FILE}: {name}_token_id {token_id} is {added.get(token_id)!r} in the tokenizer"
            )
    return told


def metadata_counts_are_right(facts: Facts) -> list[str]:
    """Everything countable, counted again."""
    rows, metadata = facts.rows, facts.metadata
    per_split = np.bincount(rows["split"], minlength=len(SPLITS))
    expected = {f"{name}_sequences": int(per_split[split]) for split, name in enumerate(SPLITS)}
    expected["total_sequences"] = len(rows)
    expected["base_sequences"] = int((rows["variant"] == 0).sum())
    expected["augmented_sequences"] = int((rows["variant"] != 0).sum())
    expected["total_tokens"] = int(rows["length"].sum())
    expected["weighting_strategy"] = {
        f"{priority}_priority": weight for priority, weight in WEIGHT_OF.values()
    }
    expected["format_version"] = FORMAT_VERSION
    expected |= _tables(facts)
    told = [
        f"{METADATA_FILE}: {key} must be {value}, got {metadata.get(key)}"
        for key, value in expected.items()
        if metadata.get(key) != value
    ]
    num_paths = len({values[0] for values in facts.files})
    scanned = metadata.get("source_files_scanned", num_paths)
    if scanned < num_paths:
        told.append(
            f"{METADATA_FILE}: source_files_scanned is {scanned}, but rows come from {num_paths} files"
        )
    return told


def _tables(facts: Facts) -> dict[str, dict]:
    """The metadata's tables of rows, without empty cells."""
    rows = facts.rows
    language = file_values(facts, "language")[rows["file"]]
    names, index = np.unique(language, return_inverse=True)
    tokens = np.bincount(index, weights=rows["length"]) if len(rows) else ()
    return {
        "rows_per_role": {role: int(mask.sum()) for role, mask in role_masks(facts).items()},
        "rows_per_variant": {name: int((rows["variant"] == i).sum()) for i, name in enumerate(VARIANTS)},
        "rows_per_language": dict(zip(names.tolist(), np.bincount(index).tolist(), strict=True)),
        "tokens_per_language": {name: int(count) for name, count in zip(names.tolist(), tokens, strict=True)},
    }


# ----------------------------------------------------------- weights and roles


def weights_follow_priority(facts: Facts) -> list[str]:
    told = []
    for values in facts.files:
        file = dict(zip(FILE_KEYS, values, strict=True))
        role = "test" if file["is_test"] else "core" if file["is_core"] else "util"
        if file["is_test"] and file["is_core"]:
            told.append(f"{file['source_file']}: both is_core and is_test")
        if (file["priority"], file["weight"]) != WEIGHT_OF[role]:
            expected, got = WEIGHT_OF[role], (file["priority"], file["weight"])
            told.append(
                f"{file['source_file']}: a {role} file must have (priority, weight) {expected}, got {got}"
            )
    return first_few(told)


def files_are_described_once(facts: Facts) -> list[str]:
    """Rows of one file say the same of it, and what they say fits its name."""
    times = Counter(values[0] for values in facts.files)
    told = [
        f"{path}: its rows contradict each other in {FILE_KEYS[1:]}" for path, n in times.items() if n > 1
    ]
    is_free = SET_LANGUAGE in facts.metadata.get("notes", {})  # .gitattributes may say anything
    for path, directory, extension, language, *_ in facts.files:
        if language not in LANGUAGES or not (is_free or may_be(path, language)):
            told.append(f"{path}: its name does not say {language!r}, and nothing else does")
        pure = PurePosixPath(path)
        parent = no_time("" if str(pure.parent) == "." else str(pure.parent))
        if directory != parent:
            told.append(f"{path}: directory must be {parent!r}, got {directory!r}")
        if path != no_time(path):
            told.append(f"{path}: reads like a time, so source_file must be {no_time(path)!r}")
        if extension.lower() != pure.suffix.lower():
            told.append(f"{path}: file_extension must be {pure.suffix!r}, got {extension!r}")
    return first_few(told)


TEST_PARTS = {"test", "tests", "spec", "specs", "__tests__", "testdata"}
CORE_PARTS = {"src", "crates", "lib", "pkg", "internal", "core"}
TEST_PROJECT = re.compile(r".*[a-z0-9.]Tests?", re.DOTALL)
TEST_NAME = re.compile(
    r"(test_.*|tests|conftest|.*_test)\.py|.*_test\.(go|rs|rb|exs|dart)|.*_spec\.rb|.*\.(test|spec)\.[^.]+"
    r"|.*Tests?\.(java|kt|scala|groovy|swift|cs|fs|vb|php)|.*Spec\.(hs|scala|groovy)",
    re.DOTALL,
)


def roles_follow_paths(facts: Facts) -> list[str]:
    """Roles worked out again from the paths, where no flag named globs of its own."""
    if _has_role_globs(facts.metadata):
        return []
    told = []
    for path, _, _, _, is_core, is_test, *_ in facts.files:
        *parts, name = path.split("/")
        lower = {part.lower() for part in parts}
        expect_test = bool(
            TEST_PARTS & lower or TEST_NAME.fullmatch(name) or any(map(TEST_PROJECT.fullmatch, parts))
        )
        core_parts = CORE_PARTS & lower | {"Source", "Sources"} & set(parts)
        if is_test != expect_test:
            told.append(f"{path}: is_test must be {expect_test}, got {is_test}")
        elif not is_test and core_parts and not is_core:
            told.append(f"{path}: lies in {sorted(core_parts)}, so is_core must be true")
        elif is_core and not parts:
            told.append(f"{path}: lies at the top, so is_core must be false")
    return first_few(told)


def _has_role_globs(metadata: dict) -> bool:
    options = metadata.get("options", {})
    return bool(options.get("core") or options.get("test"))


def exposure_is_3_1_03(facts: Facts) -> list[str]:
    """What a trainer that honours `weight` sees of each role, per row: 3 : 1 : 0.3 within 5 %."""
    weight = file_values(facts, "weight")[facts.rows["file"]]
    return [
        f"{role} rows weigh {weight[mask].mean():.3f} on average, expected {WEIGHT_OF[role][1]}"
        for role, mask in role_masks(facts).items()
        if mask.any() and abs(weight[mask].mean() / WEIGHT_OF[role][1] - 1) > 0.05
    ]


# ----------------------------------------------------------- splits, duplicates, sizes, padding


def splits_share_no_group(facts: Facts) -> list[str]:
    splits: dict[str, set[int]] = {}
    pairs = np.unique(np.stack([facts.rows["file"], facts.rows["split"]], axis=1), axis=0)
    for file, split in pairs.tolist():
        splits.setdefault(facts.files[file][0], set()).add(split)
    told = [f"{path}: rows in {_split_names(found)}" for path, found in splits.items() if len(found) > 1]
    for group in facts.metadata.get("file_groups", []):
        found = set().union(*(splits.get(path, set()) for path in group))
        if len(found) > 1:
            told.append(f"near-duplicates in {_split_names(found)}: {', '.join(group[:4])}")
    return first_few(told)


def _split_names(found: set[int]) -> str:
    return " and ".join(SPLITS[split] for split in sorted(found))


def leak_report_is_true(facts: Facts) -> list[str]:
    """The share of held-out 50-token spans that also stand in train, counted again.

    In big files in a sample, whose share is off by five standard deviations and one point in less than one honest
    dataset of a million.
    """
    told = []
    report = facts.metadata.get("leak_report")
    if report is None:
        return []
    for index, name in enumerate(SPLITS[1:], 1):
        recorded = report["held_out"][name]
        held_out = facts.spans[index]
        share = is_among(held_out, facts.spans[0]).mean() if len(held_out) else 0.0
        said = recorded["shared"] / max(1, recorded["spans"])
        is_exact = facts.layout.sample_bits == 0 and report["exact"]
        tolerance = 1e-9 if is_exact else 0.01 + 5 * np.sqrt(share * (1 - share) / max(1, len(held_out)))
        if abs(share - said) > tolerance:
            told.append(
                f"{100 * share:.2f} % of {name}'s spans stand in train, the leak report says {100 * said:.2f} %"
            )
    return told


def is_among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return ordered[at] == values if len(ordered) else np.zeros(len(values), bool)


def split_is_85_10_5(facts: Facts) -> list[str]:
    """85/10/5 of the rows within 2 points, or a note that says what it is instead and why."""
    shares = split_shares(facts)
    far = {name: share for name, share in shares.items() if abs(share - SHARES[name]) > 2}
    got = "/".join(f"{share:.0f}" for share in shares.values())
    if not far or any(f" {got} " in note for note in facts.metadata.get("split_notes", [])):
        return []
    return [
        f"{name} holds {share:.1f} % of the rows, expected {SHARES[name]:.0f} % within 2 points or a note"
        for name, share in far.items()
    ]


def split_shares(facts: Facts) -> dict[str, float]:
    counts = np.bincount(facts.rows["split"], minlength=len(SPLITS))
    return {name: 100 * float(counts[i]) / max(1, len(facts.rows)) for i, name in enumerate(SPLITS)}


def nothing_stands_twice(facts: Facts) -> list[str]:
    rows = facts.rows
    told = _repeated(facts, rows["seq_id"], lambda row: f"seq_id {row['seq_id']} is used before")
    beyond = rows[(rows["seq_id"] < 0) | (rows["seq_id"] >= len(rows))]
    told += named(facts, beyond, lambda row: f"seq_id must be in [0, {len(rows)}), got {row['seq_id']}")
    _, digests = np.unique(rows["digest"], axis=0, return_inverse=True)
    return told + _repeated(facts, digests.reshape(-1), lambda row: "the same tokens stand in an earlier row")


def _repeated(facts: Facts, values: np.ndarray, say: Callable[[np.void], str]) -> list[str]:
    is_repeat = np.ones(len(values), bool)
    is_repeat[np.unique(values, return_index=True)[1]] = False
    return named(facts, facts.rows[is_repeat], say)


def memory_stays_small(facts: Facts) -> list[str]:
    """The one check that is measured, not worked out: datasets of 14,000 to 55,000 rows took 0 to 8 MiB."""
    limit = 256 << 20
    if facts.grown_bytes > limit:
        return [
            f"reading took {facts.grown_bytes >> 20} MiB beyond what is kept, expected at most {limit >> 20}"
        ]
    return []


def padding_is_as_recorded(facts: Facts) -> list[str]:
    share = padding_share(facts)
    recorded = facts.metadata.get("padding_share")
    if recorded is not None and abs(recorded - share) > 1e-4:
        return [f"{METADATA_FILE}: padding_share must be {share:.4f}, got {recorded}"]
    return []


def padding_share(facts: Facts) -> float:
    return 1.0 - float(facts.rows["length"].sum()) / max(1, len(facts.rows) * facts.layout.window)
