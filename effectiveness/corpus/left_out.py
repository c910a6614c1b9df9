"""What is said where little or nothing of a repository was read: by which rules, and the flag that lets it in."""

from __future__ import annotations

import re

from effectiveness.common.records import ScanResult

MOST = 3
FEW_FILES = 3
TIMES_MORE = 4  # left out than read, and it is worth a line
# No flag makes a source of these. Others have been asked for by name in their own reason.
_NO_WAY_IN = (
    *("binary", "not ", "empty", "symbolic link", "FIFO", "vanished", "replaced", "unreadable", "too large"),
    *("secret in its name", "own output", "excluded", "Git LFS", "a name ", "damaged", "a notebook without"),
    "submodule",
)
_PLAIN_PATH = re.compile(r"[\w./+@=-]+")  # neither a glob nor a shell would read it otherwise


def in_words(scan: ScanResult) -> str:
    """The most frequent reasons with their counts and, where a flag lets them in, that flag; "" if there is none."""
    most = _most(scan.skipped)
    listed = ", ".join(f"{count:,} {reason}" for reason, count in most)
    barred = [reason for reason, _ in most if has_way_in(reason)]
    if not barred:
        return listed
    examples = (path for reason in barred for path in scan.skipped_paths.get(reason, ()))
    example = next((path for path in examples if _PLAIN_PATH.fullmatch(path)), "")
    return f"{listed}; --include GLOB lets {_which(most, barred)} in" + (
        f", e.g. --include '/{example}'" if example else ""
    )


def is_little(scan: ScanResult) -> bool:
    """Whether so much more could be read than was that the reader should be told."""
    barred = sum(count for reason, count in scan.skipped.items() if has_way_in(reason))
    return barred > TIMES_MORE * len(scan.files) or (len(scan.files) < FEW_FILES and barred > 0)


def has_way_in(reason: str) -> bool:
    """Whether `--include` reads what was left out for it."""
    return not (reason.startswith(_NO_WAY_IN) or reason.endswith("metadata"))


def _most(skipped: dict[str, int]) -> list[tuple[str, int]]:
    told = [(reason, count) for reason, count in skipped.items() if not reason.endswith("metadata")]
    return sorted(told, key=lambda item: (-item[1], item[0]))[:MOST]


def _which(most: list[tuple[str, int]], barred: list[str]) -> str:
    return "them" if len(barred) == len(most) else " and ".join(f'"{reason}"' for reason in barred)
