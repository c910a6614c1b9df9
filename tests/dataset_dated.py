"""What the metadata say of the two states of a dataset built with --until: when, which commits, what is known."""

from __future__ import annotations

import re

from dataset_facts import Facts
from dataset_later import later_of
from dataset_metadata import fits, spell
from dataset_rows import SPAN_TOKENS

from effectiveness.common.records import LATER, LATER_FILE, METADATA_FILE

DATED = {
    "until": str,
    "commit_date": str,
    "head_commit": str,
    "later_commits": int,
    "later_sequences": int,
    "later_files": int,
    "later_scored_tokens": int,
}
LEAKS = {"span_tokens": int, "spans": int, "known_spans": int}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # as text in the order of time
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def later_is_dated(facts: Facts) -> list[str]:
    """All that belongs to a dataset of an earlier state, or nothing of it without --until."""
    metadata, is_there = facts.metadata, later_of(facts).is_there
    told = []
    if is_there or DATED.keys() & metadata.keys():
        told += _unlike(metadata, DATED) or _dates(metadata) + _commits(metadata, is_there)
    leaks = metadata.get("leak_report", {}).get(LATER)
    if is_there:
        told += _leaks(leaks)
    elif leaks is not None:
        told.append(f"leak_report tells of a {LATER} set that is not there")
    return [f"{METADATA_FILE}: {line}" for line in told]


def _unlike(found: dict, shapes: dict) -> list[str]:
    return [
        f"{key} must be {spell(shape)}, got {found.get(key)!r:.60}"
        for key, shape in shapes.items()
        if not fits(found.get(key), shape)
    ]


def _dates(metadata: dict) -> list[str]:
    until, dated = metadata["until"], metadata["commit_date"]
    asked = metadata.get("options", {}).get("until")
    told = [
        f"{key} must be a moment in UTC, got {metadata[key]!r:.60}"
        for key in ("until", "commit_date")
        if not MOMENT.fullmatch(metadata[key])
    ]
    told += [f"commit_date is {dated}, after until, {until}"] * (not told and dated > until)
    return told + [f"options.until must be {until!r}, got {asked!r:.60}"] * (asked != until)


def _commits(metadata: dict, is_there: bool) -> list[str]:
    head, count = metadata["head_commit"], metadata["later_commits"]
    if not COMMIT.fullmatch(head):
        return [f"head_commit must be the name of a commit, got {head!r:.60}"]
    is_later = head != metadata.get("repository_commit")
    if count < 0 or is_later != (count > 0) or (is_there and not is_later):
        word = "another" if is_later else "the same"
        return [f"later_commits is {count}, but head_commit is {word} commit as the dataset's"]
    return []


def _leaks(leaks: object) -> list[str]:
    if not fits(leaks, LEAKS):
        return [f"leak_report.{LATER} must be {spell(LEAKS)}, got {leaks!r:.60}"]
    if leaks["span_tokens"] != SPAN_TOKENS or not 0 <= leaks["known_spans"] <= leaks["spans"]:
        return [f"leak_report.{LATER} cannot be of {LATER_FILE}: {leaks}"]
    return []
