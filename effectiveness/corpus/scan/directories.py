"""Directories that are left out as a whole for their names: what tools write, and what others wrote."""

from __future__ import annotations

BUILD = "generated: dist/ beside a package.json"
BUILT = "generated: built beside its declarations"

_CACHES = frozenset(b"__pycache__ .mypy_cache .pytest_cache .ruff_cache .tox .nox .gradle .terraform".split())
_PACKAGE_RECORDS = (b".egg-info", b".dist-info")  # what setuptools and pip note down of a package
_OF_A_MODULE = (b".d.cts", b".d.ts", b".cjs", b".js")
_INSTALLED = frozenset({b"site-packages", b"dist-packages", b"node_modules", b"bower_components"})
_THIRD_PARTY = frozenset(b"third_party third-party thirdparty _vendor _vendored vendored".split())
_OF_A_PAGE = frozenset(
    b"static public assets js css".split()
)  # what a server hands out; vendor/ there is jQuery


def written_reason(path: bytes, *, beside_package_json: bool) -> str:
    """Why a directory is taken for what a tool wrote; "" to go on.

    >>> written_reason(b"a/__pycache__", beside_package_json=False), written_reason(b"dist", beside_package_json=True)
    ('tool cache', 'generated: dist/ beside a package.json')
    """
    name = path.rpartition(b"/")[2]
    if name in _CACHES:
        return "tool cache"
    if name.endswith(_PACKAGE_RECORDS):
        return "written by a tool"
    return BUILD if name == b"dist" and beside_package_json else ""


def is_built_module(name: bytes, names: frozenset[bytes]) -> bool:
    """Whether a file is one of the four that a build makes of one module of TypeScript.

    >>> names = frozenset(b"a.js a.cjs a.d.ts a.d.cts b.js b.d.ts".split())
    >>> is_built_module(b"a.js", names), is_built_module(b"b.js", names)
    (True, False)
    """
    ending = next((ending for ending in _OF_A_MODULE if name.endswith(ending)), b"")
    return bool(ending) and all(name[: -len(ending)] + other in names for other in _OF_A_MODULE)


def foreign_reason(path: bytes) -> str:
    """Why a directory is taken for what others wrote; "" to go on.

    >>> foreign_reason(b"pip/_vendor"), foreign_reason(b"admin/static/js/vendor"), foreign_reason(b"shop/vendor")
    ('vendored (_vendor/)', 'vendored (vendor/)', '')
    """
    name = path.rpartition(b"/")[2]
    if name in _INSTALLED:
        return f"installed packages ({name.decode()})"
    is_vendor = name == b"vendor" and (path == name or not _OF_A_PAGE.isdisjoint(path.split(b"/")))
    return f"vendored ({name.decode()}/)" if name in _THIRD_PARTY or is_vendor else ""
