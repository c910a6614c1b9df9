"""Train, validation and test: whole near-duplicate groups of files, so that nothing leaks between them."""

from __future__ import annotations

import numpy as np

from effectiveness.common.console import count
from effectiveness.common.records import SHARE_TOLERANCE, SHARES, SPLITS
from effectiveness.common.seeding import key_for

MAX_SHARE = (
    0.1  # of a held-out split that one group may hold: else that split measures a file, not the repository
)
# Rows are estimated from bytes before there is a tokenizer; prose and tables take up to half as many more tokens.
ESTIMATE_MARGIN = 1.5
_FILLED_FIRST = (2, 1)  # test, then val: a group that moves between these two was never trained on
MAX_LACK = 0.2  # of its share that a held-out split may lack, before it takes larger groups


def assign_splits(
    groups: np.ndarray, sizes: np.ndarray, keys: list[str], seed: int, kept: np.ndarray | None = None
) -> np.ndarray:
    """Give every file the split of its group, so that splits hold their shares of the total size.

    groups: int64[num_files], the group of each file. sizes: float64[num_files], its expected number of rows.
    keys: a name for each file that does not depend on where the repository lies (its path).
    kept: uint8[num_files], the split that a file keeps; len(SPLITS) or more: none. A group gets the least of its files,
    so that train wins.
    Returns uint8[num_files] of indices into SPLITS.

    Groups stand in an order drawn by their names; the first fill test, the next val, the rest is train. So a file
    more or less moves the two borders a little, and few groups change sides. One that is more than MAX_SHARE of a
    held-out split does not go there. Only a split that then stays without a fifth of its share takes larger ones.
    """
    split_of_file = np.zeros(len(groups), np.uint8)
    if not len(groups):
        return split_of_file
    members, group_sizes = _members(groups, sizes)
    draws = np.array([_draw(seed, [keys[file] for file in files]) for files in members], np.uint64)
    given = np.full(len(members), len(SPLITS)) if kept is None else [kept[files].min() for files in members]
    given = np.minimum(given, len(SPLITS))
    wanted = np.array([SHARES[name] for name in SPLITS]) * group_sizes.sum()
    most = np.array([np.inf, *(MAX_SHARE / ESTIMATE_MARGIN * wanted[1:])])  # of a group
    while True:
        split_of_group, lacking = _deal(group_sizes, draws, given, wanted, most)
        too_small = (lacking > MAX_LACK * wanted) & (most < wanted)
        if not too_small.any():
            break
        most = np.where(too_small, 2 * most, most)
    _fill_empty(split_of_group, group_sizes, given)
    for files, split in zip(members, split_of_group, strict=True):
        split_of_file[files] = split
    return split_of_file


def _draw(seed: int, names: list[str]) -> int:
    """By one member, which is seldom the one that came last; groups of any size are drawn alike."""
    return key_for(seed, "split", min(key_for(seed, "member", name) for name in names))


def _deal(
    sizes: np.ndarray, draws: np.ndarray, given: np.ndarray, wanted: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The split of each group, none larger than `most` of its split, and what each split lacks then.

    The draw of a group that is too large for one held-out split is halved, so that it is dealt out earlier, to the
    other: else that one would hold small files only.
    `given`: int[groups], len(SPLITS) where nothing is given.
    """
    is_given = given < len(SPLITS)
    split = np.where(is_given, given, 0).astype(np.uint8)
    lacking = wanted - np.bincount(given[is_given], sizes[is_given], len(SPLITS))
    lacking[0] -= sizes[~is_given].sum()
    order = np.argsort(np.where(sizes > most.min(), draws >> 1, draws), kind="stable")
    for group in order[~is_given[order]].tolist():
        for held_out in _FILLED_FIRST:
            if lacking[held_out] >= sizes[group] / 2 and sizes[group] <= most[held_out]:
                split[group] = held_out
                lacking[[0, held_out]] += sizes[group], -sizes[group]
                break
    return split, lacking


def _members(groups: np.ndarray, sizes: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    return members, np.array([sizes[files].sum() for files in members])


def _fill_empty(split: np.ndarray, sizes: np.ndarray, given: np.ndarray) -> None:
    """With few groups a held-out split may get none: give it the smallest train group while two remain there."""
    for held_out in (1, 2):
        in_train = np.flatnonzero(split == 0)
        free = in_train[given[in_train] == len(SPLITS)]
        if not (split == held_out).any() and len(in_train) > 1 and len(free):
            split[free[np.argmin(sizes[free])]] = held_out


def split_notes(
    rows_per_file: dict[str, dict[str, int]],
    rows_per_split: dict[str, int],
    num_groups: int,
    *,
    is_kept: bool = False,
) -> list[str]:
    """What a person should know about a split: shares that were missed, a file that is more than a tenth of one.

    rows_per_file: the rows of originals of each file of a held-out split, by its path.
    """
    notes = [_missed_shares(rows_per_split, num_groups, is_kept)]
    for name, rows in rows_per_file.items():
        largest, total = max(rows, key=lambda path: (rows[path], path), default=""), sum(rows.values())
        if total and rows[largest] > MAX_SHARE * total:
            share = f"{100 * rows[largest] / total:.0f} % of its {count(total, 'row')} of originals"
            notes.append(
                f"{name}: {largest} is {share}, as there are too few others; it counts for less in the headline"
            )
    return [note for note in notes if note]


def _missed_shares(rows_per_split: dict[str, int], num_groups: int, is_kept: bool) -> str:
    total = sum(rows_per_split.values())
    missed = [
        name
        for name, share in SHARES.items()
        if abs(rows_per_split[name] - share * total) > SHARE_TOLERANCE * total
    ]
    if not total or not missed:
        return ""
    got = "/".join(f"{100 * rows_per_split[name] / total:.0f}" for name in SPLITS)
    why = f"files were dealt out in {count(num_groups, 'whole group')}, by the rows that their bytes made likely"
    return f"split is {got} instead of 85/10/5: {why}{' while those of the older dataset stay' * is_kept}"
