"""A file is read when its content is text and no named rule speaks against it; `--include` and `--exclude` go first."""

import json
import subprocess

import pytest
from conftest import build_dataset

from effectiveness.common.workers import WorkerPool
from effectiveness.corpus import build_log
from effectiveness.corpus.scan import ScanOptions, beside, built, directories, scan_repository
from effectiveness.corpus.scan.picking import Picks
from effectiveness.corpus.scan.repeating import RECORDS
from effectiveness.corpus.scan.unwanted import (
    LARGE,
    LARGE_TEST_DATA,
    LARGE_UNKNOWN,
    LIST,
    NO_WORDS,
    NUMBERS,
    TABLE,
    TEST_DATA,
    data_reason,
    name_reason,
)
from effectiveness.corpus.secrets import redact_all
from tests.scanning import analyse, code, paths, scan_tree, write


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def languages(result) -> dict[str, str]:
    return {file.path: file.language for file in result.files}


def test_text_is_read_whatever_its_name(root, spool):
    prose = "What this is for, and why it is not done otherwise.\n"
    write(
        root,
        notes=prose,
        a_DOT_zzz=prose,
        b_DOT_tf='variable "a" {}\n',
        c_DOT_dart="void main() {}\n",
        d=b"\0\1",
    )
    result, _, _ = scan_tree(root, spool)
    assert languages(result) == {"notes": "Text", "a.zzz": "Text", "b.tf": "HCL", "c.dart": "Dart"}
    assert result.skipped == {"binary (NUL in the first 8 kB)": 1}


def test_a_wide_text_without_a_known_name_is_text(root, spool):
    write(root, notes="Words with some meaning.\n".encode("utf-16"))
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["notes"] and spool.read_bytes() == b"Words with some meaning.\n"


LEFT_OUT = {
    "a.csv": "data table",
    "a.geojson": "data table",
    "logo.svg": "drawing or circuit",
    "crest.eps": "drawing or circuit",
    "main.tscn": "3D model or scene",
    "player.gd.uid": "written by a tool",
    "de.po": "translations",
    "fix.patch": "patch",
    "run.log": "recorded output",
    "ui/a.stderr": "recorded output",
    "a.snap": "recorded output",
    "id_rsa": "key or credentials",
    ".env": "key or credentials",
    ".env.production": "key or credentials",
    ".env.local.bak2": "key or credentials",
    "staging.env": "key or credentials",
    "server.pem": "key or credentials",
    "a.py~": "backup copy",
    "a.c.orig": "backup copy",
    "mesh.obj": "3D model or scene",
    "esy.lock": "lock file",
    "gradlew": "vendored (build helper)",
    "bundle.js.map": "written by a tool",
}


def test_what_nobody_wants_to_learn_is_left_out_by_a_named_rule(root, spool):
    for name in LEFT_OUT:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("some words, and more of them\n")
    result, _, _ = scan_tree(root, spool)
    assert not result.files
    told = {path: reason for reason, names in result.skipped_paths.items() for path in names}
    assert told == LEFT_OUT


@pytest.mark.parametrize(
    "name",
    [
        *(".env.example", ".env.sample", ".env.template", ".env.dist", ".env.local.example", "example.env"),
        *("vite.env.d.ts", "env.js"),
        *("catalog.py", "loglevel.c", "envoy.yaml", "patch.py", "keys.go", "old.rs"),
    ],
)
def test_a_name_that_only_sounds_like_it_is_read(root, spool, name):
    (root / name).write_text("VALUE: words\n")
    assert name_reason(name) == ""
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == [name]


def test_what_an_example_of_an_environment_holds_is_redacted(root, spool):
    secret = "wJa1rXUtnFEMI/K7MDENG/bPxRfiCYzz09aQx7Lm"
    (root / ".env.example").write_text(f"APP_NAME=shop\nAWS_SECRET_ACCESS_KEY={secret}\n")
    options = ScanOptions(root=root)
    with WorkerPool(1) as pool:
        result, _, _ = scan_repository(options, spool, pool, analyse=analyse, redact=redact_all)
    assert paths(result) == [".env.example"] and result.secrets
    assert b"APP_NAME=shop" in spool.read_bytes() and secret.encode() not in spool.read_bytes()


