"""Directories that are left out as a whole for their names: what tools write, and what others wrote."""

from __future__ import annotations

import re

BUILD = "generated: a build beside its package.json"
BUILT = "generated: built beside its declarations"

COPIES = "generated: copies of vignettes"

_CACHES = frozenset(b"__pycache__ .mypy_cache .pytest_cache .ruff_cache .tox .nox .gradle .terraform".split())
_VERSIONS = frozenset({b"versioned_docs", b"versioned_sidebars"})  # Docusaurus copies docs/ at each release
_PACKAGE_RECORDS = (b".egg-info", b".dist-info")  # what setuptools and pip note down of a package
# dist, dist-node, client-dist; and one source once more in each format of modules. lib/ and build/ may be anybody's.
_BUILD = re.compile(rb"(?:[\w.]{1,20}-)?dist(?:-[\w.]{1,20})?|_?esm|_?cjs|umd|esnext|es20\d\d")
_FORMATS = frozenset({b"esm", b"cjs", b"umd", b"commonjs", b"es"})
_OF_A_MODULE = (b".d.cts", b".d.mts", b".d.ts", b".cjs", b".mjs", b".js")
# What lies beside a module that was built in two formats; `lib/a.js` and `lib/a.d.ts` alone are often written by hand.
_BUILT_TOGETHER = (
    frozenset({b".cjs", b".js", b".d.ts"}),
    frozenset({b".cjs", b".mjs", b".d.ts"}),
    frozenset({b".cjs", b".mjs", b".d.cts"}),
    frozenset({b".cjs", b".js", b".d.cts"}),
)
_INSTALLED = frozenset({b"site-packages", b"dist-packages", b"node_modules", b"bower_components"})
_THIRD_PARTY = frozenset(
    b"third_party third-party thirdparty 3rd_party 3rd-party 3rdparty _vendor _vendored vendored".split()
)
_VIGNETTES = b"inst/doc"  # where R puts copies of vignettes/ and what it makes of them
# what a server hands out; vendor/ there is jQuery
_OF_A_PAGE = frozenset(
    b"static public assets js css webroot wwwroot htdocs less scss sass javascripts".split()
)
_LIBRARY = re.compile(
    rb"font-?awesome[\w.-]{0,30}|jquery-?(?:ui)?(?:-[\d.]{1,9})?|bootstrap-[\d.]{1,9}[\w-]{0,9}|ckeditor\d?|tinymce|codemirror|mathjax|"
    rb"highlight(?:\.?js)?|datatables|select2|leaflet|adminlte|ace(?:-builds)?|pdfjs(?:-[\d.]{1,9})?",
    re.IGNORECASE,
)
_LIBRARIES = b"wwwroot/lib"  # where ASP.NET's templates and LibMan put jQuery and Bootstrap


def written_reason(path: bytes, *, beside_package_json: bool) -> str:
    """Why a directory is taken for what a tool wrote; "" to go on.

    >>> written_reason(b"a/__pycache__", beside_package_json=False), written_reason(b"dist", beside_package_json=True)
    ('tool cache', 'generated: a build beside its package.json')
    """
    name = path.rpartition(b"/")[2]
    if name in _CACHES:
        return "tool cache"
    if path == _VIGNETTES or path.endswith(b"/" + _VIGNETTES):
        return COPIES
    if name.endswith(_PACKAGE_RECORDS) or name in _VERSIONS:
        return "written by a tool"
    return BUILD if beside_package_json and _BUILD.fullmatch(name) else ""


def is_built_twice(names: frozenset[bytes]) -> bool:
    """Whether a package keeps its modules in two formats: those beside its package.json are a build, as the others are.

    >>> is_built_twice(frozenset({b"package.json", b"esm", b"index.js", b"index.d.ts"}))
    True
    """
    return b"package.json" in names and not _FORMATS.isdisjoint(names) and b"src" not in names


def is_built_module(name: bytes, names: frozenset[bytes], *, twice: bool = False) -> bool:
    """Whether a file is one of the four that a build makes of a module, or of two where it builds `twice`.

    >>> names = frozenset(b"a.js a.cjs a.d.ts a.d.cts b.js b.d.ts".split())
    >>> is_built_module(b"a.js", names), is_built_module(b"b.js", names)
    (True, False)
    """
    ending = next((ending for ending in _OF_A_MODULE if name.endswith(ending)), b"")
    stem = name.removesuffix(ending)
    if not ending:
        return False
    beside = {other for other in _OF_A_MODULE if stem + other in names}
    return any(built <= beside for built in _BUILT_TOGETHER) or (twice and {b".d.ts", b".js"} <= beside)


def foreign_reason(path: bytes) -> str:
    """Why a directory is taken for what others wrote; "" to go on.

    >>> foreign_reason(b"pip/_vendor"), foreign_reason(b"admin/static/js/vendor"), foreign_reason(b"shop/vendor")
    ('vendored (_vendor/)', 'vendored (vendor/)', '')
    >>> foreign_reason(b"Shop.Web/wwwroot/lib"), foreign_reason(b"wwwroot/js")
    ('vendored (wwwroot/lib/)', '')
    """
    name = path.rpartition(b"/")[2]
    if name in _INSTALLED:
        return f"installed packages ({name.decode()})"
    if path == _LIBRARIES or path.endswith(b"/" + _LIBRARIES):
        return f"vendored ({_LIBRARIES.decode()}/)"
    is_of_a_page = not _OF_A_PAGE.isdisjoint(path.split(b"/")[:-1])
    is_vendor = name in (b"vendor", b"vendors") and (path == b"vendor" or is_of_a_page)
    if name in _THIRD_PARTY or is_vendor or (is_of_a_page and _LIBRARY.fullmatch(name)):
        return f"vendored ({name.decode()}/)"
    return ""
