"""What must hold of a finished dataset. Every function takes the facts and returns what is wrong, in lines.

Nothing is taken from the metadata that the rows can say: counts, digests, sizes, roles, splits and overlaps
are worked out again and compared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import numpy as np
from dataset_facts import Facts
from dataset_rows import FILE_KEYS, MASKED, SHOWN_PER_TOPIC

from corpus.records import DATASET_FILES, METADATA_FILE, ROLES, SPLITS, VARIANTS

SHARES = {"train": 85.0, "val": 10.0, "test": 5.0}
WEIGHT_OF = {"core": ("high", 3.0), "util": ("medium", 1.0), "test": ("low", 0.3)}
DIGEST_KEY = "metadata_sha256"
REQUIRED = {
    "total_sequences": int,
    "train_sequences": int,
    "val_sequences": int,
    "test_sequences": int,
    "base_sequences": int,
    "augmented_sequences": int,
    "source_files_scanned": int,
    "tokenizer": (str, dict),
    "vocab_size": int,
    "max_tokens_per_sequence": int,
    "overlap_tokens": int,
    "total_tokens": int,
    "augmentation_techniques": list,
    "weighting_strategy": dict,
    "learning_strategy": str,
    "source_repo": str,
    "pad_token_id": int,
    "mask_token_id": int,
    "near_duplicate_groups": int,
    "files": dict,
    DIGEST_KEY: str,
}


def first_few(lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    hidden = len(lines) - SHOWN_PER_TOPIC
    return lines[:SHOWN_PER_TOPIC] + [f"... and {hidden:,} more"] * (hidden > 0)


def where(facts: Facts, row: np.void) -> str:
    """File and line of a row, and what it is a window of."""
    path = facts.files[row["file"]][0]
    name = DATASET_FILES[SPLITS[row["split"]]]
    return (
        f"{name}:{row['line']} ({path}, {VARIANTS[row['variant']]}, window {row['chunk']} of {row['total']})"
    )


def named(facts: Facts, rows: np.ndarray, say: Callable[[np.void], str]) -> list[str]:
    """The first few of `rows` with what `say` says of each."""
    shown = [f"{where(facts, row)}: {say(row)}" for row in rows[:SHOWN_PER_TOPIC]]
    return shown + [f"... and {len(rows) - SHOWN_PER_TOPIC:,} more"] * (len(rows) > SHOWN_PER_TOPIC)


# ----------------------------------------------------------- metadata


def metadata_is_complete(facts: Facts) -> list[str]:
    told = []
    for key, kind in REQUIRED.items():
        got = facts.metadata.get(key)
        if not isinstance(got, kind) or isinstance(got, bool):
            told.append(f"{METADATA_FILE}: {key} must be {kind}, got {got!r:.60}")
    unsigned = {key: value for key, value in facts.metadata.items() if key != DIGEST_KEY}
    digest = hashlib.sha256(_canonical(unsigned)).hexdigest()
    if facts.metadata.get(DIGEST_KEY) != digest:
        told.append(f"{METADATA_FILE}: {DIGEST_KEY} must be {digest}, got {facts.metadata.get(DIGEST_KEY)}")
    path = facts.directory / METADATA_FILE
    if path.is_file() and path.read_bytes() != _canonical(facts.metadata):
        told.append(f"{METADATA_FILE}: not as it was written (sorted keys, two spaces, a newline at the end)")
    return told


def _canonical(metadata: dict) -> bytes:
    return (
        json.dumps(metadata, sort_keys=True, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    )


def files_have_their_digests(facts: Facts) -> list[str]:
    """sha256 and size of every file that the metadata lists, and no data file that it does not list."""
    listed = facts.metadata.get("files")
    if not isinstance(listed, dict):
        return []
    told = []
    for name in (*DATASET_FILES.values(), "tokenizer/tokenizer.json"):
        if name not in listed:
            told.append(f"{METADATA_FILE}: files does not list {name}")
    for name, recorded in listed.items():
        path = facts.directory / name
        if not path.is_file():
            told.append(f"{name}: the file is missing")
            continue
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        got = {"sha256": digest, "bytes": path.stat().st_size}
        told += [
            f"{name}: {key} is {value}, {METADATA_FILE} says {recorded.get(key)}"
            for key, value in got.items()
            if recorded.get(key) != value
        ]
    return told


def tokenizer_fits(facts: Facts) -> list[str]:
    path = facts.directory / "tokenizer" / "tokenizer.json"
    try:
        config = json.loads(path.read_bytes())
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
    told = [
        f"{METADATA_FILE}: {key} must be {value}, got {metadata.get(key)}"
        for key, value in expected.items()
        if metadata.get(key) != value
    ]
    num_paths = len({values[0] for values in facts.files})
    if isinstance(scanned := metadata.get("source_files_scanned"), int) and scanned < num_paths:
        told.append(
            f"{METADATA_FILE}: source_files_scanned is {scanned}, but rows come from {num_paths} files"
        )
    return told


# ----------------------------------------------------------- windows of one file


def windows_cover_their_files(facts: Facts) -> list[str]:
    """Overlapping windows hold the same tokens where they overlap, and no window is missing unexplained."""
    rows = facts.rows
    originals = rows[rows["variant"] == 0]
    told = _streams_agree(facts, originals)
    missing = _missing_windows(facts)
    recorded = facts.metadata.get("duplicate_rows_dropped")
    if missing != recorded:
        told.append(
            f"{missing} windows are missing, but {METADATA_FILE} says {recorded} were dropped as duplicates"
        )
    return told


def _streams_agree(facts: Facts, originals: np.ndarray) -> list[str]:
    """All windows of an original file count the same windows, each is there once."""
    order = np.lexsort((originals["chunk"], path_ids(facts)[originals["file"]]))
    ordered, paths = originals[order], path_ids(facts)[originals["file"]][order]
    same_file = paths[1:] == paths[:-1]
    twice = ordered[1:][same_file & (ordered["chunk"][1:] == ordered["chunk"][:-1])]
    told = named(facts, twice, lambda row: "this window stands twice")
    odd = ordered[1:][same_file & (ordered["total"][1:] != ordered["total"][:-1])]
    return told + named(
        facts, odd, lambda row: f"total_chunks {row['total']} differs from the file's other rows"
    )


def _missing_windows(facts: Facts) -> int:
    """Windows that total_chunks promises and no row holds; `token_masking` rows are single, not a series."""
    rows = facts.rows[facts.rows["variant"] != MASKED]
    streams = np.stack([path_ids(facts)[rows["file"]], rows["variant"], rows["total"]], axis=1)
    _, stream, sizes = np.unique(streams, axis=0, return_inverse=True, return_counts=True)
    copies = np.zeros(len(sizes), np.int64)  # two variants of one kind may have equally many windows
    pairs, counts = np.unique(np.stack([stream, rows["chunk"]], axis=1), axis=0, return_counts=True)
    np.maximum.at(copies, pairs[:, 0], counts)
    totals = np.zeros(len(sizes), np.int64)
    totals[stream] = rows["total"]
    return int((copies * totals - sizes).sum())


def overlaps_agree(facts: Facts) -> list[str]:
    """Every stretch of a file that several windows hold reads the same in all of them."""
    rows = facts.rows[facts.rows["total"] > 1]
    stride, count = facts.layout.stride, facts.layout.segments
    variant = np.where(rows["variant"] == MASKED, 0, rows["variant"])  # labels are windows of the original
    first = -(-rows["start"] // stride)
    places = np.repeat(
        np.stack([path_ids(facts)[rows["file"]], variant, rows["total"]], axis=1), count, axis=0
    )
    place = np.column_stack([places, (first[:, None] + np.arange(count)).ravel()])
    hashes = rows["segments"].reshape(-1)
    held, row_of = hashes != 0, np.repeat(np.arange(len(rows)), count)
    place, hashes, row_of = place[held], hashes[held], row_of[held]
    return _disagreements(facts, rows, place, hashes, row_of)


def _disagreements(
    facts: Facts, rows: np.ndarray, place: np.ndarray, hashes: np.ndarray, row_of: np.ndarray
) -> list[str]:
    if not len(place):
        return []
    _, place_id = np.unique(place, axis=0, return_inverse=True)
    allowed = _copies_of_a_place(rows, place_id, row_of)
    order = np.lexsort((hashes, place_id))
    ids, sorted_hashes = place_id[order], hashes[order]
    is_new = np.ones(len(ids), bool)
    is_new[1:] = (ids[1:] != ids[:-1]) | (sorted_hashes[1:] != sorted_hashes[:-1])
    readings = np.bincount(ids[is_new])
    bad = np.flatnonzero(readings > allowed)
    first_row = np.zeros(len(readings), np.int64)
    first_row[place_id[::-1]] = row_of[::-1]
    return named(
        facts, rows[first_row[bad]], lambda row: "an overlapping window of the same file has other tokens"
    )


def _copies_of_a_place(rows: np.ndarray, place_id: np.ndarray, row_of: np.ndarray) -> np.ndarray:
    """How many texts a place may have: 1, or 2 where a kind made two variants with as many windows."""
    window = rows["chunk"][row_of]
    plain = rows["variant"][row_of] != MASKED
    pairs, counts = np.unique(np.stack([place_id, window], axis=1)[plain], axis=0, return_counts=True)
    allowed = np.ones(place_id.max() + 1, np.int64)
    np.maximum.at(allowed, pairs[:, 0], counts)
    return allowed


def path_ids(facts: Facts) -> np.ndarray:
    """file index -> number of its path (a path has one file index unless its rows contradict each other)."""
    index: dict[str, int] = {}
    return np.array([index.setdefault(values[0], len(index)) for values in facts.files], dtype=np.int64)


# ----------------------------------------------------------- augmentation


def kinds_are_declared(facts: Facts) -> list[str]:
    declared = facts.metadata.get("augmentation_techniques")
    if not isinstance(declared, list):
        return []
    present = {VARIANTS[index] for index in np.unique(facts.rows["variant"])} - {VARIANTS[0]}
    told = [
        f"rows of type {kind}, which {METADATA_FILE} does not declare"
        for kind in sorted(present - set(declared))
    ]
    told += [
        f"{METADATA_FILE} declares {kind}, but no row has it" for kind in sorted(set(declared) - present)
    ]
    return told + ["there is no original row"] * (not (facts.rows["variant"] == 0).any())


def masked_rows_hide_original_rows(facts: Facts) -> list[str]:
    """The labels of a masked row are the tokens of an original row: of the same window where that is kept."""
    rows = facts.rows
    originals, masked = rows[rows["variant"] == 0], rows[rows["variant"] == MASKED]
    known = set(map(tuple, originals["digest"].tolist()))
    window = _window_digests(facts, originals)
    paths = path_ids(facts)[masked["file"]].tolist()
    keys = zip(paths, masked["chunk"].tolist(), masked["start"].tolist(), strict=True)
    digests = list(map(tuple, masked["unmasked"].tolist()))
    wrong = [
        i
        for i, (key, digest) in enumerate(zip(keys, digests, strict=True))
        if window.get(key, digest) != digest or digest not in known
    ]
    return named(facts, masked[wrong], lambda row: "its labels are not the tokens of the original window")


def _window_digests(facts: Facts, rows: np.ndarray) -> dict[tuple, tuple]:
    paths = path_ids(facts)[rows["file"]].tolist()
    keys = zip(paths, rows["chunk"].tolist(), rows["start"].tolist(), strict=True)
    return dict(zip(keys, map(tuple, rows["digest"].tolist()), strict=True))


def variants_lie_beside_their_originals(facts: Facts) -> list[str]:
    rows, paths = facts.rows, path_ids(facts)
    home = {
        (path, split)
        for path, split in zip(paths[rows["file"]].tolist(), rows["split"].tolist(), strict=True)
    }
    originals = rows[rows["variant"] == 0]
    with_original = set(zip(paths[originals["file"]].tolist(), originals["split"].tolist(), strict=True))
    lonely = {path for path, split in home - with_original}
    picked = rows[(rows["variant"] != 0) & np.isin(paths[rows["file"]], sorted(lonely))]
    return named(facts, picked, lambda row: "no original row of its file lies in its split")


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
    for path, directory, extension, *_ in facts.files:
        pure = PurePosixPath(path)
        if directory != ("" if str(pure.parent) == "." else str(pure.parent)):
            told.append(f"{path}: directory must be {pure.parent}, got {directory!r}")
        if extension.lower() != pure.suffix.lower():
            told.append(f"{path}: file_extension must be {pure.suffix!r}, got {extension!r}")
    return first_few(told)


TEST_PARTS = {"test", "tests", "spec", "specs", "__tests__", "testdata"}
CORE_PARTS = {"src", "crates", "lib", "pkg", "internal", "core"}
TEST_NAME = re.compile(
    r"test_[^/]*\.py|[^/]*_test\.(py|go|rs)|[^/]*\.(test|spec)\.[^/]*|[^/]*Test\.java|conftest\.py"
)


def roles_follow_paths(facts: Facts) -> list[str]:
    """Roles worked out again from the paths, where no flag named globs of its own."""
    if _has_role_globs(facts.metadata):
        return []
    told = []
    for path, _, _, _, is_core, is_test, *_ in facts.files:
        *parts, name = path.split("/")
        expect_test = bool(TEST_PARTS & set(parts) or TEST_NAME.fullmatch(name))
        if is_test != expect_test:
            told.append(f"{path}: is_test must be {expect_test}, got {is_test}")
        elif not is_test and CORE_PARTS & set(parts) and not is_core:
            told.append(f"{path}: lies in {sorted(CORE_PARTS & set(parts))}, so is_core must be true")
        elif is_core and not parts:
            told.append(f"{path}: lies at the top, so is_core must be false")
    return first_few(told)


def _has_role_globs(metadata: dict) -> bool:
    options = metadata.get("options", {})
    return bool(options.get("core") or options.get("test"))


def exposure_is_3_1_03(facts: Facts) -> list[str]:
    """What a trainer that honours `weight` sees of each role, per row: 3 : 1 : 0.3 within 5 %."""
    weight = np.array([values[FILE_KEYS.index("weight")] for values in facts.files])[facts.rows["file"]]
    is_core = np.array([values[FILE_KEYS.index("is_core")] for values in facts.files])[facts.rows["file"]]
    is_test = np.array([values[FILE_KEYS.index("is_test")] for values in facts.files])[facts.rows["file"]]
    masks = {"core": is_core & ~is_test, "util": ~is_core & ~is_test, "test": is_test}
    told = []
    for role, mask in masks.items():
        if mask.any() and abs(weight[mask].mean() / WEIGHT_OF[role][1] - 1) > 0.05:
            told.append(
                f"{role} rows weigh {weight[mask].mean():.3f} on average, expected {WEIGHT_OF[role][1]}"
            )
    recorded = facts.metadata.get("rows_per_role")
    counted = {role: int(mask.sum()) for role, mask in masks.items()}
    if recorded is not None and {role: recorded.get(role, 0) for role in ROLES} != counted:
        told.append(f"{METADATA_FILE}: rows_per_role must be {counted}, got {recorded}")
    return told


# ----------------------------------------------------------- curriculum


def train_is_ordered(facts: Facts) -> list[str]:
    train = facts.rows[facts.rows["split"] == 0]
    falls = np.flatnonzero(np.diff(train["complexity"]) < 0) + 1
    before = dict(zip(train["line"][falls].tolist(), train["complexity"][falls - 1].tolist(), strict=True))
    return named(
        facts, train[falls], lambda row: f"complexity {row['complexity']} after {before[int(row['line'])]}"
    )


def complexity_is_a_property_of_the_window(facts: Facts) -> list[str]:
    """Finite, not negative, varied; and a masked row has that of the window it masks."""
    rows = facts.rows
    odd = rows[~(np.isfinite(rows["complexity"]) & (rows["complexity"] >= 0))]
    told = named(facts, odd, lambda row: f"complexity must be a finite number >= 0, got {row['complexity']}")
    distinct = len(np.unique(rows["complexity"]))
    if len(rows) >= 20 and distinct < len(np.unique(rows["unmasked"], axis=0)) // 20:
        told.append(f"{len(rows):,} rows have only {distinct} different complexities")
    originals = rows[rows["variant"] == 0]
    score = dict(zip(map(tuple, originals["digest"].tolist()), originals["complexity"].tolist(), strict=True))
    masked = rows[rows["variant"] == MASKED]
    wrong = [
        i
        for i, row in enumerate(masked)
        if score.get(tuple(row["unmasked"].tolist()), row["complexity"]) != row["complexity"]
    ]
    return told + named(facts, masked[wrong], lambda row: "its complexity is not that of the window it masks")


def complexity_follows_the_tokens(facts: Facts) -> list[str]:
    """Rank correlation with something counted here: the distinct tokens of each window."""
    rows = facts.rows
    if len(rows) < 100 or len(np.unique(rows["distinct"])) < 10:
        return []
    rho = _rank_correlation(rows["complexity"], rows["distinct"])
    if rho < 0.3:
        return [
            f"rank correlation of complexity and distinct tokens of a window is {rho:.2f}, expected >= 0.3"
        ]
    return []


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, with equal values at their mean rank."""
    ranks = []
    for values in (a, b):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        ranks.append((ends - (counts + 1) / 2)[inverse])
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


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