def table(separator: str) -> bytes:
    return "".join(f"name {n}{separator}place{separator}colour of it\n" for n in range(20)).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"Some words that say what it is about.\n" * 3000, LARGE),
        (b"12.5 13.25 a 15.75 99.125 1024\n" * 20, NUMBERS),
        (b">seq\n" + b"ACGTTGCA" * 40 + b"\n", NO_WORDS),
        (table(","), TABLE),
        (table("\t"), TABLE),
        (table("|"), TABLE),
        (b"".join(b"word%c\n" % (97 + n % 26) for n in range(90)), LIST),
        (b"Some words, and others.\nMore of them, if you like, and so on.\n" * 8, ""),
        (b"a,b,c\n1,2,3\n", ""),  # too short to tell
        (b"*.o\nbuild/\n!build/keep\n*.log\n" * 30, ""),
        (b"\t\tindented = yes\n\t\tother = no words\n" * 10, ""),
    ],
)
def test_data_of_no_known_kind_is_told_from_words(text, reason):
    assert data_reason(text) == reason


def test_a_long_list_of_pairs_is_data_and_a_short_one_and_sentences_are_not():
    pairs = b"".join(b"\xc4\xa0p%c r%c\n" % (97 + n % 26, 97 + n % 23) for n in range(12_000))
    assert data_reason(pairs, is_unknown=True) == LIST
    assert data_reason(pairs[:9000], is_unknown=True) == ""
    assert data_reason(b"Some words of it.\nAnd more\n" * 9000, is_unknown=True) == ""


def test_data_under_a_name_that_we_list_is_not_judged_by_its_size(root, spool):
    text = json.dumps({f"name {n}": "some words" for n in range(4000)}, indent=1)
    write(root, a_DOT_yaml=text, b_DOT_avsc=text, c_DOT_zzz=text)
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.yaml"] and result.skipped == {LARGE: 1, RECORDS: 1}


def test_code_of_a_language_that_no_table_knows_may_be_long_but_not_endless(root, spool):
    line = "{nl}subroutine name_{n}(a, b)\n  call other(a)\nend subroutine\n"
    text = "".join(line.format(nl=chr(10), n=n) for n in range(5000))
    write(root, a_DOT_zzz=text, b_DOT_zzz=text * 5)
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.zzz"] and result.skipped == {LARGE_UNKNOWN: 1}


GENERATED = [
    "/* ANSI-C code produced by gperf version 3.1 */\n",
    '#ifndef lint\nstatic const char yysccsid[] = "@(#)yaccpar 1.9";\n#endif\n',
    "# Generated with ``write_tables.py`` on Mon Jan 1.\n",
    "# Generated by GNU Autoconf 2.71.\n",
    "/* A Bison parser, made by GNU Bison 3.8.2.  */\n",
    "/* Generated by Cython 3.0.8 */\n",
    '.\\" Automatically generated by Pod::Man 4.14\n',
    "# Generated from file 'a/b.man' by tcllib/doctools with format 'nroff'\n",
    "// Generated by the protocol buffer compiler.  DO NOT EDIT!\n",
    '.\\" DO NOT MODIFY THIS FILE!  It was generated by help2man 1.47.\n',
]


def test_a_manual_page_that_a_tool_wrote_is_left_out_and_one_that_speaks_of_it_is_not(root, spool):
    page = ".TH A 1\n.SH NAME\nwhat is generated by doxygen\n"
    write(root, a_DOT_1='.\\" Automatically generated by Pod::Man 4.14\n' + page, b_DOT_1=page)
    result, _, _ = scan_tree(root, spool)
    assert languages(result) == {"b.1": "Roff Manpage"}


