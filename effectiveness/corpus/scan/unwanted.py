"""Kinds of text that people keep in repositories and nobody wants a code model to write, told by the file's name or its
language: tables, drawings, recordings, keys. `--include` brings any of them in.

Languages are linguist's, all of them "data" there or worse. What is data and not named here - configuration, schemas -
is read where it is small and has words: `data_reason`.
"""

from __future__ import annotations

import os
import re

import numpy as np

from effectiveness.corpus.scan.recorded import RECORDED
from effectiveness.corpus.scan.roles import TEST_COMPONENTS
from effectiveness.languages import OFTEN_DATA, UNKNOWN, Language

MAX_DATA_BYTES = 64 << 10  # people write no larger schema or configuration
MAX_UNKNOWN_BYTES = (
    1 << 20
)  # code that no table knows: sources of a preprocessor of one's own had up to 1.5 MB
MAX_BUILD_FILE_BYTES = 2 << 10
MIN_BYTES = 256  # of a shorter text no share says anything
MIN_TABLE_LINES = 8
MIN_LIST_LINES = 64
MAX_DIGITS_SHARE = 0.3  # of the characters that are not white space
MAX_WORD_BYTES = 40  # on average between white space; sequences and hashes are longer
TABLE_SHARE = 0.9  # of the lines, with as many separators as the others

LARGE = f"data: over {MAX_DATA_BYTES >> 10} kB"
LARGE_UNKNOWN = f"data: over {MAX_UNKNOWN_BYTES >> 20} MB of no known language"
NUMBERS = "data: mostly numbers"
NO_WORDS = "data: no words"
TABLE = "data: a table"
TEST_DATA = "test data of no known language"
LIST = "data: a list of words or paths"
LARGE_TEST_DATA = f"test data: over {MAX_DATA_BYTES >> 10} kB"
GENERATED_NAME = "generated: by its name"

