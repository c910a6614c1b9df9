"""Translations, data like the data beside it, libraries and downloads of others: what goes, and what looks like it."""

from __future__ import annotations

import itertools

import pytest

from effectiveness.corpus.scan import (
    alike,
    beside,
    built,
    dumped,
    quality,
    releases,
    repeating,
    unwanted,
    vendored,
)
from effectiveness.corpus.scan.recorded import RECORDED
from effectiveness.corpus.scan.translations import TRANSLATION
from tests.scanning import paths, scan_tree
from tests.test_repeating_data import WORD, WORDS, place

TEXTS = '{\n  "title": "Titel",\n  "more": "mehr"\n}\n'
CLASS = "class Greeter:\n    def greet(self, name):\n        total = len(name)\n        return total * self.factor\n"
LANGUAGES = ("de", "es", "fr", "nl", "pt-BR")
DIFF = "Fix a thing.\n\n--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,3 @@\n int a;\n-int b;\n+int c;\n" * 3
SCREEN = "".join(f"\x1b[38;5;8m│\x1b[0m {word} \x1b[38;5;2m█\x1b[0m\n" for word in WORD[:40])
FORM = '<?xml version="1.0" encoding="UTF-8"?>\n<ui version="4.0">\n <class>Page</class>\n</ui>\n'
COLOURED = "<h1>API</h1>\n" + "".join(f'<pre><span class="k">{word}</span></pre>\n' for word in WORD[:40])
MAIL = "<div>\n<!--[if mso | IE]><table><tr><td><![endif]-->\n<p>Words</p>\n</div>\n" * 4
ESCAPED = "".join(
    f"should_pass $'{'x'.join(chr(92) + f'x{n + k:02x}' for k in range(16))}'\n" for n in range(99)
)
PEOPLE = "# Thanks\n<!-- ALL-CONTRIBUTORS-LIST:START - Do not remove -->\n" + "<td>A</td>\n" * 99
COMMITS = "# Changelog\n\n## 1.2.0 (2024-01-02)\n\n### Features\n\n" + "".join(
    f"* **api:** {word} at last ([a1b2c{n:02x}](https://github.com/a/b/commit/a1b2c{n:02x}))\n"
    for n, word in enumerate(WORD[:20])
)
REQUESTS = "# Changelog\n\n" + "".join(
    f"* {word} at last by @some-body in https://github.com/a/b/pull/{n}\n" for n, word in enumerate(WORD[:20])
)
LOG = f"commit {'0af1' * 10}\nAuthor: A. Person <a@example.org>\nDate:   Sun Nov 27 18:59:20 2022 -0800\n\n    Fix\n"
ORM = """export class A1612345678901 implements MigrationInterface {
  async up(runner: QueryRunner) {
    await runner.query(`ALTER TABLE "a" ADD CONSTRAINT "FK_%s" FOREIGN KEY ("b")`);
  }
}
"""
ROLLED = """;(function (global, factory) {
   typeof exports === 'object' && typeof module !== 'undefined'
       && typeof require === 'function' ? factory(require('../a')) : factory(global.a)
}(this, (function (a) { 'use strict';
})));
"""
PACKED = """!function(e){e()}({1:[function(require,module,exports){
f();
},{"./b":2}],2:[function(require,module,exports){
g();
},{}]},{},[1]);
"""
STEMMER = "var stem = function() {\n" + "".join(
    f'  a.push(new Among("{word}", -1, 1));\n' for word in WORD[:20]
)
MODULES = "".join(
    f'ace.define("ace/mode/{word}",["require"], function(r) {{\n  f();\n}});\n' for word in WORD[:4]
)
BANNER = "/*!\n * jQuery JavaScript Library v1.11.3\n * https://jquery.com/\n */\nf();\n"
OWN_BANNER = "/**\n * @copyright A. Person 2024\n * @license Apache-2.0\n */\nf();\n"

