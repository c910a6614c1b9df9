"""Step 1: repository -> the texts of its source files in one spool file, and a counted reason for everything else.

Worker processes take shards of about 1 MB, cut in path order: paths in, a shard file out. The parent joins the
shard files in order, so the result does not depend on the number of workers.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from effectiveness.common.paths import escape_path
from effectiveness.common.records import ScanResult, SourceFile, UserError
from effectiveness.common.workers import WorkerPool, cut_into_shards
from effectiveness.corpus.scan.beneath import Beneath
from effectiveness.corpus.scan.listing import Candidate, Listing, Tally, list_repository
from effectiveness.corpus.scan.picking import Picks, unmet
from effectiveness.corpus.scan.quality import notes_on
from effectiveness.corpus.scan.reading import Kept, read_all
from effectiveness.corpus.scan.roles import CORE_BY_PLACE, Roles
from effectiveness.corpus.scan.selecting import CommitTree

SHARD_BYTES = 1 << 20
FILE_OVERHEAD_BYTES = 2048  # what opening a file costs, in bytes of reading
SECRET_IN_NAME = "secret in its name"  # a row names its file, and another name would be no file's

# Texts and their languages -> the signature of each, and the macro names in all.
Analyse = Callable[[Sequence[bytes], Sequence[str]], tuple[list[np.ndarray], set[str]]]


class Redact(Protocol):
    """Texts -> texts of the same lengths, and redactions by rule; see `effectiveness.corpus.secrets.redact_all`."""

    def __call__(
        self,
        texts: Sequence[bytes],
        *,
        only_sure: bool = False,
        on_found: Callable[[int, int, str], None] | None = None,
    ) -> tuple[list[bytes], dict[str, int]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What to read and how. `own_output` are directories of ours, which may lie in the repository."""

    root: Path
    core_globs: tuple[str, ...] = ()
    test_globs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()  # globs of what no named rule leaves out
    exclude: tuple[str, ...] = ()  # globs of what is left out
    keep_secrets: bool = False
    locate_secrets: bool = False
    own_output: tuple[Path, ...] = ()
    submodules: bool = False  # read those that are checked out
    tree: CommitTree | None = None  # where a commit was written to the root, instead of a tree of the user's


class Shard(NamedTuple):
    """A worker's task. Everything in it can be sent to another process."""

    root: str
    candidates: list[Candidate]
    roles: Roles
    redact: Redact | None
    locate_secrets: bool
    analyse: Analyse
    spool: str  # where the texts of this shard go


class Spooled(NamedTuple):
    """A file whose text went into the spool: a `SourceFile`, but for where, which the parent knows."""

    path: str
    language: str
    role: str
    sha256: str
    num_bytes: int
    crlf: bool


class ShardResult(NamedTuple):
    """What a worker hands back."""

    files: list[Spooled]  # in the order of their texts in the spool
    signatures: np.ndarray  # of all files, one after another: thousands of arrays would leave holes
    signature_sizes: list[int]
    macros: set[str]
    tally: Tally
    secrets: dict[str, int]
    secret_places: list[tuple[str, int, str]]  # path, line, rule
    notes: dict[str, int]


def scan_repository(
    options: ScanOptions,
    spool: Path,
    pool: WorkerPool,
    *,
    analyse: Analyse,
    redact: Redact,
    on_listed: Callable[[], None] | None = None,
) -> tuple[ScanResult, list[np.ndarray], frozenset[str]]:
    """Read the repository at `options.root`; the texts go into the file `spool`, shard files beside it.

    analyse, redact: functions at module level, called in the workers.
    on_listed: called once between listing and reading.
    Returns the result, what `analyse` found of each file, and the names of all C and C++ macros.
    Raises UserError when the root is no readable directory or a worker was killed.
    """
    listing = _list(options)
    if on_listed:
        on_listed()
    roles = Roles(
        options.core_globs, options.test_globs, listing.packages, [one.path for one in listing.candidates]
    )
    shards = [
        Shard(
            root=os.fspath(options.root.resolve()),
            candidates=listing.candidates[cut.start : cut.stop],
            roles=roles,
            redact=None if options.keep_secrets else redact,
            locate_secrets=options.locate_secrets,
            analyse=analyse,
            spool=f"{spool}.{number}",
        )
        for number, cut in enumerate(_cuts(listing.candidates))
    ]
    with open(spool, "wb") as joined:
        results = []
        for shard, result in zip(shards, pool.map(scan_shard, shards), strict=True):
            _append(shard, joined)
            results.append(result)
    macros = frozenset().union(*(result.macros for result in results))
    summary = _summary(options, listing, results)
    if not options.keep_secrets:
        summary = _without_secret_names(summary, redact)
    return summary, _signatures(results), macros


