"""What the names of a whole repository say of copies: documents of an earlier release, which a site's generator keeps
for each, and style sheets that are compiled from others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

EARLIER = "generated: documents of an earlier release"

COMPILED_STYLES = "generated: a style sheet compiled from another"

MIN_RELEASES = 3  # beside each other
MIN_SHARED = 3  # documents; each release may have an index of its own

_RELEASE = re.compile(rb"(?:version[-_]?)?v?(\d{1,4}(?:\.(?:\d{1,4}|x)){1,3})")
_LATEST = frozenset(b"current latest next master main stable dev unreleased".split())
_OF_DOCUMENTS = frozenset(b"doc docs documentation mkdocs manual site website content".split())
_STYLES = (b".less", b".sass", b".scss", b".styl")
_OF_STYLES = re.compile(rb"(.*/|)(?:less|sass|scss|stylus)/([^/]+)", re.DOTALL)
_DOCUMENTS = (b".md", b".mdx", b".markdown", b".rst", b".adoc", b".asciidoc", b".txt", b".html")


def earlier(paths: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the paths that are documents which a later release beside theirs has, too.

    >>> names = [b"a.md", b"b.md", b"c.md"]
    >>> here = [b"docs/%s/%s" % (release, name) for release in (b"1.9", b"1.10", b"2.0") for name in names]
    >>> sorted({path.rpartition(b"/")[0] for path in earlier([*here, b"docs/1.9/only-then.md"])})
    [b'docs/1.10', b'docs/1.9']
    """
    copies: dict[tuple[bytes, bytes], list[tuple[tuple[int, ...], bytes]]] = defaultdict(list)
    releases: dict[bytes, set[bytes]] = defaultdict(set)
    for path in paths:
        if not path.endswith(_DOCUMENTS):
            continue
        names = path.split(b"/")
        for at, name in enumerate(names[1:-1], 1):
            release = _release(name)
            if release and not _OF_DOCUMENTS.isdisjoint(names[:at]):
                place = b"/".join(names[:at])
                releases[place].add(name)
                copies[place, b"/".join(names[at + 1 :])].append((release, path))
                break
    copied: dict[tuple[bytes, tuple[int, ...]], list[bytes]] = defaultdict(list)
    for (place, _), found in copies.items():
        for release, path in sorted(found)[:-1] if len(releases[place]) >= MIN_RELEASES else ():
            copied[place, release].append(path)
    return frozenset(path for found in copied.values() if len(found) >= MIN_SHARED for path in found)


def compiled_styles(paths: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the paths that are style sheets, and another of that name for a compiler lies with them or beside css/.

    >>> sorted(compiled_styles([b"css/a.css", b"less/a.less", b"css/b.css", b"a/c.css", b"a/c.scss", b"a/_d.scss"]))
    [b'a/c.css', b'css/a.css']
    """
    paths = list(paths)
    stems = {path.rpartition(b".")[0] for path in paths if path.endswith(_STYLES)}
    stems |= {_OF_STYLES.sub(rb"\1css/\2", stem) for stem in stems}
    return frozenset(path for path in paths if path.endswith(b".css") and path[:-4] in stems)


def _release(name: bytes) -> tuple[int, ...]:
    """What orders releases; () for a name that is none."""
    if name in _LATEST:
        return (1 << 30,)
    found = _RELEASE.fullmatch(name)
    return tuple(1 << 20 if part == b"x" else int(part) for part in found[1].split(b".")) if found else ()