def test_what_a_test_reads_and_writes_is_left_out_where_no_language_is_known(root, spool):
    words = "Some words that say what it is.\n"
    files = {"testdata__a": words, "data__c": words, "tests__d": words, "tests__data__e": words}
    write(root, testdata__b_DOT_go="package b\n", **{f"{name}_DOT_zzz": text for name, text in files.items()})
    result, _, _ = scan_tree(root, spool)
    write(root, tests__f=words * 90, tests__unix__dune="(tests (names main))\n", src__g=words)
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["data/c.zzz", "src/g", "testdata/b.go", "tests/d.zzz", "tests/unix/dune"]
    assert result.skipped == {TEST_DATA: 3}


@pytest.mark.parametrize("line", GENERATED)
def test_what_a_tool_says_it_wrote_is_left_out(root, spool, line):
    write(
        root,
        a_DOT_c=line + "int a;\n",
        b_DOT_c='char *s = "generated by bison";\n// how the parser is made by us\n',
    )
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["b.c"]
    assert next(iter(result.skipped)).startswith("generated")


# --- .gitattributes ------------------------------------------------------------------------------------


def test_gitattributes_say_the_language_and_what_is_documentation(root, spool):
    write(
        root,
        _DOT_gitattributes="*.inc linguist-language=Pascal\nsrc/guide/** linguist-documentation\n*.foo linguist-"
        "language=shell\n*.bar linguist-language=no-such\n",
        a_DOT_inc="begin\nend.\n",
        b_DOT_foo="echo 1\n",
        c_DOT_bar="words\n",
        src__guide__d_DOT_py="x = 1\n",
        src__e_DOT_py="x = 1\n",
    )
    result, _, _ = scan_tree(root, spool)
    said = {file.path: (file.language, file.role) for file in result.files}
    assert said["a.inc"][0] == "Pascal" and said["b.foo"][0] == "Bash" and said["c.bar"][0] == "Text"
    assert (said["src/guide/d.py"][1], said["src/e.py"][1]) == ("util", "core")
    assert result.notes["language set by .gitattributes"] == 2


# --- --include and --exclude ---------------------------------------------------------------------------


def tree(root):
    return write(
        root,
        _DOT_gitignore="build/\n*.tmp.py\n",
        a_DOT_py="a = 1\n",
        b_DOT_csv="a,b\n1,2\n",
        c_DOT_tmp_DOT_py="c = 1\n",
        build__d_DOT_py="d = 1\n",
        build__deep__e_DOT_py="e = 1\n",
        third_party__mine__f_DOT_py="f = 1\n",
        third_party__other__g_DOT_py="g = 1\n",
        node_modules__x__h_DOT_py="h = 1\n",
    )


@pytest.mark.parametrize(
    ("include", "more"),
    [
        ((), []),
        (("*.csv",), ["b.csv"]),
        (("*.py",), ["c.tmp.py"]),  # opens no directory that is left out
        (("build/",), ["build/d.py", "build/deep/e.py"]),
        (("/build/deep/*.py",), ["build/deep/e.py"]),
        (("third_party/mine/",), ["third_party/mine/f.py"]),
        (("*.csv", "!b.csv"), []),
        (
            ("node_modules", "third_party"),
            ["node_modules/x/h.py", "third_party/mine/f.py", "third_party/other/g.py"],
        ),
    ],
)
@pytest.mark.parametrize("in_git", [False, True])
def test_what_is_included_is_read_whatever_rule_leaves_it_out(root, spool, include, more, in_git):
    tree(root)
    if in_git:
        subprocess.run(["git", "init", "-q", root], check=True)
    result, _, _ = scan_tree(root, spool, include=include)
    assert code(result) == sorted(["a.py", *more])
    assert result.num_entries == len(result.files) + sum(result.skipped.values())


