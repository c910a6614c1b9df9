"""Directories that are left out as a whole for their names: what tools write, and what others wrote."""

from __future__ import annotations

import re

BUILD = "generated: a build beside its package.json"

COPIES = "generated: copies of vignettes"

_CACHES = frozenset(b"__pycache__ .mypy_cache .pytest_cache .ruff_cache .tox .nox .gradle .terraform".split())
_VERSIONS = frozenset({b"versioned_docs", b"versioned_sidebars"})  # Docusaurus copies docs/ at each release
_PACKAGE_RECORDS = (b".egg-info", b".dist-info")  # what setuptools and pip note down of a package
# dist, dist-node, client-dist; and one source once more in each format of modules. lib/ and build/ may be anybody's.
_BUILD = re.compile(rb"(?:[\w.]{1,20}-)?dist(?:-[\w.]{1,20})?|_?esm|_?cjs|umd|esnext|es20\d\d")
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
    is_handed_out = (
        is_of_a_page or b"resources" in path.split(b"/")[:-1]
    )  # where Java keeps what it hands out
    if name in _THIRD_PARTY or is_vendor or (is_handed_out and _LIBRARY.fullmatch(name)):
        return f"vendored ({name.decode()}/)"
    return ""