GOES = {
    "debian/patches/fix-it": (DIFF, repeating.PATCH),
    "assets/references/plot/a.txt": (SCREEN, RECORDED),
    "performance/sample.txt": (WORDS * 1200, unwanted.LARGE),
    "gui/Page.ui": (FORM, built.FORM),
    "res/drawable/a.xml": ('<vector xmlns:android="x">\n  <path d="M1,2"/>\n</vector>\n', built.DRAWING),
    "talk/shot.eps": ("%!PS-Adobe-3.0\n%%Creator: GIMP\n%%Title: a\nshowpage\n", built.DRAWING),
    "docs/api.html-fragment": (COLOURED, built.PAGE),
    "mails/welcome.html.hbs": (MAIL, built.MAIL),
    "CONTRIBUTORS.md": (PEOPLE + "<!-- ALL-CONTRIBUTORS-LIST:END -->\n", built.CONTRIBUTORS),
    "CHANGELOG.md": (COMMITS, dumped.HISTORY),
    "prisma/migrations/1_a/migration.sql": ("-- CreateTable\nCREATE TABLE a (b INT);\n", dumped.MIGRATION),
    "NEWS.md": (REQUESTS, dumped.HISTORY),
    "docs/NEWS.md": (REQUESTS.replace("https", "[#12](https").replace("\n*", ")\n*"), dumped.HISTORY),
    "CHANGES.md": (COMMITS.replace("([a1b2", "[`a1b2").replace("](", "`](").replace("))", ")"), dumped.HISTORY),
    "ChangeLog": (LOG * 9, dumped.HISTORY),
    "db/structure.sql": ("--\n-- PostgreSQL database dump\n--\n\nSET a = 0;\nCREATE TABLE a (b int);\n", dumped.DUMP),
    "db/all.sql": ("-- MySQL dump 10.13  Distrib 8.0\n--\nCREATE TABLE `a` (`b` int);\n", dumped.DUMP),
    "db/migrate/1_a.shop.rb": ("# This migration comes from shop (originally 2012)\nx = 1\n", dumped.MIGRATION),
    "src/migrations/1-A.ts": (ORM % "0a1b2c3d4e5f60718293a4b5c6d", dumped.MIGRATION),
    "locale/own.js": (ROLLED, built.BUNDLE),
    "inst/resources/js/packed.js": (PACKED, built.BUNDLE),
    "browser/packed.js": (PACKED.replace("require", "_dereq_"), built.BUNDLE),
    "include/a/msg_beat.h": (
        "#pragma once\n// MESSAGE HEART_BEAT PACKING\n\n#define MSG_ID_HEART_BEAT 0\n",
        dumped.PACKING,
    ),
    "tests/a.il": (
        "\n//  Microsoft (R) .NET Framework IL Disassembler.  Version 4.6\n.assembly extern a\n{\n}\n",
        dumped.ASSEMBLY,
    ),
    "search/hu.js": (STEMMER + "};\n", built.COMPILED),
    "edit/mode.js": (MODULES, built.BUNDLE),
    "completions/_a": ("#compdef a\n\nautoload -U is-at-least\n\n_a() {\n}\n", built.COMPLETIONS),
    "completions/a.bash": ("_a() {\n    local i cur prev opts cmd\n    COMPREPLY=()\n}\n", built.COMPLETIONS),
    "is_utf8/test.sh": (ESCAPED, quality.ESCAPED),
    "proto/a.pb.ex": ("defmodule A do\nend\n", unwanted.GENERATED_NAME),
    "proto/a_pb2.py": ("x = 1\n", unwanted.GENERATED_NAME),
    "lib/strings.g.dart": ("int a = 1;\n", unwanted.GENERATED_NAME),
    "web/static/jquery.js": (BANNER, vendored.LIBRARY),
    "web/static/jquery-1.2.6.js": ("f();\n", vendored.LIBRARY),
}  # fmt: skip
STAYS = {
    "docs/git.txt": WORDS * 20 + DIFF + WORDS * 40,
    "test/colour.test": "$ a --colour\n\x1b[31mred\x1b[0m\n" * 3 + WORDS * 9,
    "NEWS.txt": WORDS * 1200,
    "docs/manual.txt": WORDS * 1200,
    "res/layout/a.xml": '<LinearLayout xmlns:android="x">\n  <View/>\n</LinearLayout>\n',
    "fonts/hand.ps": "%!PS\n/inch {72 mul} def\n1 inch 2 inch moveto\nshowpage\n",
    "about.html": '<p>See <span class="k">this</span> and no more.</p>\n' + WORDS,
    "README.md": PEOPLE + "<!-- ALL-CONTRIBUTORS-LIST:END -->\n" + WORDS * 30,
    "HISTORY.md": COMMITS + WORDS * 20,
    "NEWS.markdown": REQUESTS + WORDS * 20,
    "docs/log.md": WORDS + LOG,
    "db/own.sql": "-- What we dump of PostgreSQL, by hand\nCREATE TABLE a (b INT);\n",
    "db/migrate/2_a.rb": "# This one undoes what the migration of the shop did\nx = 1\n",
    "src/migrations/2-B.ts": ORM % "of_a_to_b",
    "src/umd.js": ";(function (root, factory) {\n  if (typeof define === 'function') {\n  }\n}(this, f));\n",
    "src/pack.js": "// [function(require,module,exports){ is how browserify begins\nf();\n",
    "src/message.h": "// MESSAGE PACKING is done here\nint a;\n",
    "db/1_a.sql": "-- Create the first table\nCREATE TABLE a (b INT);\n",
    "search/stem.js": 'exports.stem = () => new Among("a", 1);\n',
    "completions/hand.bash": "_hand() {\n    local cur=$2\n    COMPREPLY=($(compgen -W 'a b' -- $cur))\n}\n",
    "test_bytes.py": "".join(f"X{n} = b'\\x00\\x01'  # {WORDS[:40]}\n" for n in range(99)),
    "webpack.common.js": "module.exports = {};\n",
    "src/core/lib/own.js": OWN_BANNER,
    "static/own.js": OWN_BANNER,
    "static/start.js": "/* Version history is in the log; https://example.org says more. */\nf();\n",
    "src/player-v2.js": "f();\n",
}  # fmt: skip


