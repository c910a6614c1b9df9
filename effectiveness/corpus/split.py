"""Train, validation and test: whole near-duplicate groups of files, so that nothing leaks between them."""

from __future__ import annotations

import numpy as np

from effectiveness.common.records import SHARE_TOLERANCE, SHARES, SPLITS
from effectiveness.common.seeding import key_for

LARGE_GROUP = 0.02  # of everything
MAX_SHARE = (
    0.1  # of a held-out split that one group may hold: else that split measures a file, not the repository
)
# Rows are estimated from bytes before there is a tokenizer; prose and tables take up to half as many more tokens.
ESTIMATE_MARGIN = 1.5
MAX_LACK = 0.2  # of its share that a held-out split may lack, before it takes larger groups


def assign_splits(groups: np.ndarray, sizes: np.ndarray, keys: list[str], seed: int) -> np.ndarray:
    """Give every file the split of its group, so that splits hold their shares of the total size.

    groups: int64[num_files], the group of each file. sizes: float64[num_files], its expected number of rows.
    keys: a name for each file that does not depend on where the repository lies (its path).
    Returns uint8[num_files] of indices into SPLITS.

    Each group goes to the split that lacks the largest part of its share; one that is more than MAX_SHARE of a
    held-out split goes to another. Only a split that then stays without a fifth of its share takes larger ones.
    """
    split_of_file = np.zeros(len(groups), np.uint8)
    if not len(groups):
        return split_of_file
    members, group_sizes = _members(groups, sizes)
    draws = [key_for(seed, "split", keys[files[0]]) for files in members]
    wanted = np.array([SHARES[name] for name in SPLITS]) * group_sizes.sum()
    most = np.array([np.inf, *(MAX_SHARE / ESTIMATE_MARGIN * wanted[1:])])  # of a group
    while True:
        split_of_group, lacking = _deal(group_sizes, draws, wanted, most)
        too_small = (lacking > MAX_LACK * wanted) & (most < wanted)
        if not too_small.any():
            break
        most = np.where(too_small, 2 * most, most)
    for files, split in zip(members, split_of_group, strict=True):
        split_of_file[files] = split
    return _fill_empty(split_of_file, members, group_sizes)


def _deal(
    sizes: np.ndarray, draws: list[int], wanted: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The split of each group, none larger than `most` of its split, and what each split lacks then.

    Groups above 2 % of everything come first, largest first, and never overfill a held-out split; then those that some
    split may not take; the others even things out. Within both they come in a seeded random order.
    """
    is_large, is_barred = sizes > LARGE_GROUP * sizes.sum(), sizes > most.min()
    order = sorted(
        range(len(sizes)),
        key=lambda g: (0, -sizes[g], draws[g]) if is_large[g] else (2 - is_barred[g], 0, draws[g]),
    )
    split, lacking = np.zeros(len(sizes), np.uint8), wanted.copy()
    for group in order:
        fits = (lacking >= sizes[group] / (1 if is_large[group] else 2)) & (sizes[group] <= most)
        fits[0] = True
        chosen = int(np.argmax(np.where(fits, lacking / wanted, -np.inf)))
        lacking[chosen] -= sizes[group]
        split[group] = chosen
    return split, lacking


def _members(groups: np.ndarray, sizes: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    return members, np.array([sizes[files].sum() for files in members])


def _fill_empty(split_of_file: np.ndarray, members: list[np.ndarray], sizes: np.ndarray) -> np.ndarray:
    """With few groups a held-out split may get none: give it the smallest train group while two remain there."""
    for wanted in (1, 2):
        if (split_of_file == wanted).any():
            continue
        in_train = [
            group for group in np.argsort(sizes, kind="stable") if split_of_file[members[group][0]] == 0
        ]
        if len(in_train) > 1:
            split_of_file[members[in_train[0]]] = wanted
    return split_of_file


def split_notes(
    rows_per_file: dict[str, dict[str, int]], rows_per_split: dict[str, int], num_groups: int
) -> list[str]:
    """What a person should know about a split: shares that were missed, a file that is more than a tenth of one.

    rows_per_file: the rows of originals of each file of a held-out split, by its path.
    """
    notes = [_missed_shares(rows_per_split, num_groups)]
    for name, rows in rows_per_file.items():
        largest, total = max(rows, key=lambda path: (rows[path], path), default=""), sum(rows.values())
        if total and rows[largest] > MAX_SHARE * total:
            share = f"{100 * rows[largest] / total:.0f} % of its {total:,} rows of originals"
            notes.append(
                f"{name}: {largest} is {share}, as there are too few others; it counts for less in the headline"
            )
    return [note for note in notes if note]


def _missed_shares(rows_per_split: dict[str, int], num_groups: int) -> str:
    total = sum(rows_per_split.values())
    missed = [
        name
        for name, share in SHARES.items()
        if abs(rows_per_split[name] - share * total) > SHARE_TOLERANCE * total
    ]
    if not total or not missed:
        return ""
    got = "/".join(f"{100 * rows_per_split[name] / total:.0f}" for name in SPLITS)
    return f"split is {got} instead of 85/10/5: {num_groups} groups of files cannot be divided closer"
