"""Comments that are never stripped: a tool, a compiler or a lawyer reads them.

`KEPT[language]` matches inside the text of one comment; `keeps_run` finds one comment of a run (comments on
lines that follow each other) and keeps the whole run. Both are generous: a comment that is kept in vain costs
a little yield, one that is stripped wrongly changes what a tool does. Patterns are linear: no nested repeats.
"""

from __future__ import annotations

import re

_ALTERNATIVE = re.compile(r"(?:\\.|\[[^]]*\]|\((?:\\.|[^()\\]|\([^()]*\))*\)|[^|])+")
_BEGINNING = re.compile(r"(?:\\.|\[[^]]*\]|[^(])(?![?*+{])|")


def _any_of(*rules: str) -> re.Pattern[bytes]:
    """A pattern that is found where one of the alternatives in `rules` is.

    Those that begin alike are tried together, since a search tries all that it has at every byte: half the time.

    >>> _any_of("nolint|^#!|nosec").pattern
    b'n(?:olint|osec)|^(?:#!)'
    """
    begun: dict[str, list[str]] = {}
    for alternative in _ALTERNATIVE.findall("|".join(rules)):
        beginning = _BEGINNING.match(alternative)[0]  # type: ignore[index]  # it matches the empty text, too
        begun.setdefault(beginning, []).append(alternative.removeprefix(beginning))
    return re.compile("|".join(f"{how}(?:{'|'.join(rests)})" for how, rests in begun.items()).encode())


