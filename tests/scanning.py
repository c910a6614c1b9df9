"""What the tests of the scan share: small trees by keyword, and stand-ins for the analysis of a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from effectiveness.common.records import ScanResult
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus.scan import ScanOptions, scan_repository


def analyse(texts: Sequence[bytes], languages: Sequence[str]) -> tuple[list[np.ndarray], set[str]]:
    macros = {"MACRO"} if "C" in languages else set()
    return [np.array([len(text), text.count(b"\n")], dtype=np.uint64) for text in texts], macros


def redact(texts: Sequence[bytes], *, only_sure=False, on_found=None) -> tuple[list[bytes], dict[str, int]]:
    for number, text in enumerate(texts):
        for line, content in enumerate(text.splitlines(), 1):
            if on_found and b"hunter2" in content:
                on_found(number, line, "password")
    count = sum(text.count(b"hunter2") for text in texts)
    return [text.replace(b"hunter2", b"xxxxxxx") for text in texts], {"password": count} if count else {}


def write(root: Path, **files: str | bytes) -> Path:
    """Files by keyword: "__" stands for "/", "_DOT_" for ".". Returns the root."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def scan_tree(
    root: Path, spool: Path, workers: int = 1, **options
) -> tuple[ScanResult, np.ndarray, frozenset[str]]:
    with WorkerPool(workers) as pool:
        return scan_repository(ScanOptions(root=root, **options), spool, pool, analyse=analyse, redact=redact)


def paths(result: ScanResult) -> list[str]:
    return [file.path for file in result.files]


def code(result: ScanResult) -> list[str]:
    """The paths, but for the rule files of git, which are text like any other."""
    return [path for path in paths(result) if not path.rpartition("/")[2].startswith(".git")]