@pytest.mark.parametrize("name", GOES)
def test_what_was_not_written_here_is_left_out_by_its_named_rule(tmp_path, name):
    text, reason = GOES[name]
    root = place(tmp_path / "root", {name: text})
    assert scan_tree(root, tmp_path / "spool")[0].skipped == {reason: 1}
    assert scan_tree(root, tmp_path / "spool", include=("/" + name,))[0].skipped == {}


def test_what_people_write_that_looks_like_it_is_read(tmp_path):
    root = place(tmp_path / "root", STAYS)
    assert scan_tree(root, tmp_path / "spool")[0].skipped_paths == {}


@pytest.mark.parametrize(
    "pattern",
    [
        "i18n/{}.json",
        "locale_{}.ini",
        "app/i18n/{}/admin.php",
        "res/values-{}/strings.xml",
        "Mac/{}.lproj/Main.strings",
        "texts/language_box-{}.xml",
        "metadata/{}/changelogs/1.txt",
        "config/locales/forms.{}.yml",
    ],
)
def test_of_the_same_texts_in_several_languages_english_alone_is_read(tmp_path, pattern):
    text = "<?php return array('title' => 'A title of some length', 'more' => 'And more of it');\n"
    files = {
        pattern.format(code): text if "php" in pattern else TEXTS for code in (*LANGUAGES, "en", "en-AU")
    }
    result = scan_tree(place(tmp_path / "root", files), tmp_path / "spool")[0]
    assert paths(result) == [pattern.format("en")]
    assert result.skipped == {TRANSLATION: len(LANGUAGES) + 1}


def test_messages_of_an_installer_and_dialects_are_translations(tmp_path):
    text = "[Messages]\nWelcomeLabel=Benvido ao asistente que instala o programa\n"
    names = ("German", "French", "Galician", "Nepali", "BrazilianPortuguese", "NorwegianNynorsk")
    files = {f"setup/{name}.isl": text for name in names}
    files |= {
        f"texts/language-{code}.xml": f"<a>{WORDS}</a>\n" for code in ("en", "de-x-franken", "it", "fr", "nl")
    }
    result = scan_tree(place(tmp_path / "root", files), tmp_path / "spool")[0]
    assert paths(result) == ["texts/language-en.xml"]
    assert result.skipped == {TRANSLATION: len(names) + 4}