def test_what_is_excluded_is_not_read_though_it_is_included(root, spool):
    result, _, _ = scan_tree(tree(root), spool, include=("*.csv", "build/"), exclude=("b.*", "/build/deep"))
    assert code(result) == ["a.py", "build/d.py"]
    assert result.skipped["excluded by --exclude"] == 2


def test_no_flag_reads_a_link_an_empty_file_what_is_no_text_or_git_s_own(root, spool):
    write(root, a_DOT_py="", b_DOT_py=b"\0\0", _DOT_git__config="[core]\n", c_DOT_py="c = 1\n")
    (root / "d.py").symlink_to("/etc/passwd")
    result, _, _ = scan_tree(root, spool, include=("*", ".git/", "**"))
    assert paths(result) == ["c.py"]


def test_a_pattern_after_another_takes_back_as_in_a_gitignore():
    picks = Picks((), ("*.md", "!README.md", "docs/"))
    said = [picks.excludes(path, is_directory=False) for path in (b"a.md", b"README.md", b"docs/README.md")]
    assert said == [True, False, True]


def test_the_flags_are_part_of_what_makes_a_build_again_and_the_same_again(root, tmp_path):
    tree(root)
    write(root, **{f"src__m{n}_DOT_py": f"def name_{n}(value):\n    return value + {n}\n" for n in range(9)})
    flags = ["--include", "*.csv", "--include", "build/", "--exclude", "m3.py", "--augmentations", "none"]
    for name in ("one", "two"):
        build_dataset(root, tmp_path / name, *flags)
    found = [(tmp_path / name / "dataset_metadata.json").read_bytes() for name in ("one", "two")]
    metadata = json.loads(found[0])
    assert found[0] == found[1]
    assert (metadata["options"]["include"], metadata["options"]["exclude"]) == (
        ["*.csv", "build/"],
        ["m3.py"],
    )
    assert metadata["skipped"]["excluded by --exclude"] == 1


# --- what is said where little is read ------------------------------------------------------------------


def test_where_little_is_read_the_three_most_frequent_rules_and_the_way_in_are_said(root, spool):
    for n in range(5):
        write(root, **{f"t{n}_DOT_csv": "a,b\n", f"l{n % 3}_DOT_log": "words\n", f"p{n % 2}_DOT_png": b"\0"})
    write(root, a_DOT_svg="<svg/>\n")
    result, _, _ = scan_tree(root, spool)
    assert build_log.is_little_read(result)
    assert build_log.left_out_in_words(result) == (
        "5 data table, 3 recorded output, 2 binary (NUL in the first 8 kB); "
        '--include GLOB lets "data table" and "recorded output" in, e.g. --include \'/t0.csv\''
    )
    told, _, _ = scan_tree(root, spool, include=("/t0.csv",))
    assert paths(told) == ["t0.csv"]


def test_where_much_is_read_nothing_is_said(root, spool):
    write(root, **{f"a{n}_DOT_py": f"x = {n}\n" for n in range(5)}, a_DOT_csv="a,b\n")
    result, _, _ = scan_tree(root, spool)
    assert not build_log.is_little_read(result)


# --- what programs make of sources that lie elsewhere -----------------------------------------------------