def split_is_85_10_5(facts: Facts) -> list[str]:
    shares = split_shares(facts)
    far = {name: share for name, share in shares.items() if abs(share - SHARES[name]) > 2}
    if not far or facts.metadata.get("split_notes"):
        return []
    return [
        f"{name} holds {share:.1f} % of the rows, expected {SHARES[name]:.0f} % within 2 points"
        for name, share in far.items()
    ]


def split_shares(facts: Facts) -> dict[str, float]:
    counts = np.bincount(facts.rows["split"], minlength=len(SPLITS))
    return {name: 100 * float(counts[i]) / max(1, len(facts.rows)) for i, name in enumerate(SPLITS)}


def nothing_stands_twice(facts: Facts) -> list[str]:
    rows = facts.rows
    told = _repeated(facts, rows["seq_id"], lambda row: f"seq_id {row['seq_id']} is used before")
    _, digests = np.unique(rows["digest"], axis=0, return_inverse=True)
    return told + _repeated(facts, digests.reshape(-1), lambda row: "the same tokens stand in an earlier row")


def _repeated(facts: Facts, values: np.ndarray, say: Callable[[np.void], str]) -> list[str]:
    is_repeat = np.ones(len(values), bool)
    is_repeat[np.unique(values, return_index=True)[1]] = False
    return named(facts, facts.rows[is_repeat], say)


def memory_stays_small(facts: Facts) -> list[str]:
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