@pytest.mark.parametrize("directory", ["3rd-party", "3rdparty", "lib/3rd_party"])
def test_what_others_wrote_is_left_out_however_its_directory_is_spelled(tmp_path, directory):
    root = place(tmp_path / "root", {f"{directory}/json.hpp": "int a;\n", "src/party.cpp": "int b;\n"})
    result = scan_tree(root, tmp_path / "spool")[0]
    assert paths(result) == ["src/party.cpp"]
    assert result.skipped == {f"vendored ({directory.rpartition('/')[2]}/)": 1}


def test_names_of_languages_that_are_no_translations_are_read(tmp_path):
    programs = {f"examples/{name}/main.txt": WORDS for name in ("cs", "ml", "pl", "vi", "as", "so")}
    few = {f"i18n/{code}.json": TEXTS for code in ("de", "fr", "en")}
    names = ("de", "fr", "es", "it", *WORD[:9])
    other = {
        f"src/{name}.json": TEXTS.replace("title", WORD[n]).replace("more", WORD[-n])
        for n, name in enumerate(names)
    }
    classes = {f"locale/{code}.py": CLASS for code in LANGUAGES}
    countries = {f"test/codec_{code}.py": f"x = '{WORDS}'\n" for code in ("cn", "hk", "jp", "kr", "tw", "fr")}
    documents = {f"docs/{code}/README.md": WORDS for code in LANGUAGES}
    root = place(tmp_path / "root", programs | few | other | classes | countries | documents)
    assert scan_tree(root, tmp_path / "spool")[0].skipped_paths == {}


def theme(number: int) -> str:
    return "".join(f'colour.{word} = "#{(number * 7 + n):06x}"\n' for n, word in enumerate(WORD[:30]))


def test_of_many_files_of_data_that_are_alike_the_first_few_are_read(tmp_path):
    files = {f"themes/{word}.theme": theme(n) for n, word in enumerate(WORD[:20])}
    files["themes/other.theme"] = WORDS * 4
    result = scan_tree(place(tmp_path / "root", files), tmp_path / "spool")[0]
    assert result.skipped == {alike.ALIKE: 20 - alike.NUM_KEPT}
    assert paths(result) == sorted([*sorted(files)[: alike.NUM_KEPT], "themes/other.theme"])
    assert scan_tree(tmp_path / "root", tmp_path / "spool", include=("*.theme",))[0].skipped == {}


def test_files_of_one_name_in_directories_beside_each_other_are_alike_too_but_not_settings(tmp_path):
    form = "<form>\n  <title>{}</title>\n  <text>{}</text>\n  <unit>{}</unit>\n</form>\n"
    forms = {f"tests/all/{word}-1.0/form.xml": form.format(word, n, n) for n, word in enumerate(WORD[:20])}
    packages = {
        f"packages/{word}/package.json": f'{{\n "name": "{word}",\n "version": "1"\n}}\n'
        for word in WORD[:20]
    }
    result = scan_tree(place(tmp_path / "root", forms | packages), tmp_path / "spool")[0]
    assert result.skipped == {alike.ALIKE: 20 - alike.NUM_KEPT}


def test_code_that_is_alike_and_data_that_is_not_or_are_few_are_read(tmp_path):
    workflows = {
        f"ci/{a}.yml": "".join(f"{a}{b}: {b}\n" for b in WORD[n : n + 9]) for n, a in enumerate(WORD[:20])
    }
    handlers = {f"src/{word}.py": f"def {word}(a):\n    return a\n\n\nx = 1\ny = 2\n" for word in WORD[:20]}
    few = {f"themes/{word}.theme": theme(n) for n, word in enumerate(WORD[: alike.MIN_ALIKE - 1])}
    root = place(tmp_path / "root", workflows | handlers | few)
    assert scan_tree(root, tmp_path / "spool")[0].skipped_paths == {}


@pytest.mark.parametrize(
    "place_of", ["zlib-1.2.11", "third/parser-master", "libfoo-main", "assets/js/pdfjs-5.2.133"]
)
def test_a_project_put_below_a_repository_as_it_was_downloaded_is_left_out(tmp_path, place_of):
    own = {"README.md": WORDS, "src/a.c": "int a;\n", "assets/js/own.js": "f();\n"}
    theirs = {f"{place_of}/{name}": WORDS for name in ("README.md", "LICENSE", "src/b.c")}
    root = place(tmp_path / "root", own | theirs)
    result = scan_tree(root, tmp_path / "spool")[0]
    assert paths(result) == sorted(own)
    assert len(result.skipped) == 1 and next(iter(result.skipped)).startswith("vendored (")
    assert place_of + "/src/b.c" in paths(
        scan_tree(root, tmp_path / "spool", include=(f"/{place_of}/**",))[0]
    )