def _without_secret_names(summary: ScanResult, redact: Redact) -> ScanResult:
    """The paths of what was left out are shown; files with such a name are no longer among those that were read."""

    def clean(paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(path.decode() for path in redact([path.encode() for path in paths], only_sure=True)[0])

    return replace(
        summary,
        skipped_paths={reason: clean(paths) for reason, paths in summary.skipped_paths.items()},
        unreadable=clean(summary.unreadable),
        submodules=dict(zip(clean([*summary.submodules]), summary.submodules.values(), strict=True)),
    )


def _signatures(results: list[ShardResult]) -> list[np.ndarray]:
    """What the workers found of each file."""
    sizes = [size for result in results for size in result.signature_sizes]
    joined = np.concatenate([np.empty(0, np.uint64), *(result.signatures for result in results)])
    return np.split(joined, np.cumsum(sizes))[:-1]


def _cuts(candidates: list[Candidate]) -> Iterable[range]:
    return cut_into_shards((file.num_bytes + FILE_OVERHEAD_BYTES for file in candidates), SHARD_BYTES)


def _list(options: ScanOptions) -> Listing:
    try:
        picks = Picks(options.include, options.exclude)
        return list_repository(
            options.root, options.own_output, options.tree, picks, submodules=options.submodules
        )
    except OSError as error:
        raise UserError(f"{options.root}: cannot be read as a directory: {error.strerror}") from error


def _append(shard: Shard, joined) -> None:
    """Move the shard's texts to the end of the joined spool file."""
    with open(shard.spool, "rb") as texts:
        shutil.copyfileobj(texts, joined, 1 << 20)
    os.unlink(shard.spool)


def _summary(options: ScanOptions, listing: Listing, results: list[ShardResult]) -> ScanResult:
    tally = listing.tally
    absent = listing.absent.note if listing.absent else {}
    for result in results:
        tally.merge(result.tally)
    files = _placed(file for result in results for file in result.files)
    return ScanResult(
        root=os.fspath(options.root),
        files=files,
        num_entries=len(files) + sum(tally.counts.values()),
        skipped=dict(sorted(tally.counts.items())),
        skipped_paths={reason: tuple(paths) for reason, paths in sorted(tally.examples.items())},
        unreadable=tuple(sorted(tally.unreadable)),
        secrets=_sum_counts(result.secrets for result in results),
        secret_places=tuple(place for result in results for place in result.secret_places),
        notes=_sum_counts([*(result.notes for result in results), absent]),
        commit=listing.commit,
        listed_by=listing.listed_by,
        absent=listing.absent.in_words if listing.absent else "",
        submodules=listing.submodules,
        unmet=(*listing.unmet, *_roles_unmet(options, listing)),
    )


def _roles_unmet(options: ScanOptions, listing: Listing) -> tuple[str, ...]:
    paths = [candidate.path for candidate in listing.candidates]
    return (*unmet("--core", options.core_globs, paths), *unmet("--test", options.test_globs, paths))


def _placed(spooled: Iterable[Spooled]) -> tuple[SourceFile, ...]:
    """The files, whose texts lie in the spool one after the other."""
    files, offset = [], 0
    for path, language, role, sha256, num_bytes, crlf in spooled:
        files.append(
            SourceFile(
                path=path,
                language=language,
                role=role,
                sha256=sha256,
                num_bytes=num_bytes,
                offset=offset,
                crlf=crlf,
            )
        )
        offset += num_bytes
    return tuple(files)


def _sum_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def scan_shard(shard: Shard) -> ShardResult:
    """Read the files of one shard and write their texts to its spool file."""
    tally = Tally()
    with Beneath(Path(shard.root)) as place:
        kept = read_all(place, _with_plain_names(shard, tally), tally)
    texts = [file.text for file in kept]
    secrets: dict = {}
    places: list[tuple[str, int, str]] = []
    if shard.redact:
        texts, secrets = shard.redact(
            texts,
            on_found=(lambda number, line, rule: places.append((escape_path(kept[number].path), line, rule)))
            if shard.locate_secrets
            else None,
        )
    signatures, macros = shard.analyse(texts, [file.language for file in kept])
    with open(shard.spool, "wb") as spool:
        spool.writelines(texts)
    files = [_spooled(file, text, shard.roles) for file, text in zip(kept, texts, strict=True)]
    notes = Counter(note for file in kept for note in (*notes_on(file.text), *file.notes) if note)
    read = zip(kept, files, strict=True)
    notes.update(
        CORE_BY_PLACE for one, file in read if file.role == "core" and shard.roles.is_core_by_place(one.path)
    )
    joined, sizes = np.concatenate((np.empty(0, np.uint64), *signatures)), [*map(len, signatures)]
    return ShardResult(files, joined, sizes, macros, tally, secrets, places, notes)


def _with_plain_names(shard: Shard, tally: Tally) -> list[Candidate]:
    """Leave out files whose path holds a secret: every row of theirs would show it."""
    if not shard.redact:
        return shard.candidates
    paths = [candidate.path for candidate in shard.candidates]
    plain = []
    for candidate, redacted in zip(shard.candidates, shard.redact(paths, only_sure=True)[0], strict=True):
        if redacted == candidate.path:
            plain.append(candidate)
        else:
            tally.add(SECRET_IN_NAME, redacted)
    return plain


def _spooled(file: Kept, text: bytes, roles: Roles) -> Spooled:
    """`text` is what goes into the spool."""
    return Spooled(
        path=escape_path(file.path),
        language=file.language,
        role=roles.role_of(file.path, is_documentation=file.is_documentation),
        sha256=file.sha256,
        num_bytes=len(text),
        crlf=b"\r" in text and b"\r\n" in text,  # a single byte is found at once
    )
