"""What the names that lie beside each other in a directory say of them: builds, saved pages, documentation as its tool
wrote it, packages that others wrote."""

from __future__ import annotations

import re

from effectiveness.common.paths import escape_path

BUILT = "generated: built beside its declarations"
SAVED = "generated: a page with its files, as it was saved"
MANUAL = "generated: a manual beside its text"
PAGES = "generated: pages of a documentation tool"

_FORMATS = frozenset({b"esm", b"cjs", b"umd", b"commonjs", b"es"})
_OF_A_MODULE = (b".d.cts", b".d.mts", b".d.ts", b".cjs", b".mjs", b".js")
# What lies beside a module that was built in two formats; `lib/a.js` and `lib/a.d.ts` alone are often written by hand.
_BUILT_TOGETHER = (
    frozenset({b".cjs", b".js", b".d.ts"}),
    frozenset({b".cjs", b".mjs", b".d.ts"}),
    frozenset({b".cjs", b".mjs", b".d.cts"}),
    frozenset({b".cjs", b".js", b".d.cts"}),
)
# What is there only because something else needs it: who keeps three of them beside each other, installed them there.
# Of requests, jinja2 and their like people keep plugins beside each other.
_OF_PIP = frozenset(
    b"bs4 certifi chardet charset_normalizer dateutil html5lib idna markupsafe pkg_resources pytz simplejson six.py "
    b"soupsieve typing_extensions.py webencodings".split()
)
MIN_OF_PIP = 3
_LICENSE = re.compile(rb"(?:licen[cs]e|copying|notice)s?(?:[.-][\w.-]{1,20})?", re.IGNORECASE)
_OF_OTHERS = frozenset(b"vendor vendors extern external externals".split())
# What Sphinx, Doxygen and Javadoc write beside each other; the first of a theme's sources lack the second.
_MADE_TOGETHER = tuple(
    frozenset(names.split())
    for names in (
        b"doctools.js pygments.css",
        b"basic.css pygments.css",
        b"annotated.html doxygen.css",
        b"doxygen.css tabs.css",
        b"index-all.html overview-tree.html",
        b"allclasses-index.html element-list",
    )
)
# Of Bootstrap and Font Awesome, which people copy into directories of any name; at the root it is their own.
_SOURCES_OF_LIBRARIES = tuple(
    frozenset(names.split())
    for names in (
        b"bootstrap.less mixins.less navbar.less variables.less",
        b"_carousel.scss _dropdown.scss _navbar.scss _tooltip.scss",
        b"bootstrap.scss _carousel.scss _navbar.scss",
        b"font-awesome.less larger.less rotated-flipped.less",
        b"_larger.scss _rotated-flipped.scss _stacked.scss",
    )
)
LIBRARY_SOURCES = "vendored (a library's style sheets)"
# What Sphinx puts below its pages; the sources of a manual may lie there, too.
_OF_SPHINX, _BELOW_ITS_PAGES = (
    frozenset({b"genindex.html", b"searchindex.js"}),
    frozenset({b"_sources", b"_static", b"_images", b"_modules", b"_downloads"}),
)
_PAGES, _SAVED_WITH = (b".html", b".htm"), b"_files"  # Page.html beside Page_files/
_SECTIONS = b"123456789"
_OF_A_MANUAL = (b".md", b".adoc", b".asciidoc", b".rst", b".txt", b".scd", b".ronn", b".pod")  # behind .1
_OF_MANUALS_ALONE = (b".adoc", b".asciidoc", b".scd", b".ronn")  # instead of it


def beside_reason(name: bytes, names: frozenset[bytes], *, twice: bool = False) -> str:
    """Why a file is taken for what a program made of another of the `names` in its directory; "" to keep it.

    >>> beside_reason(b"a.1", frozenset({b"a.1", b"a.1.md"})), beside_reason(b"a.1", frozenset({b"a.1", b"a.md"}))
    ('generated: a manual beside its text', '')
    """
    if is_built_module(name, names, twice=twice):
        return BUILT
    if name.endswith(_PAGES) and name.rpartition(b".")[0] + _SAVED_WITH in names:
        return SAVED
    if name[-2:-1] != b"." or name[-1:] not in _SECTIONS:
        return ""
    texts = [name + ending for ending in _OF_A_MANUAL] + [name[:-2] + ending for ending in _OF_MANUALS_ALONE]
    return "" if names.isdisjoint(texts) else MANUAL


def made_below(names: frozenset[bytes]) -> dict[bytes, str]:
    """Why directories among `names` are left out: a browser or a notebook put them beside a page, or Sphinx did.

    >>> made_below(frozenset({b"a.html", b"a_files", b"b_files"}))
    {b'a_files': 'generated: a page with its files, as it was saved'}
    """
    made = dict.fromkeys(names & _BELOW_ITS_PAGES, PAGES) if names >= _OF_SPHINX else {}
    for name in names:
        stem = name.removesuffix(_SAVED_WITH)
        if stem != name and any(stem + ending in names for ending in _PAGES):
            made[name] = SAVED
    return made


def is_installed_by_pip(names: frozenset[bytes]) -> bool:
    """Whether what lies in a directory with these names was put there by pip, whatever the directory is called.

    >>> [is_installed_by_pip(frozenset(names)) for names in ([b"idna", b"pytz", b"six.py", b"own"], [b"idna", b"own"])]
    [True, False]
    """
    return len(names & _OF_PIP) >= MIN_OF_PIP


def others_reason(path: bytes, names: frozenset[bytes], *, in_installed: bool) -> str:
    """Why a directory with `names` in it is taken for what others wrote; "" to go on.

    in_installed: whether it lies where pip installed packages.

    >>> others_reason(b"app/vendor/zlib", frozenset({b"LICENSE", b"a.c"}), in_installed=False)
    'vendored (vendor/)'
    >>> others_reason(b"vendor/own", frozenset({b"a.c"}), in_installed=False)
    ''
    """
    parent = path.rpartition(b"/")[0].rpartition(b"/")[2]
    if in_installed and b"__init__.py" in names:
        return f"installed packages ({escape_path(parent)})"
    if b"/" in path and any(sources <= names for sources in _SOURCES_OF_LIBRARIES):
        return LIBRARY_SOURCES
    is_licensed = parent in _OF_OTHERS and any(map(_LICENSE.fullmatch, names))
    return f"vendored ({parent.decode()}/)" if is_licensed else ""


def documentation_reason(names: frozenset[bytes]) -> str:
    """Why a directory with these names is taken for what a documentation tool wrote; "" to go on.

    >>> documentation_reason(frozenset({b"pygments.css", b"doctools.js", b"a.html"}))
    'generated: pages of a documentation tool'
    """
    return PAGES if any(together <= names for together in _MADE_TOGETHER) else ""


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
