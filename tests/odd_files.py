"""Odd versions of a JSON file and of where it lies: what a damaged disk, another program or an enemy leaves.

Seeded: number k of a kind is the same on every machine.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

ODD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "\x00",
        "\ud800",
        "é" * 300,
        "../../etc/passwd",
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"a": {"b": []}},
    ),
)
DEPTH = 100_000


def odd_document(document: dict, rng: Random) -> object:
    """`document` with one to three odd values, keys or entries in it."""
    changed = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        _change(changed, rng)
    return changed


def _change(document: dict, rng: Random) -> None:
    holder = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = keys[rng.randrange(len(keys))]
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.3:
            break
        holder = holder[key]
    way = rng.randrange(4)
    if way == 0:
        del holder[key]
    elif way == 1:
        holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif isinstance(holder, list):
        holder.insert(rng.randint(0, len(holder)), copy.deepcopy(rng.choice((*ODD_VALUES, *holder))))
    elif way == 2:
        holder[rng.choice(("", "\ud800", "x", key + "x"))] = copy.deepcopy(rng.choice(ODD_VALUES))
    else:
        holder[key] = copy.deepcopy(rng.choice((*ODD_VALUES, *holder.values())))


def odd_bytes(raw: bytes, rng: Random) -> bytes:
    """`raw` as it is after a fault of the disk, in another encoding, or nested without end."""
    at = rng.randrange(len(raw))
    return rng.choice(
        (
            raw[:at],
            raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :],
            raw[:at] + bytes(rng.randrange(1, 99)) + raw[at:],
            b"\xef\xbb\xbf" + raw,
            raw.decode().encode("utf-16"),
            raw + raw,
            b"",
            b"[" * DEPTH,
            b'{"model":' * DEPTH,
            raw[:-1].rstrip().rstrip(b"}") + b', "model": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
            raw.replace(b'"', b"'"),
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        )
    )


def odd_place(path: Path, rng: Random) -> None:
    """Something else than a file stands at `path`, or nothing."""
    kept = path.with_name("kept")
    os.replace(path, kept)
    ways: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: path.mkdir(),
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(kept.parent, target_is_directory=True),
    )
    rng.choice(ways)()


def odd_file(path: Path, rng: Random, seal: Callable[[dict], bytes] | None = None) -> None:
    """Make the JSON file at `path` odd; with `seal`, half of the odd documents are spelled by it."""
    way = rng.random()
    if way < 0.1:
        odd_place(path, rng)
    elif way < 0.35:
        path.write_bytes(odd_bytes(path.read_bytes(), rng))
    else:
        document = odd_document(json.loads(path.read_bytes()), rng)
        raw = json.dumps(document).encode()
        if seal and isinstance(document, dict) and rng.random() < 0.6:
            raw = seal(document)
        path.write_bytes(raw)


def fresh_copy(source: Path, target: Path) -> Path:
    """A copy whose files can be replaced; what stood there before is removed."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
