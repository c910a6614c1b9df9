"""Which language a file is in: by its name, by its `#!` line, and where several share an ending by its text."""

import re
import time

import pytest

from effectiveness.corpus import known_languages
from effectiveness.languages import (
    LANGUAGES,
    NOTEBOOK,
    OURS,
    UNKNOWN,
    language_called,
    language_of,
    may_be,
    names_of,
)
from effectiveness.languages.record import HEAD_BYTES, SHARED, read_table, told_by_text
from effectiveness.languages.renew import written

FILE_NAMES = """
    Makefile Make | GNUmakefile Make | Makefile.am Make | Dockerfile Dockerfile | Dockerfile.dev Dockerfile
    api.Dockerfile Dockerfile | Containerfile Dockerfile | CMakeLists.txt CMake | Gemfile Ruby | Rakefile Ruby
    Vagrantfile Ruby | Podfile Ruby | Brewfile Ruby | Jenkinsfile Groovy | justfile Just | Justfile Just
    BUILD.bazel Starlark | WORKSPACE Starlark | defs.bzl Starlark | go.mod Go_Module | go.work Go_Workspace
    package.json JSON | tsconfig.json JSON_with_Comments | Cargo.toml TOML | pyproject.toml TOML | setup.py Python
    SConstruct Python | requirements.txt Pip_Requirements | Procfile Procfile | .gitignore Ignore_List
    .gitattributes Git_Attributes | .editorconfig EditorConfig | .bashrc Bash | .vimrc Vim_script | init.el Emacs_Lisp
    .eslintrc.json JSON_with_Comments | nginx.conf Nginx | Caddyfile Caddyfile | meson.build Meson | default.nix Nix
    LICENSE Text | COPYING Text | configure.ac M4Sugar | config.h.in C | main.tf HCL | page.html.erb HTML+ERB
    a.b.ts TypeScript
    mix.exs Elixir | rebar.config Erlang | PKGBUILD Bash | .clang-format YAML | Tiltfile Starlark
"""