CODE = "".join(f"export function name{n}(a) {{\n  return a + other{n};\n}}\n" for n in range(9))
HTML = "<!DOCTYPE html><html><head>{head}</head><body><p>Some words of it.</p>{foot}</body></html>\n"
LINKS = '<li><a href="a{n}.html" class="of the menu">what it does {n}</a></li>\n'
MADE = {
    "a.js": (CODE + "//# sourceMappingURL=a.js.map\n", built.SOURCE_MAP),
    "a.css": ("p { color: red }\n/*# sourceMappingURL=a.css.map */\n", built.SOURCE_MAP),
    "b.js": (
        f'"use strict";\nObject.defineProperty(exports, "__esModule", {{ value: true }});\n{CODE}',
        built.COMPILED,
    ),
    "c.js": ("(() => {\n\tfunction __webpack_require__(id) {\n\t}\n})();\n" + CODE, built.BUNDLE),
    "c.mjs": ("var __defProp = Object.defineProperty;\n" + CODE, built.BUNDLE),
    "e.mjs": (CODE + "f(a == null ? void 0 : a.b);\n" * 2, built.COMPILED),
    "d.mjs": (CODE * 200 + "".join(f"call(error{n}$1, 2);\n" for n in range(9)), built.BUNDLE),
    "a.html": (HTML.format(head='<meta name="generator" content="Docutils 0.22" />', foot=""), built.PAGE),
    "b.html": (
        HTML.format(head="", foot='<p>Built with <a href="https://www.sphinx-doc.org/">Sphinx</a></p>'),
        built.PAGE,
    ),
    "d.html": (HTML.format(head="<!-- Generated from file 'a.man' by a tool -->", foot=""), built.PAGE),
    "e.html": (
        HTML.format(
            head='<meta name="generator" content="pandoc" />', foot="Some words of it. " * 400 + "{{ x }}"
        ),
        built.PAGE,
    ),
    "a.md": (
        "[//000000001]: # (Generated from file 'a.man' by tcllib/doctools with format 'markdown')\n",
        "generated: generated by a tool that it names",
    ),
    "b.1": ('.\\" generated with Ronn/v0.7.3\n.TH A 1\n', "generated: generated by a tool that it names"),
    "pip/_vendor/a.py": ("x = 1\n", "vendored (_vendor/)"),
    "admin/static/js/vendor/a.js": ("f();\n", "vendored (vendor/)"),
    "Shop.Web/wwwroot/lib/jquery/a.js": ("f();\n", "vendored (wwwroot/lib/)"),
    "c.html": (HTML.format(head="", foot="".join(LINKS.format(n=n) for n in range(400))), built.LINKS),
    "a.txt": (
        "LS(1)            User Commands            LS(1)\n\nNAME\n  ls - list directories\n",
        built.RENDERED,
    ),
    "a.1": (".TH A 1\n.SH NAME\na - does \\f[B]it\\f[R]\n" + "\\f[C]a\\f[R] and so on\n" * 4, built.PAGE),
    "PKG-INFO": ("Metadata-Version: 2.1\n", "written by a tool"),
    "a.info": (
        "This is a.info, produced by makeinfo version 6.8 from a.texi.\n",
        "generated: generated by a tool that it names",
    ),
    "icon.png.import": (
        '[remap]\n\nimporter="texture"\ntype="CompressedTexture2D"\n',
        "generated: generated by a tool that it names",
    ),
    "Menu.controller": (
        "%YAML 1.1\n%TAG !u! tag:unity3d.com,2011:\n--- !u!74 &1\nAnimator:\n  m_Name: menu\n",
        "generated: generated by a tool that it names",
    ),
    "a.go": (
        "".join(f"\t{{0x{n:04x}, 0x{n * 7:04x}, {n}}},\n" for n in range(4000)).join(
            ("var t = []r{\n", "}\n")
        ),
        built.SAME_LINES,
    ),
    "a.py": (
        "NAMES = {\n" + "".join(f'    "name {n}": "x{n}",\n' for n in range(4000)) + "}\n",
        built.SAME_LINES,
    ),
    "a.min.js": ("f();\n", "minified: by its name"),
    "src/generated/a.h": ("int a;\n", "generated: by its name"),
    "src/zz_generated.copy.go": ("package a\n", "generated: by its name"),
    "a.egg-info/SOURCES.txt": ("setup.py\n", "written by a tool"),
    "docs/_static/searchtools.js": ("f();\n", "vendored (Sphinx's own scripts)"),
    "types/lib.es2015.core.d.ts": ("interface A {}\n", "vendored (TypeScript's own declarations)"),
    "tests/expected/a.html": ("<p>Some words of it.</p>\n", "recorded output"),
    "tests/testthat/_snaps/across.md": ("Output\n", "recorded output"),
    "tests/files/large.xml": ("<a>Some words of it.</a>\n" * 4000, LARGE_TEST_DATA),
    "examples/pairs.txt": ("C41D11.8\tAH9.25\n" * 5000, NUMBERS),
}
LETTERS = "abcdefghijklmnopqrst"
MANY = "".join(f"export function {a}{b}(x) {{\n  return x + {b}{a};\n}}\n" for a in LETTERS for b in LETTERS)
WRITTEN = {
    "a.js": CODE + "// a sourceMappingURL= comment is written where asked\nlast();\n",
    "b.js": CODE + 'if (x.__esModule) {\n  y("Object.defineProperty(exports");\n}\n',
    "c.js": "// how __webpack_require__ works\n" + CODE + "s.replace(/a/, 'b$1');\n" * 9,
    "d.js": "module.exports = function (root, factory) {\n};\n" * 3 + MANY,
    "a.html": HTML.format(head="<title>How Sphinx works</title>", foot="<p>We use Sphinx.</p>"),
    "b.html": HTML.format(head="", foot=LINKS.format(n=1) * 20),
    "a.txt": "LS(1) is a manual page\n\nof its own.\n",
    "a.go": "package a\n" + "".join(f"func f{n}(a int) int {{\n\treturn g(a)\n}}\n" for n in range(40)),
    "tests/test_generated.py": "x = 1\n",
    "docs/generated_code.md": "How it is generated.\n",
    "tools/list_what_is_generated.py": "x = 1\n",
    "tools/report_without_generated.py": "x = 1\n",
    "e.js": CODE + "f(a == null ? void 0 : a.b);\n",
    "shop/vendor/views.py": "x = 1\n",
    "theme/head.html": HTML.format(head='<meta name="generator" content="Hugo {{ version }}" />', foot=""),
    "theme/layout.html": "{% block foot %}" + HTML.format(head="", foot="<p>Created using Sphinx</p>"),
    "dist/notes.py": "x = 1\n",
    "expected/value.py": "x = 1\n",
    "conf.py": "# Note that not all possible configuration values are present in this\n# autogenerated file.\nx = 1\n",
    "tests/notes.txt": "What these are for, in words of some length.\n" * 40,
    "ruled.py": "#"
    + "-" * 78
    + "\n#"
    + "-" * 78
    + "\n"
    + 'log("words of it")\n' * 3
    + ("#" + "-" * 78 + "\n") * 16,
}


