"""Train, validation and test: whole near-duplicate groups of files, so that nothing leaks between them."""

from __future__ import annotations

import numpy as np

from effectiveness.common.records import SHARE_TOLERANCE, SHARES, SPLITS
from effectiveness.common.seeding import key_for

LARGE_GROUP = 0.02


def assign_splits(groups: np.ndarray, sizes: np.ndarray, keys: list[str], seed: int) -> np.ndarray:
    """Give every file the split of its group, so that splits hold their shares of the total size.

    groups: int64[num_files], the group of each file. sizes: float64[num_files], its expected number of rows.
    keys: a name for each file that does not depend on where the repository lies (its path).
    Returns uint8[num_files] of indices into SPLITS.

    Each group goes to the split that lacks the largest part of its share. Groups above 2 % of everything come
    first, largest first, and never overfill a held-out split: one huge file must not become the whole test set.
    The others follow in a seeded random order and even things out.
    """
    split_of_file = np.zeros(len(groups), np.uint8)
    if not len(groups):
        return split_of_file
    members, group_sizes = _members(groups, sizes)
    is_large = group_sizes > LARGE_GROUP * group_sizes.sum()
    draws = [key_for(seed, "split", keys[files[0]]) for files in members]
    order = sorted(
        range(len(members)), key=lambda g: (0, -group_sizes[g], draws[g]) if is_large[g] else (1, 0, draws[g])
    )
    shares = np.array([SHARES[name] for name in SPLITS])
    lacking = shares * group_sizes.sum()
    for group in order:
        fits = lacking >= group_sizes[group] / (1 if is_large[group] else 2)
        fits[0] = True
        relative = np.where(fits, lacking / shares, -np.inf)
        chosen = int(np.argmax(relative))
        lacking[chosen] -= group_sizes[group]
        split_of_file[members[group]] = chosen
    return _fill_empty(split_of_file, members, group_sizes)


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


def split_note(rows_per_split: dict[str, int], num_groups: int) -> str:
    """What a person should know about a split that missed its shares; "" when it met them."""
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