_LANGUAGES = {
    "data table": "2-Dimensional Array|CSV|TSV|CoNLL-U|NL|MiniZinc Data|TSPLIB data|STAR|Raw token data|Checksums|"
    "Simple File Verification|TextGrid|Mathematical Programming System|Linear Programming|Formatted|GEDCOM|DNS Zone|"
    "Adblock Filter List|Hosts File|Pickle|Survex data",
    "drawing or circuit": "SVG|Gerber Image|Altium Designer|Eagle|KiCad Layout|KiCad Legacy Layout|KiCad Schematic|"
    "LTspice Symbol|X BitMap|X PixMap|G-code|Pure Data",
    "font": "Adobe Font Metrics|Glyph Bitmap Distribution Format|Spline Font Database|FIGlet Font|"
    "X Font Directory Index",
    "3D model or scene": "COLLADA|DirectX 3D File|STL|Wavefront Material|Wavefront Object|Unity3D Asset",
    "translations": "Gettext Catalog",
    "subtitles or playlist": "SubRip Text|WebVTT|M3U|Cue Sheet",
    "mail, calendar or chat": "E-mail|IRC log|iCalendar|vCard|Git Commit",
    "patch": "Diff|Darcs Patch",
    "key or credentials": "Public Key",
    RECORDED: "Jest Snapshot|Python traceback|ObjDump|C-ObjDump|Cpp-ObjDump|D-ObjDump",
    "written by a tool": "Linux Kernel Module|Microsoft Developer Studio Project|Windows Registry Entries|"
    "JetBrains MPS|XPages|Rich Text Format|JAR Manifest",
    "lock file": "Gemfile.lock|Go Checksums",
}
_SUFFIXES = {
    "data table": ".geojson .topojson .jsonl .ndjson .psv .dat .fasta .fa .fastq .gff .gff3 .bed .sam .arff .libsvm",
    "recorded output": ".log .out .stdout .stderr .golden .expected .approved .received .actual .trace .prof .har "
    ".cast .tfstate .tfstate.backup .sarif .lcov .gcov .result .baseline",
    "drawing or circuit": ".eps .epsf .epsi",
    "3D model or scene": ".gltf .unity .prefab .tscn .escn .tres .ply .off .usda",
    "key or credentials": ".pem .key .crt .cer .csr .p12 .pfx .jks .keystore .kdbx .ppk .gpg .pgp",
    "written by a tool": ".pbxproj .xcscheme .xcworkspacedata .xcuserstate .iml .meta .vcxproj.filters .suo "
    ".tsbuildinfo .ptx .gox .js.map .mjs.map .cjs.map .css.map .ts.map .storyboard .xib .pnp.cjs "
    ".dfm .resx .gd.uid .cs.uid .gdshader.uid .dep.yml",
    "translations": ".xlf .xliff .xlf2 .tmx",
    "backup copy": ".orig .rej .bak .old .swp ~",
    "lock file": ".lock",
    "word list": ".dic .aff .wordlist",
}
_TEST_DATA = frozenset(
    {"testdata", "test-data", "test_data", "fixtures", "test-fixtures", "test_fixtures"}
    | {"__fixtures__", "corpus", "corpora"}
)
_NAMES = {
    "written by a tool": "PKG-INFO",
    "data table": "MD5 MD5SUMS SHA1SUMS SHA256SUMS SHA512SUMS",
    "lock file": "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml bun.lockb conda-lock.yml go.sum "
    "go.work.sum Package.resolved packages.lock.json project.assets.json gradle.lockfile "
    ".cargo-checksum.json .terraform.lock.hcl",
    "key or credentials": ".netrc .pgpass .htpasswd .git-credentials .pypirc .dockercfg .secrets.baseline id_rsa "
    "id_dsa id_ecdsa id_ed25519 known_hosts authorized_keys",
    "recorded output": ".bash_history .zsh_history .python_history .viminfo .coverage .gdb_history",
    "vendored (build helper)": "config.guess config.sub ltmain.sh install-sh depcomp mkinstalldirs ylwrap aclocal.m4 "
    "libtool.m4 ltoptions.m4 ltsugar.m4 ltversion.m4 lt~obsolete.m4 gradlew gradlew.bat mvnw mvnw.cmd ppport.h "
    "texinfo.tex",
}
_BY_LANGUAGE = {name: reason for reason, names in _LANGUAGES.items() for name in names.split("|")}
_BY_NAME = {name: reason for reason, names in _NAMES.items() for name in names.split()}
_BY_SUFFIX = {suffix: reason for reason, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_ENVIRONMENT = re.compile(r"\.env\.[\w.-]+|[^/]*\.env", re.IGNORECASE)
# Says which settings there are, for everybody to fill in: documentation.
_TO_FILL_IN = re.compile(
    r"(?:^|[._-])(?:examples?|samples?|templates?|tpl|tmpl|dist|schema|defaults?)(?:[._-]|$)", re.IGNORECASE
)
# src/generated/a.h, a.generated.ts, a_generated.h, zz_generated.deepcopy.go
_GENERATED_NAME = re.compile(
    r"(?:^|/)(?:(?:__)?generated(?:__)?|auto-?generated?)/|"
    r"\.(?:pb|pb\.gw|g|freezed|mocks|gr|designer)\.(?:go|cc|h|rb|ex|exs|dart|swift|[jt]s|cs)$|_pb2(?:_grpc)?\.pyi?$|_(?:grpc_)?pb\.(?:d\.ts|js|ts|rb)$|"
    r"[._]generated[._](?:[^/]*[._])?(?:h|hh|hpp|hxx|c|cc|cpp|go|rs|[cm]?[jt]s|dart|swift|cs|java|kt)$",
    re.IGNORECASE,
)
_DECLARATIONS = re.compile(r"(?:^|/)lib\.(?:dom|es\d|esnext|webworker|scripthost)[\w.]*\.d\.ts$")
# In a format of data, whatever it belongs to; `recorded` asks for the input of the others.
_EXPECTED = re.compile(r"(?:^|/)(?:expected|goldens?|baselines?)/")
# a.esm.js, a.cjs.development.js, a-umd.js: one source in the formats of modules that there are
_OF_A_FORMAT = re.compile(
    r"^(?!(?:webpack|rollup|vite|jest|karma|babel|eslint)\b).*[.-](?:esm|cjs|umd|iife|amd|common|esm-bundler|esm-browser|es\d{1,4})(?:\.(?:prod|production|dev|development|min|legacy|node|browser))?"
    r"\.[cm]?js$"
)
_VERIFIED = re.compile(r"\.(?:verified|received|approved)\.\w+$")  # of Verify and ApprovalTests
_FINDINGS = re.compile(r"-baseline\.(?:xml|neon|json|ya?ml)$")  # of a checker, which are no more looked at
_MINIFIED = re.compile(r"[.-]min\.(?:[cm]?js|css)$", re.IGNORECASE)
_OF_SPHINX = re.compile(
    r"(?:^|/)_static/(?:searchtools|doctools|language_data|documentation_options|sphinx_highlight|"
    r"_sphinx_javascript_frameworks_compat|jquery(?:-[\d.]+)?|underscore(?:-[\d.]+)?)\.js$"
)
_TWO_WORDS = re.compile(rb"^\S+(?:[ \t]+\S+)?[ \t\r]*$", re.MULTILINE)
_ONE_WORD = re.compile(rb"^[\w'./@+~\x80-\xff-]+[ \t\r]*$", re.MULTILINE)  # or path


def name_reason(path: str) -> str:
    """Why a file with this name is not even opened; "" to go on.

    >>> name_reason("a/id_rsa"), name_reason("a/x.geojson"), name_reason(".env.local"), name_reason(".env.example")
    ('key or credentials', 'data table', 'key or credentials', '')
    """
    name = path.rpartition("/")[2]
    if reason := _BY_NAME.get(name):
        return reason
    if _ENVIRONMENT.fullmatch(name) and not _TO_FILL_IN.search(name):
        return "key or credentials"
    if _DECLARATIONS.search(name):
        return "vendored (TypeScript's own declarations)"
    if _OF_A_FORMAT.search(name):
        return GENERATED_NAME
    if _MINIFIED.search(name):
        return "minified: by its name"
    if _OF_SPHINX.search(path):
        return "vendored (Sphinx's own scripts)"
    if _FINDINGS.search(name) or _VERIFIED.search(name):
        return RECORDED
    low = name.lower()
    if low.endswith("~"):
        return _BY_SUFFIX["~"]
    parts = low.rsplit(".", 2)
    endings = ("." + ".".join(parts[n:]) for n in range(1, len(parts)))
    return next((reason for ending in endings if (reason := _BY_SUFFIX.get(ending))), "")


def language_reason(path: str, language: Language, num_bytes: int, *, handwritten: bool = False) -> str:
    """Why a text of this language and length is left out, "" where it is wanted.

    What has no known language and lies among a test's data is what a program reads or writes, not what people wrote;
    so is what is long and in a language that programs write as often. `handwritten`: names do not count.
    """
    if not handwritten and _GENERATED_NAME.search(path) and not path.rpartition("/")[2].startswith("test"):
        return GENERATED_NAME
    if (
        language.name in OFTEN_DATA
        and language is not UNKNOWN
        and _EXPECTED.search(path)
        and is_below_tests(path)
    ):
        return RECORDED
    if language is UNKNOWN and is_test_data(path) and not _is_small_beside_tests(path, num_bytes):
        return TEST_DATA
    if (
        num_bytes > MAX_DATA_BYTES
        and language.name in OFTEN_DATA
        and (is_test_data(path) or is_below_tests(path))
    ):
        return LARGE_TEST_DATA
    return _BY_LANGUAGE.get(language.name, "")


def is_test_data(path: str) -> bool:
    """Whether it lies in a directory of what tests read or write."""
    *directories, name = path.split("/")
    if not _TEST_DATA.isdisjoint(directories):
        return True
    return is_below_tests(path) and ("." not in name or "data" in directories)


def _is_small_beside_tests(path: str, num_bytes: int) -> bool:
    """`test/unix/dune`: what builds the tests has no ending, and no directory says that it is data."""
    directories = path.split("/")[:-1]
    return (
        num_bytes < MAX_BUILD_FILE_BYTES and "data" not in directories and _TEST_DATA.isdisjoint(directories)
    )


def is_below_tests(path: str) -> bool:
    """Whether it lies in a directory of tests."""
    return not TEST_COMPONENTS.isdisjoint(map(os.fsencode, path.split("/")[:-1]))


def data_reason(text: bytes, *, is_unknown: bool = False) -> str:
    """Why a text that is configuration, a schema or of no known language is left out as data; "" to keep it."""
    if len(text) > (MAX_UNKNOWN_BYTES if is_unknown else MAX_DATA_BYTES):
        return LARGE_UNKNOWN if is_unknown else LARGE
    return shape_reason(text)


def shape_reason(text: bytes) -> str:
    """Why a text of no syntax is data by its shape; "" to keep it."""
    if len(text) < MIN_BYTES:
        return ""
    solid = text.translate(None, b" \t\r\n\f\v")
    if len(solid) - len(solid.translate(None, b"0123456789")) > MAX_DIGITS_SHARE * len(solid):
        return NUMBERS
    if len(solid) > MAX_WORD_BYTES * len(text.split()):
        return NO_WORDS
    lines = [line for line in map(bytes.strip, text.split(b"\n")) if line]
    if len(lines) >= MIN_TABLE_LINES and any(_is_table(lines, separator) for separator in b"\t,;|"):
        return TABLE
    few_words = (
        _TWO_WORDS if len(text) > MAX_DATA_BYTES else _ONE_WORD
    )  # pairs for a tokenizer, edges of a graph
    is_list = len(lines) >= MIN_LIST_LINES and len(few_words.findall(text)) > TABLE_SHARE * len(lines)
    return LIST if is_list else ""


def _is_table(lines: list[bytes], separator: int) -> bool:
    """Whether nearly all lines have as many separators as the others, and two at least."""
    counts = np.array([line.count(separator) for line in lines])
    most = np.bincount(counts[counts >= 2]) if (counts >= 2).any() else np.zeros(1)
    return most.max() > TABLE_SHARE * len(lines)