# Ending, language, a text. The last of an ending is what it is taken for where the text says nothing.
TEXTS = [
    (".ts", "XML", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1">\n'),
    (".ts", "TypeScript", "export const a: number = 1;\nconst b = <TS>a;\n"),
    (".pl", "Prolog", ":- module(m, [likes/2]).\nlikes(mary, X) :- food(X).\n"),
    (".pl", "Perl", "use strict;\nsub add { return $_[0] + 1; }\n"),
    (".pl", "Perl", "#!/usr/bin/perl\nprint 1;\n"),
    (".m", "Objective-C", "#import <Foundation/Foundation.h>\n@implementation A\n@end\n"),
    (".m", "MATLAB", "function y = f(x)\n% F doubles\ny = 2 * x;\nend\n"),
    (".m", "Wolfram Language", "(* ::Package:: *)\nf[x_] := x^2\n"),
    (".m", "Mercury", ":- module hello.\n:- interface.\n"),
    (
        ".h",
        "C",
        '#ifndef A_H\n#define A_H\n/* class of things */\n#include "b.h"\nint class_of(struct a *b);\n#endif\n',
    ),
    (".h", "C", '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n'),
    (".h", "C++", "#pragma once\n#include <string>\nint f();\n"),
    (".h", "C++", "namespace a {\nclass B final : public C {\n public:\n  B();\n};\n}\n"),
    (".h", "C++", "template <typename T>\nstruct A { T t; };\n"),
    (".h", "Objective-C", "@interface A : NSObject\n@property int b;\n@end\n"),
    (".v", "Rocq Prover", "Require Import List.\nTheorem a : True.\nProof. auto. Qed.\n"),
    (".v", "Verilog", "module top(input a, output b);\n  assign b = a;\nendmodule\n"),
    (".v", "V", "module main\n\nfn main() {\n\tprintln('a')\n}\n"),
    (".fs", "F#", "module A\n\nlet add x y = x + y\n"),
    (".fs", "Forth", ": square dup * ;\n"),
    (".fs", "GLSL", "#version 330\nuniform vec3 a;\nvoid main() {}\n"),
    (".cls", "TeX", "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesClass{a}\n"),
    (".cls", "Visual Basic 6.0", "VERSION 1.0 CLASS\nBEGIN\n  MultiUse = -1\n  Persistable = 0\nEND\n"),
    (".cls", "Apex", "public with sharing class A {\n    public Integer b;\n}\n"),
    (".cls", "ObjectScript", "Class A.B Extends %RegisteredObject\n{\n}\n"),
    (".inc", "PHP", "<?php\nfunction a() { return 1; }\n"),
    (".inc", "Pascal", "{$IFDEF A}\nprocedure B;\nbegin\nend;\n"),
    (".inc", "Assembly", "%macro a 1\n  mov eax, %1\n%endmacro\n"),
    (".inc", "C++", "#define A 1\nstatic int b[] = {1};\n"),
    (".inc", "BitBake", 'SUMMARY = "a"\nDEPENDS += "b"\ninherit autotools\n'),
    (".pp", "Puppet", "class a {\n  file { '/b': ensure => present }\n}\n"),
    (".pp", "Pascal", "unit a;\ninterface\nimplementation\nend.\n"),
    (".r", "R", "f <- function(x) x + 1\n"),
    (".r", "Rebol", 'REBOL [Title: "a"]\nprint 1\n'),
    (".d", "D", "module a;\nimport std.stdio;\nvoid main() {}\n"),
    (".d", "Bash", "#!/bin/sh\ncase $1 in start) run;; esac\n"),
    (".d", "Make", "a.o: a.c \\\n b.h\n"),
    (".sc", "SuperCollider", "A : B {\n\t*new { ^super.new }\n}\n"),
    (".sc", "Scala", "object A { def f(x: Int) = x }\n"),
    (".pro", "QMake", "TEMPLATE = app\nSOURCES += main.cpp\n"),
    (".pro", "Prolog", "a(X) :- b(X).\n"),
    (".pro", "Proguard", "# Add project specific ProGuard rules here.\n"),
    (".ex", "Elixir", 'defmodule A do\n  @yaml """\n  namespace a\n  """\nend\n'),
    (".l", "Lex", "%{\n#include <a.h>\n%}\n%%\n"),
    (".l", "Common Lisp", "(defun a (b) b)\n"),
    (".sol", "Solidity", "contract A { uint b; }\n"),
    (".1", "Roff Manpage", '.TH A 1 "2020"\n.SH NAME\na\n'),
    (".cgi", "Python", "#!/usr/bin/env python3\nprint(1)\n"),
    (".cgi", "Perl", "print 1;\n"),
    (".php", "PHP", "<?php echo 1;\n"),
    (".md", "Markdown", "# A\n"),
    (".mod", "Modula-2", "MODULE a;\nBEGIN\nEND a.\n"),
    (".asc", "Public Key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
    (".spec", "RPM Spec", "Name: a\n%build\n"),
    (".spec", "Python", "a = Analysis(['b.py'])\nexe = EXE(a)\n"),
]


@pytest.mark.parametrize("pair", FILE_NAMES.replace("\n", "|").split("|"))
def test_a_well_known_file_name_tells_its_language(pair):
    if words := pair.split():
        name, language = words
        assert language_of(f"some/where/{name}").name == language.replace("_", " ")


@pytest.mark.parametrize(("suffix", "language", "text"), TEXTS)
def test_of_an_ending_that_several_share_the_text_tells(suffix, language, text):
    name = f"a{suffix}"
    assert language_of(name, text.encode()).name == language
    assert may_be(name, language)


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#!/usr/bin/env -S bash -e\n", "#! /usr/bin/env A=1 bash\n"])
def test_a_shell_script_is_known_by_its_first_line(text):
    assert language_of("tool", text.encode()).name == "Bash"


def test_an_interpreter_s_version_is_no_part_of_its_name():
    assert language_of("tool", b"#!/usr/bin/python3.12\n").name == "Python"
    assert language_of("tool", b"#!/usr/bin/perl\n").name == "Perl"


def test_a_script_that_the_shell_hands_on_is_in_the_language_of_its_own_interpreter():
    assert language_of("tool", b'#!/bin/sh\n# \\\nexec tclsh "$0" ${1+"$@"}\nputs 1\n').name == "Tcl"
    assert language_of("tool", b'#!/bin/sh\nexec other "$@"\n').name == "Bash"


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("a.test", "# -*- tcl -*-\nputs 1\n", "Tcl"),
        ("a.zzz", "/* -*- tab-width: 4; mode: c++; -*- */\n", "C++"),
        ("a.h", "/* -*-C++-*- */\nint a;\n", "C++"),
        ("a.h", "/* -*- Mode: C; c-basic-offset: 4 -*- */\nclass A {\n", "C"),
        ("a.zzz", "x\n" * 400 + "# vim: set sw=4 ft=perl :\n", "Perl"),
        ("a.py", "# -*- mode: ruby -*-\n", "Python"),
        ("a.h", "/* -*- mode: ruby -*- */\n", "C"),
    ],
)
def test_what_a_text_tells_an_editor_tells_where_the_name_does_not(name, text, language):
    assert language_of(name, text.encode()).name == language