def placed(root, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.mark.parametrize("name", MADE)
def test_what_a_program_made_is_left_out_by_the_mark_that_it_leaves(root, spool, name):
    text, reason = MADE[name]
    placed(root, name, text)
    assert scan_tree(root, spool)[0].skipped == {reason: 1}
    assert scan_tree(root, spool, include=("/" + name,))[0].skipped == {}


def test_what_people_write_of_the_same_things_is_read(root, spool):
    for name, text in WRITTEN.items():
        placed(root, name, text)
    assert scan_tree(root, spool)[0].skipped == {}


def test_a_build_of_javascript_is_known_by_what_lies_beside_it(root, spool):
    for name in (
        "package.json",
        "dist/a.js",
        "lib/b.js",
        "lib/b.cjs",
        "lib/b.d.ts",
        "lib/b.d.cts",
        "lib/c.js",
    ):
        placed(root, name, "{}\n" if name.endswith("json") else "f();\n")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["lib/c.js", "package.json"]
    assert result.skipped == {directories.BUILD: 1, beside.BUILT: 4}
    assert "dist/a.js" in paths(scan_tree(root, spool, include=("dist/",))[0])


def test_gitattributes_take_back_what_is_said_of_a_name(root, spool):
    write(root, _DOT_gitattributes="* -linguist-generated\n", src__generated__a_DOT_h="int a;\n")
    assert "src/generated/a.h" in paths(scan_tree(root, spool)[0])