_EVERYWHERE = (
    r"\bvim?:|\bex:|-\*-|Local Variables:",  # editor settings
    r"\[\[\[|\]\]\]",  # cog
    r"@generated|\$(?:Id|Revision|Date|Author|Header)\b",
    r"\b(?:BEGIN|END)\b",  # markers of generators and of documentation tools
    r"\b(?i:codespell|nosemgrep|gitleaks|copybara:|language=)",
    r"#(?:end)?region\b",
)
_FALL_THROUGH = r"\b(?i:fall(?:s|ing)?.?thr)"
_COMPILER_TESTS = r"\b(?:RUN|CHECK[A-Z-]*|XFAIL|REQUIRES):|\bdg-[a-z]|expected-(?:error|warning|note)"
_C = (
    r"clang-format|clang-tidy|NOLINT|NOSONAR|IWYU|clazy:|uncrustify|\*INDENT-|astyle|PVS-Studio|//-V",
    r"(?=[CcLlSs])(?i:coverity|cppcheck|codeql|lgtm|smatch|splint)|[LG]COVR?_",
    r"NOT ?REACHED|ARGSUSED|LINTED|LINTLIBRARY|PRINTFLIKE|SCANFLIKE|VARARGS|CONSTCOND|PROTOLIB",
    r"^/[/*][@#$%]",  # splint, ACSL, SWIG: glued to the opening
    r"\bre2c|\bragel|\[clinic",
    r"@(?:end)?cond\b|\\(?:end)?cond\b",
    _FALL_THROUGH,
    _COMPILER_TESTS,
)
_JS = (
    r"^/\*!|^///|@license|@preserve|@cc_on",
    r"^/\*\*[^@]*@|^/\*\s*@",  # JSDoc with a tag: TypeScript reads types from it, bundlers hints
    r"@(?:ts-|jsx|flow|noflow|vite|providesModule|internal|jest|babel|format|prettier|nocheck)",
    r"[#@]__|\bPURE\b",
    r"webpack|rollup|parcel|turbopack|esbuild|rspack",
    r"eslint|jshint|jslint|jscs|tslint|standard-|biome-|oxlint|rome-ignore|deno-|\bxo-|flowlint|\$Flow",
    r"prettier|dprint|istanbul|\bc8 |\bv8 ignore|node:coverage|[sS]tryker",
    r"^/\*\s*(?:globals?|exported|exports|properties|members|jslint|jshint)\b",
    r"source(?:Mapping)?URL",
    r"^/\*\s*::?",  # Flow types in comments
    r"#if\b|#else\b|#endif\b|@if\b|@endif\b",
    r"NOSONAR|i18n:",
    _FALL_THROUGH,
)
_PYTHON = (
    r"^#!|coding[:=]|^#\s*type:|^#:",
    r"(?=[NnPp])(?i:noqa|nosec|nosonar|pragma)",  # one byte looked at before the words are tried
    r"^#\s*fmt:|yapf|autopep8|\bblack:|isort|pylint|mypy|pyright|\bruff\b|flake8|pyflakes|pytype|\bpyre",
    r"pycodestyle|pep8:|pydocstyle|\bty:|sourcery|deptry|vulture|codecov|doctest:|cython|distutils:|pythran",
    r"^#\s*%%|^# In\[|jupytext|\bpants: |\bgazelle:",  # cells of notebooks
)
_GO = (
    r"^//(?:line |extern |export |sys|[a-z0-9]+:[a-z0-9])|^// ?go:|^/\*line ",
    r"^//\s*\+",  # +build, +kubebuilder, +genclient
    r"^// ?swagger:|nolint|#nosec|lint:|revive:|gosec|#cgo",
    r"^// ?(?:ERROR|GC_ERROR|GCCGO_ERROR|want|LEAK|@)\b|errorcheck",
    _FALL_THROUGH,
)
_RUST = (
    r"^///(?!/)|^//!|^/\*\*[^*/]|^/\*!",  # documentation: attributes, so tokens
    r"SAFETY|Safety:|rustfmt|clippy|cbindgen|bindgen|ignore-tidy|tidy-alphabetical|tarpaulin|grcov|COV_EXCL|LCOV_",
    r"^//~|^//@|^//\[|\^ ERROR|~ (?:ERROR|WARN)|EMIT_MIR",  # compiler test suites
    r"^// (?:compile-flags|run-pass|check-pass|build-pass|edition|aux-build|revisions|ignore-|only-|error-pattern)",
    _COMPILER_TESTS,
)
_JAVA = (
    r"@deprecated|\\u|^/[/*]@",  # javac reads the tag; a Unicode escape can end a comment
    r"(?i:nosonar|checkstyle|csoff|cson\b|nopmd|spotbugs|findbugs|spotless|suppress|editor-fold)",
    r"@formatter|noinspection|NON-NLS|NOI18N|GEN-|google-java-format|errorprone|CPD-O",
    r"@(?:hide|hidden|start|end|replace|highlight|test|run|bug|modules|compile|library|requires)\b",
    r"@(?:ant\.|goal|phase|parameter|component|plexus)",  # Maven plug-ins of old
    _FALL_THROUGH,
)
_BASH = (
    r"^#!|shellcheck|shfmt|shdoc|bashate|checkbashisms|kcov",
    r"^#(?:SBATCH|PBS|BSUB|MSUB|COBALT|FLUX|OAR|PJM|compdef|autoload|cloud-config)",
    r"^#[#$@%&+]|^#\s*@",  # batch systems, help texts that a script prints of itself
    r"chkconfig|^# *description:|processname:|pidfile:|^# *(?:Provides|Required-|Should-|Default-St|Short-Desc)",
)

KEPT: dict[str, re.Pattern[bytes]] = {
    language: _any_of(*_EVERYWHERE, *rules)
    for language, rules in {
        "Python": _PYTHON,
        "Rust": _RUST,
        "Go": _GO,
        "JavaScript": _JS,
        "TypeScript": _JS,
        "TSX": _JS,
        "C": _C,
        "C++": _C,
        "Java": _JAVA,
        "Bash": _BASH,
    }.items()
}

# Licences, generated-code marks, Go's expected outputs and deprecations, inline metadata: all lines or none.
# Searched in lower case, which takes half the time of ignoring the case; those that begin a line by themselves, as
# without them a search looks only where a byte begins one of the others.
_KEPT_RUN = re.compile(
    rb"co(?:pyright|de generated)|\xc2\xa9|\(c\) ?[12]\d\d\d|licen[cs]e|spdx|a(?:ll rights reserved|uto-?generated)"
    rb"|warranty|d(?:o not (?:edit|modify)|eprecated:)|init info"
)
_KEPT_RUN_LINE = re.compile(rb"^(?:[ \t]*//[ \t]*(?:unordered )?output:|# ///)", re.MULTILINE)


def keeps_run(text: bytes) -> bool:
    """Whether `text`, of one or several comments, is such that all of them stay."""
    text = text.lower()
    return bool(_KEPT_RUN.search(text) or _KEPT_RUN_LINE.search(text))