def test_a_repository_that_consists_of_downloads_is_read_and_so_is_a_directory_named_for_a_version(tmp_path):
    theirs = {f"{a}-master/{b}": WORDS for a, b in itertools.product("ab", ("README.md", "LICENSE", "c.txt"))}
    root = place(tmp_path / "only", theirs | {"README.md": WORDS})
    assert paths(scan_tree(root, tmp_path / "spool")[0]) == sorted([*theirs, "README.md"])
    files = {
        "docs/api-1.2/a.md": WORDS,
        "upgrade-2.0/README.md": WORDS,
        "upgrade-2.0/run.sh": "a\n",
        "a.c": "int a;\n",
    }
    assert scan_tree(place(tmp_path / "own", files), tmp_path / "spool")[0].skipped_paths == {}


BESIDE = {  # what lies in a tree -> the reason for each entry that is left out of it
    "page": (["a.html", "a_files/b.css", "a_files/c.js"], {beside.SAVED: 2}),
    "page of its own": (["a.html", "b_files/b.css"], {}),
    "manual": (["man/a.1", "man/a.1.md", "man/b.1", "man/b.adoc"], {beside.MANUAL: 2}),
    "manual of its own": (["man/a.1", "man/a.md", "README.md", "README.1.md"], {}),
    "sphinx": (["doc/html/_static/doctools.js", "doc/html/_static/pygments.css"], {beside.PAGES: 1}),
    "beside its sources": (
        [f"doc/{name}" for name in ("genindex.html", "searchindex.js", "_sources/a.rst.txt", "build/a.rst")],
        {beside.PAGES: 1},
    ),
    "its theme": (["theme/static/doctools.js", "theme/static/basic.css_t", "theme/static/a.css"], {}),
    "pip": (
        [*(f"lib/{name}/__init__.py" for name in ("idna", "certifi", "pytz", "other")), "lib/own.py"],
        {"installed packages (lib)": 4},
    ),
    "plugins": ([f"own/{name}/__init__.py" for name in ("requests", "jinja2", "urllib3", "certifi", "werkzeug")], {}),
    "recipes": ([f"recipes/{name}/build.sh" for name in ("idna", "certifi", "pytz", "six.py")], {}),
    "vendor": (["app/vendor/zlib/LICENSE", "app/vendor/zlib/a.c"], {"vendored (vendor/)": 1}),
    "bootstrap": (
        [f"themes/b2/less/{name}.less" for name in ("bootstrap", "mixins", "navbar", "variables")],
        {beside.LIBRARY_SOURCES: 1},
    ),
    "its own repository": ([f"less/{name}.less" for name in ("bootstrap", "mixins", "navbar", "variables")], {}),
    "releases": (
        [f"docs/{release}/{name}.md" for release in ("1.9", "1.10", "v2.0", "current") for name in "abc"]
        + ["docs/1.9/only-then.md"],
        {releases.EARLIER: 9},
    ),
    "no releases": (
        [f"{place}/{name}.md" for place in ("docs/1.0", "docs/2.0", "api/1.1", "api/1.2", "api/1.3") for name in "abc"]
        + [f"docs/notes/1.{n}/index.md" for n in range(9)],
        {},
    ),
    "own vendor": (["shop/vendor/models/a.py", "shop/vendor/views.py", "shop/LICENSE"], {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", BESIDE)
def test_what_lies_beside_a_file_tells_whether_a_program_or_another_project_wrote_it(tmp_path, kind):
    names, reasons = BESIDE[kind]
    root = place(tmp_path / "root", {name: f"{WORDS}{n}\n" for n, name in enumerate(names)})
    assert scan_tree(root, tmp_path / "spool")[0].skipped == reasons
    everything = tuple("/" + name for name in names)
    assert paths(scan_tree(root, tmp_path / "spool", include=everything)[0]) == sorted(names)