def test_a_coding_cookie_is_no_language():
    assert language_of("a.zzz", b"# -*- coding: utf-8 -*-\n") is None


def test_nothing_is_told_of_a_name_and_a_text_that_nobody_knows():
    assert language_of("a/b.unheard-of", b"words\n") is None
    assert (UNKNOWN.name, UNKNOWN.is_data) == ("Text", True)


def test_what_we_know_more_of_goes_before_the_table():
    for name in OURS:
        for suffix in LANGUAGES[name].suffixes:
            assert suffix in SHARED or language_of(f"a{suffix}").name == name


def test_data_is_strictly_judged_but_under_the_endings_that_we_list():
    assert not language_of("a.json").is_data and language_of("a.avsc").is_data
    assert not language_of("pom.xml").is_data and not language_of("requirements.txt").is_data
    assert language_of("a.json").name == language_of("a.avsc").name == "JSON"


def test_every_language_of_a_shared_ending_is_known_and_every_pattern_compiles():
    for suffix, rules in SHARED.items():
        assert suffix == suffix.lower() and suffix.startswith(".")
        for language, pattern in rules:
            assert language in LANGUAGES, (suffix, language)
            re.compile(pattern, re.MULTILINE)
        assert all(pattern for _, pattern in rules[:-1]), (
            f"{suffix}: what follows a rule for any text is never tried"
        )


def test_an_alias_in_any_spelling_names_its_language():
    assert language_called("SHELL").name == language_called("bash").name == "Bash"
    assert language_called("cpp").name == language_called("C++").name == "C++"
    assert language_called("no-such-language") is language_called("") is None


def test_the_language_of_a_name_may_be_what_a_rule_tells_and_nothing_else():
    assert may_be("a.h", "Objective-C") and not may_be("a.h", "Python")
    assert may_be("a.ipynb", "R") and may_be("tool", "Ruby") and not may_be("a.py", "Text")


SCRIPTS = (b"", b"#!/usr/bin/env python3\n", b"#!/usr/bin/perl -w\n", b"hello\n")


@pytest.mark.parametrize("stem", ["", "a", "a.b", "a.blade"])
def test_no_name_of_the_table_is_refused_for_the_language_that_it_was_read_as(stem):
    names = [stem + word for language in LANGUAGES for word in names_of(language)]
    found = {(name, row.name) for name in names for text in SCRIPTS if (row := language_of(name, text))}
    assert len(found) > 1_000
    assert [pair for pair in sorted(found) if pair[1] != NOTEBOOK and not may_be(*pair)] == []


def test_a_name_that_one_language_has_alone_is_not_judged_by_its_ending():
    for name, language in (
        ("go.mod", "Go Module"),
        ("requirements.txt", "Pip Requirements"),
        ("a.blade.php", "Blade"),
    ):
        assert may_be(name, language) and not may_be(name, "Text"), name


HOSTILE = [
    b" ",
    b"\t",
    b"\n",
    b"a",
    b"a ",
    b"(",
    b":",
    b"#",
    b"a:\n",
    b"<",
    b"%",
    b"=",
    b"$a",
    b"class a",
    b"\n \n",
    b"'",
    b".",
]


def test_a_text_of_any_kind_is_told_in_time_that_does_not_explode():
    """Of all 130 endings and 17 texts of one repeated piece: under 20 ms each, where a bad pattern takes minutes."""
    started_s, num_texts = time.process_time(), 0
    for suffix in SHARED:
        for piece in HOSTILE:
            told_by_text(suffix, piece * (HEAD_BYTES // len(piece)))
            num_texts += 1
    assert (time.process_time() - started_s) / num_texts < 0.02


def test_the_table_is_written_as_it_is_read():
    table = read_table()
    assert "linguist" in table.source and len(table.languages) > 800
    text = written({"source": "x", "popular": [], "languages": {"A": {"kind": "data"}}})
    assert text == '{"source": "x",\n"popular": [],\n"languages": {\n"A": {"kind": "data"}\n}}\n'


def test_the_readme_s_table_of_languages_is_that_of_the_code():
    from conftest import ROOT

    assert known_languages.table() in (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8")


def test_the_list_of_languages_says_what_each_gets():
    lines = list(known_languages.lines())
    assert len(lines) == len(LANGUAGES)
    assert next(line for line in lines if line.startswith("Rust: ")) == (
        "Rust: rows, masking by syntax, renaming, comments, layout: .rs .rs.in"
    )
    assert "Elixir: rows: " in "\n".join(lines)
