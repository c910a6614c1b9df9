"""Walk a repository: every directory entry becomes a candidate file or a counted reason.

The walk holds a few descriptors however deep the tree is, follows no link, and does not go down into what it
leaves out: such a directory is one entry. Directories that are walked through are no entries themselves.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from effectiveness.common.ownership import MARKER, SIGNATURE, is_marker
from effectiveness.common.paths import escape_path
from effectiveness.common.publish import STAGING
from effectiveness.common.records import METADATA_FILE
from effectiveness.corpus.scan import ignoring
from effectiveness.corpus.scan.absent import Absent, absent_from
from effectiveness.corpus.scan.beneath import Beneath, UnstableFile
from effectiveness.corpus.scan.beside import (
    beside_reason,
    documentation_reason,
    is_built_twice,
    is_installed_by_pip,
    made_below,
    others_reason,
)
from effectiveness.corpus.scan.directories import foreign_reason, written_reason
from effectiveness.corpus.scan.picking import Picks
from effectiveness.corpus.scan.recorded import RECORDED, recorded
from effectiveness.corpus.scan.releases import COMPILED_STYLES, EARLIER, compiled_styles, earlier
from effectiveness.corpus.scan.selecting import NESTED, CommitTree, ListedByGit, Selection, selection_of
from effectiveness.corpus.scan.submodules import WithSubmodules, with_submodules
from effectiveness.corpus.scan.translations import translations
from effectiveness.corpus.scan.vendored import PROJECT, is_all_downloads, is_download

MAX_FILE_BYTES = 16 << 20  # the largest real source files (amalgamations) have 9 MB; above lies data
MAX_EXAMPLE_PATHS = 20  # per reason, for the report

LINK = "symbolic link"
SPECIAL = "FIFO, socket or device"
VANISHED = "vanished while scanning"
TOO_LARGE = f"too large (over {MAX_FILE_BYTES >> 20} MB)"
OWN_OUTPUT = "own output"
EXCLUDED = "excluded by --exclude"
_ALWAYS_CLOSED = frozenset({OWN_OUTPUT, EXCLUDED})  # whatever --include says

_METADATA = frozenset({b".git", b".hg", b".svn", b".bzr", b"CVS", b".jj"})
_VENDOR_MARKS = frozenset({b"modules.txt", b"autoload.php", b"composer", b"bundle"})  # Go, PHP, PHP, Ruby
_CACHE_MARK = b"Signature: 8a477f597d28d172789f06886806bc55"  # https://bford.info/cachedir/
_UNFINISHED = re.compile(STAGING.pattern.encode(), re.DOTALL)  # left behind by a killed run


class Candidate(NamedTuple):
    """A regular file that no name or place rules out."""

    path: bytes
    num_bytes: int
    handwritten: bool = (
        False  # .gitattributes says `-linguist-generated`: no marker in the text overrules that
    )
    is_documentation: bool = False  # .gitattributes says so: no core of anything
    language: str = ""  # what .gitattributes says of it
    is_included: bool = False  # by --include: no named rule leaves it out
    is_translation: bool = False  # by its name, beside those of other languages


@dataclass(slots=True)
class Tally:
    """Reasons and how often; the first paths of each; and what could not be read."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, reason: str, path: bytes, *, unreadable: bool = False) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLE_PATHS:
            examples.append(escape_path(path))
        if unreadable:
            self.unreadable.append(escape_path(path))

    def merge(self, other: Tally) -> None:
        """Add what a worker counted."""
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            examples = self.examples.setdefault(reason, [])
            examples += other.examples[reason][: MAX_EXAMPLE_PATHS - len(examples)]
        self.unreadable += other.unreadable

    def add_error(self, error: OSError, path: bytes) -> None:
        self.add(error_reason(error), path, unreadable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the walk found."""

    candidates: list[Candidate]  # sorted by path bytes
    tally: Tally
    packages: frozenset[bytes]  # directories at the root that hold an __init__.py
    listed_by: str  # "git", or who else and why
    commit: str  # HEAD, "" outside git
    absent: Absent | None = None  # None outside git
    submodules: dict[str, str] = field(default_factory=dict)  # those that were read -> the commit of each
    unmet: tuple[str, ...] = ()  # flags of the user's whose patterns match no path


def error_reason(error: OSError) -> str:
    """The reason for an entry the system would not let us read."""
    if error.errno == errno.ENOENT:
        return VANISHED
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
        return "replaced while scanning"
    return f"unreadable: {errno.errorcode.get(error.errno or 0, 'OSError')}"


def list_repository(
    root: Path,
    own_output: tuple[Path, ...] = (),
    tree: CommitTree | None = None,
    picks: Picks | None = None,
    *,
    submodules: bool = False,
) -> Listing:
    """Walk the tree at `root`. `own_output` are directories of ours, `tree` is the commit that was written there, if
    any; `picks` are the user's. Raises OSError for the root only, UserError for `submodules` that nobody lists."""
    root = root.resolve()
    own = frozenset(
        os.fsencode(path.relative_to(root))
        for path in map(Path.resolve, own_output)
        if path.is_relative_to(root)
    )
    selection, listed_by, commit = (tree, "git", tree.commit) if tree else selection_of(root)
    if submodules:
        selection = with_submodules(root, selection, listed_by)
    with Beneath(root) as place:
        walk = _Walk(place, selection, own, picks or Picks())
        walk.run()
    for path, reason in sorted(tree.unplaced.items()) if tree else ():
        walk.tally.add(reason, path)
    return Listing(
        candidates=_with_translations(_without_copies(sorted(walk.candidates), walk.tally)),
        tally=walk.tally,
        packages=frozenset(walk.packages),
        listed_by=listed_by,
        commit=commit,
        absent=absent_from(root, *selection.counts(root))
        if isinstance(selection, ListedByGit | WithSubmodules)
        else None,
        submodules=selection.commits() if isinstance(selection, WithSubmodules) else {},
        unmet=picks.unmet() if picks else (),
    )


def _without_copies(candidates: list[Candidate], tally: Tally) -> list[Candidate]:
    """Count what programs under test or a compiler wrote, and earlier documents: for that all names must be known."""
    paths = [candidate.path for candidate in candidates]
    reasons = dict.fromkeys(earlier(paths), EARLIER) | dict.fromkeys(compiled_styles(paths), COMPILED_STYLES)
    reasons |= dict.fromkeys(recorded(paths), RECORDED)
    kept = []
    for candidate in candidates:
        reason = reasons.get(candidate.path)
        if reason and not (candidate.is_included or candidate.handwritten):
            tally.add(reason, candidate.path)
        else:
            kept.append(candidate)
    return kept


def _with_translations(candidates: list[Candidate]) -> list[Candidate]:
    """Say of each whether it is a translation: for that all names must be known, too."""
    foreign = translations(candidate.path for candidate in candidates)
    return [candidate._replace(is_translation=candidate.path in foreign) for candidate in candidates]


class _Walk:
    """One walk: directories still to visit on a list of its own, names in byte order."""

    def __init__(self, place: Beneath, selection: Selection, own: frozenset[bytes], picks: Picks):
        self._place = place
        self._selection = selection
        self._own = own
        self._picks = picks
        self._submodules = selection.opened if isinstance(selection, WithSubmodules) else {}
        self._ajar: dict[bytes, str] = {}  # directories open for --include alone: why they are closed else
        self._attributes = ignoring.AttributeFiles()
        self._at_root: frozenset[bytes] = frozenset()
        self.candidates: list[Candidate] = []
        self.tally = Tally()
        self.packages: set[bytes] = set()
        self._npm_packages: set[bytes] = set()  # directories with a package.json
        self._of_pip: set[bytes] = set()  # and those into which pip installed packages of others
        self._made: dict[bytes, str] = {}  # why those are left out beside which lies what they belong to
        self._built_twice: set[bytes] = set()  # and those of packages that hold nothing but builds

    def run(self) -> None:
        waiting = [b""]
        while waiting:
            directory = waiting.pop()
            try:
                waiting += reversed(self._visit(directory))
            except OSError as error:
                if not directory:
                    raise
                self.tally.add_error(error, directory)

    def _visit(self, directory: bytes) -> list[bytes]:
        """Count or keep the entries of one directory; returns the directories in it, sorted."""
        if directory and self._is_closed(directory, self._name_reason(directory)):
            return []
        names = frozenset(map(os.fsencode, os.listdir(self._place.directory(directory))))
        if directory and self._is_closed(directory, self._content_reason(directory, names)):
            return []
        self._at_root = self._at_root if directory else names
        if b"__init__.py" in names and directory and b"/" not in directory:
            self.packages.add(directory)
        if b"package.json" in names:
            self._npm_packages.add(directory)
        if directory and is_installed_by_pip(names):
            self._of_pip.add(directory)
        self._made |= {self._below(directory, name): reason for name, reason in made_below(names).items()}
        if is_built_twice(names) or (directory.rpartition(b"/")[0] in self._built_twice and directory):
            self._built_twice.add(directory)
        self._selection.enter(directory, names, self._place)
        self._attributes.enter(directory, names, self._place)
        return self._sort_entries(directory, sorted(names))

    def _is_closed(self, directory: bytes, reason: str) -> bool:
        """Whether the directory is left out as a whole, and counted; else what is in it may be for this reason."""
        reason = reason or self._ajar.get(directory.rpartition(b"/")[0], "")
        if not reason:
            return False
        if reason in _ALWAYS_CLOSED or not self._picks.lead_into(directory):
            self.tally.add(reason, directory)
            return True
        self._ajar[directory] = reason
        return False

    def _sort_entries(self, directory: bytes, names: list[bytes]) -> list[bytes]:
        directories, all_names, twice = [], frozenset(names), directory in self._built_twice
        descriptor = self._place.directory(directory)
        for name in names:
            path = self._below(directory, name)
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                self.tally.add_error(error, path)
                continue
            if stat.S_ISDIR(found.st_mode) and name not in _METADATA:
                directories.append(path)
            elif reason := self._entry_reason(path, name, found):
                self.tally.add(reason, path)
            elif (made := beside_reason(name, all_names, twice=twice)) and not self._is_kept(path):
                self.tally.add(made, path)
            else:
                self.candidates.append(self._candidate(path, found.st_size))
        return directories

    @staticmethod
    def _below(directory: bytes, name: bytes) -> bytes:
        return directory + b"/" + name if directory else name

    def _is_kept(self, path: bytes) -> bool:
        """Whether no name that lies beside it counts: by --include or .gitattributes."""
        return self._picks.includes(path) or self._attributes.decide(path, b"linguist-generated") is False

    def _candidate(self, path: bytes, num_bytes: int) -> Candidate:
        language = self._attributes.decide(path, ignoring.LANGUAGE)
        return Candidate(
            path=path,
            num_bytes=num_bytes,
            handwritten=self._attributes.decide(path, b"linguist-generated") is False,
            is_documentation=self._attributes.decide(path, b"linguist-documentation") is True,
            language=language.decode("utf-8", "replace") if isinstance(language, bytes) else "",
            is_included=self._picks.includes(path),
        )

    def _entry_reason(self, path: bytes, name: bytes, found: os.stat_result) -> str:
        """Why an entry that is no directory to walk is left out; "" to keep it."""
        is_excluded = self._picks.excludes(path, is_directory=False)
        is_included = self._picks.includes(path)
        if name in _METADATA:
            return f"{name.decode().lstrip('.').lower()} metadata"
        if stat.S_ISLNK(found.st_mode):
            return LINK
        if not stat.S_ISREG(found.st_mode):
            return SPECIAL
        if is_excluded:
            return EXCLUDED
        if found.st_size > MAX_FILE_BYTES:
            return TOO_LARGE
        if is_included:
            return ""
        if reason := self._ajar.get(path.rpartition(b"/")[0]) or self._selection.file_reason(path):
            return reason
        if self._attributes.decide(path, b"linguist-vendored"):
            return "vendored: .gitattributes"
        if self._attributes.decide(path, b"linguist-generated"):
            return "generated: .gitattributes"
        return ""

    def _name_reason(self, path: bytes) -> str:
        """Why a directory is not even opened; "" to open it."""
        name = path.rpartition(b"/")[2]
        if path in self._own or _UNFINISHED.fullmatch(name):
            return OWN_OUTPUT
        if self._picks.excludes(path, is_directory=True):
            return EXCLUDED
        if reason := self._selection.directory_reason(path):
            return reason
        beside_package_json = path.rpartition(b"/")[0] in self._npm_packages
        if reason := written_reason(path, beside_package_json=beside_package_json):
            return reason
        return "" if self._not_vendored(path) else foreign_reason(path)

    def _content_reason(self, path: bytes, names: frozenset[bytes]) -> str:
        """Why a directory with these names in it is not walked; "" to walk it."""
        if b".git" in names and path not in self._submodules and self._is_repository(path):
            return NESTED
        if b"CACHEDIR.TAG" in names and self._is_cache(path):
            return "tool cache"
        if self._is_own_output(path, names):
            return OWN_OUTPUT
        if b".quilt_patches" in names:  # what quilt saves before it patches: the sources, once more
            return "tool cache"
        if b"pyvenv.cfg" in names:
            return "virtual environment"
        if reason := self._made.get(path) or documentation_reason(names):
            return reason
        if self._is_download(path, names) and not self._not_vendored(path):
            return PROJECT
        in_installed = path.rpartition(b"/")[0] in self._of_pip
        if (reason := others_reason(path, names, in_installed=in_installed)) and not self._not_vendored(path):
            return reason
        is_vendor = path.endswith(b"/vendor") and names & _VENDOR_MARKS and not self._not_vendored(path)
        return "vendored (vendor/)" if is_vendor else ""

    def _is_download(self, path: bytes, names: frozenset[bytes]) -> bool:
        directory, _, name = path.rpartition(b"/")
        is_all_there_is = not directory and is_all_downloads(self._at_root)
        return is_download(name, names, directory.rpartition(b"/")[2]) and not is_all_there_is

    def _not_vendored(self, path: bytes) -> bool:
        """Whether .gitattributes says `-linguist-vendored` of what lies in the directory."""
        return self._attributes.decide(path + b"/any", b"linguist-vendored") is False

    def _is_repository(self, path: bytes) -> bool:
        """Whether its .git is a file (submodule, linked work tree) or a directory with a HEAD, as git sees it."""
        dot_git = os.stat(b".git", dir_fd=self._place.directory(path), follow_symlinks=False)
        if stat.S_ISDIR(dot_git.st_mode):
            return b"HEAD" in map(os.fsencode, os.listdir(self._place.directory(path + b"/.git")))
        return stat.S_ISREG(dot_git.st_mode)

    def _is_cache(self, path: bytes) -> bool:
        return self._head(path + b"/CACHEDIR.TAG", len(_CACHE_MARK)) == _CACHE_MARK

    def _is_own_output(self, path: bytes, names: frozenset[bytes]) -> bool:
        """Whether it is a dataset or a model that this product wrote: no source of the next one."""
        metadata, marker = METADATA_FILE.encode(), MARKER.encode()
        if metadata in names and SIGNATURE in self._head(path + b"/" + metadata, MAX_FILE_BYTES):
            return True
        return marker in names and is_marker(self._head(path + b"/" + marker, MAX_FILE_BYTES))

    def _head(self, path: bytes, num_bytes: int) -> bytes:
        """The first bytes of a file that says what a directory is; nothing where it cannot be read."""
        try:
            return self._place.read_head(path, num_bytes)
        except (OSError, UnstableFile):
            return b""
