"""Files of data that are like many beside them: forty answers of one service, forty themes, icons or recordings.

Whatever program wrote them, what is not seen before is in the first few; the others would be most of a dataset's rows
of that repository. Alike are files whose lines, without numbers, strings and values, are those of most of their
neighbours. Code is never left out so, and documents are not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from effectiveness.languages import OFTEN_DATA, UNKNOWN, language_called

ALIKE = "data: like others beside it"

MIN_ALIKE = 8  # files in one directory, or of one name in those beside each other
NUM_KEPT = 4
SHARED_SHARE = 0.8  # of a file's different lines stand in
NEIGHBOURS_SHARE = 0.5  # of the files beside it
MIN_LINES = 3  # of a shorter file no share says anything

_STRINGS = re.compile(rb"\"[^\"\n]{0,400}\"(?![ \t]{0,8}:)|'[^'\n]{0,400}'(?![ \t]{0,8}:)")
_BEHIND = re.compile(rb"(?<=[:=>])[^\n<>]+")
_NUMBERS = re.compile(rb"\d[\w.]*")


# What each package of a workspace has of its own, and people write
_SETTINGS = re.compile(
    rb"(?:^|/)(?:[\w.-]*(?:package|manifest|config|settings|metadata|meta|info|readme|index)[\w-]*)\.\w+$",
    re.IGNORECASE,
)


class File(NamedTuple):
    """What is asked of a file that was read."""

    path: bytes
    language: str
    text: bytes
    is_asked_for: bool  # by --include or .gitattributes


def alike(files: Sequence[File]) -> set[int]:
    """Places of those files that are like others in their directory, but for the first NUM_KEPT of each kind."""
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)  # of one ending, or of one name
    for number, file in enumerate(files):
        if not file.is_asked_for and _is_of_data(file.language):
            directory, _, name = file.path.rpartition(b"/")
            groups[directory, name.rpartition(b".")[2]].append(number)
            if directory and not _SETTINGS.search(file.path):  # a/b/1/form.xml, a/b/2/form.xml
                groups[directory.rpartition(b"/")[0], name].append(number)
    return {
        number
        for members in groups.values()
        if len(members) >= MIN_ALIKE
        for number in _like_most([(number, _skeleton(files[number].text)) for number in members])
    }


def _is_of_data(name: str) -> bool:
    language = language_called(name)
    return language is None or language is UNKNOWN or language.is_data or name in OFTEN_DATA


def _like_most(skeletons: list[tuple[int, frozenset[bytes]]]) -> list[int]:
    """Of one group, those to leave out."""
    counts = Counter(line for _, lines in skeletons for line in lines)
    common = {line for line, count in counts.items() if count >= NEIGHBOURS_SHARE * len(skeletons)}
    like = [
        number
        for number, lines in skeletons
        if len(lines) >= MIN_LINES and len(lines & common) >= SHARED_SHARE * len(lines)
    ]
    return like[NUM_KEPT:] if len(like) >= MIN_ALIKE else []


def _skeleton(text: bytes) -> frozenset[bytes]:
    """Its different lines, without what stands for something else in each file."""
    bare = _NUMBERS.sub(b"0", _BEHIND.sub(b"", _STRINGS.sub(b"", text)))
    return frozenset(line for line in map(bytes.strip, bare.split(b"\n")) if line)
