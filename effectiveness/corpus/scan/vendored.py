"""Libraries of others that lie among what a server hands out, and whole projects put below a repository as they came:
by a version in their name, or by the banner that their makers put on top."""

from __future__ import annotations

import re

LIBRARY = "vendored (a library with its version)"
PROJECT = "vendored (a project as it was downloaded)"

_HEAD_BYTES = 1024
# jquery-1.2.6.js: nobody keeps the version of what is his in a name
_RELEASE = re.compile(
    r"[-._]v?\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:[-.]?(?:alpha|beta|rc)[\d.]{0,4})?(?:[._-](?:min|pack|all|full))?\.(?:js|css)"
)
_HANDED_OUT = re.compile(
    r"(?:^|/)(?:static|public|assets|www|htdocs|wwwroot|webroot|media|js|css|javascripts?|stylesheets|"
    r"inst|vendors?|ext|external|extern|3rdparty)/"
)
_BANNER = re.compile(
    rb"\A\s{0,8}(?:[\"']use strict[\"'];\s{0,4}|@charset \"[\w-]{1,12}\";\s{0,4})?/\*(?:[^*]|\*(?!/)){0,1000}"
)
# v1.2 and version 1.2, but of no licence; and 1.2.3
_VERSION = re.compile(
    rb"(?<!gpl)(?<!mpl)(?<!gpl )(?<!license)\bv\d{1,2}\.\d{1,3}|"
    rb"(?<!license)(?<!license,)(?<!license, )\bversion:? {0,3}\d{1,2}\.\d{1,3}|\b\d{1,2}\.\d{1,3}\.\d{1,3}\b"
)
_RIGHTS = re.compile(rb"copyright|\(c\)|\xc2\xa9|licen[cs]e|https?://", re.IGNORECASE)
# NAME-master, NAME-main, NAME-1.2.3: how forges call the directory of a download
_DOWNLOAD = re.compile(
    rb"[A-Za-z][\w.+]*(?:-[\w.+]+)*?-(?:master|main|develop|trunk|v?\d{1,4}(?:\.\d{1,4}){1,3}(?:[-.]?(?:rc|alpha|beta)[\w.]{0,6})?)"
)
_OF_A_PROJECT = re.compile(
    rb"(?:readme|licen[cs]e|copying)(?:\.\w{1,8})?|package\.json|composer\.json|setup\.(?:py|cfg)|pyproject\.toml|cargo\.toml|"
    rb"go\.mod|makefile(?:\.\w{1,3})?|cmakelists\.txt|configure(?:\.ac)?|meson\.build|build\.gradle(?:\.kts)?|pom\.xml|"
    rb"[\w.-]+\.(?:gemspec|cabal|csproj|sln|podspec)",
    re.IGNORECASE,
)
MIN_MARKS = 2
_RELEASED = re.compile(rb"-v?\d{1,3}\.\d{1,4}\.\d{1,4}(?:-\w{1,12})?$")
_LICENSE = re.compile(rb"(?:licen[cs]e|copying)(?:[.-]\w{1,12})?", re.IGNORECASE)
_OF_OTHERS = frozenset(
    b"vendor vendors lib libs plugins ext extern external externals deps js css static public".split()
)


def library_reason(path: str, text: bytes) -> str:
    """Why a script or a style sheet is taken for a library of others; "" to keep it."""
    name = path.rpartition("/")[2]
    if not _HANDED_OUT.search(path):
        return ""
    if _RELEASE.search(name):
        return LIBRARY
    banner = _BANNER.match(text[:_HEAD_BYTES])
    return LIBRARY if banner and _VERSION.search(banner[0].lower()) and _RIGHTS.search(banner[0]) else ""


def is_download(name: bytes, names: frozenset[bytes], parent: bytes = b"") -> bool:
    """Whether a directory in one named `parent` is a project as a forge hands it out, with `names` in it.

    >>> is_download(b"zlib-1.2.11", frozenset({b"LICENSE", b"src"})), is_download(b"notes-1.2.11", frozenset({b"a.md"}))
    (True, False)
    """
    if _RELEASED.search(name) and (parent in _OF_OTHERS or any(map(_LICENSE.fullmatch, names))):
        return True
    num_marks = sum(_OF_A_PROJECT.fullmatch(entry) is not None for entry in names)
    return num_marks >= MIN_MARKS and _DOWNLOAD.fullmatch(name) is not None


def is_all_downloads(names: frozenset[bytes]) -> bool:
    """Whether a repository with these names at its root consists of what was downloaded.

    >>> is_all_downloads(frozenset({b"zlib-1.2.11", b"README.md"})), is_all_downloads(frozenset({b"a-main", b"src"}))
    (True, False)
    """
    return all(
        _DOWNLOAD.fullmatch(name) or _OF_A_PROJECT.fullmatch(name) or name[:1] == b"." for name in names
    )
