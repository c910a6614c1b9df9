"""Texts that are hostile or plain odd, of any size: what `linear_work` measures the cost of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from effectiveness.languages import OURS
from effectiveness.languages.syntax import has_grammar

Shape = Callable[[int], bytes]  # number of bytes -> a text of about so many

LINE_BYTES = 80


def repeated(unit: str, head: str = "", tail: str = "", per_line: int = 1) -> Shape:
    """`unit` again and again, `per_line` times on a line where it holds no line end itself."""
    piece = (unit * per_line).encode() + b"\n" * (per_line > 1)

    def make(num_bytes: int) -> bytes:
        body = piece * max(1, (num_bytes - len(head) - len(tail)) // len(piece))
        return head.encode() + body + tail.encode()

    return make


def numbered(unit: str, head: str = "", tail: str = "") -> Shape:
    """`unit` with a number that goes up for each `@`."""

    def make(num_bytes: int) -> bytes:
        parts, size, number = [head], len(head) + len(tail), 0
        while size < num_bytes:
            parts.append(unit.replace("@", str(number)))
            size += len(parts[-1])
            number += 1
        return "".join([*parts, tail]).encode()

    return make


def nested(opening: str, closing: str, core: str = "", head: str = "", tail: str = "") -> Shape:
    """`opening` as often as `closing`, one inside the other."""

    def make(num_bytes: int) -> bytes:
        times = max(1, (num_bytes - len(head) - len(tail)) // (len(opening) + len(closing)))
        return (head + opening * times + core + closing * times + tail).encode()

    return make


def drawn(tokens: list[str], line_tokens: int = 12) -> Shape:
    """Tokens at random, with a line end after every dozen."""

    def make(num_bytes: int) -> bytes:
        rng = random.Random(repr(tokens))
        parts, size = [], 0
        while size < num_bytes:
            line = " ".join(rng.choices(tokens, k=line_tokens)) + "\n"
            parts.append(line)
            size += len(line)
        return "".join(parts).encode()

    return make


# Of no language in particular: every parser and every rule is given them.
ANYWHERE: dict[str, Shape] = {
    **{
        f"{token} on lines": repeated(f"{token}\n")
        for token in ("(", "[", "{", "<", ")", "}", '"', "'", "`", "/*", "*/", "//", "#", "#if x", "\\", ";", ",", "=")
    },
    **{
        f"{token} in rows": repeated(token, per_line=LINE_BYTES)
        for token in ("(", "[", "{", "<", "}", '"', "'", "`", "a.", "a,", "a ", "1+", "-", "!", "$", "@", "é", "中")
    },
    "f( lines": repeated("f(\n"),
    "func( lines": repeated("func(\n"),
    "x = 1": repeated("x = 1\n"),
    "x = 1 CRLF": repeated("x = 1\r\n"),
    "x = 1; CR": repeated("x = 1;\r"),
    "x": repeated("x\n"),
    "1": repeated("1\n"),
    "blank lines": repeated("\n", head="x\n", tail="x\n"),
    "blanks": repeated(" ", per_line=4000, head="x\n"),
    "blanks before x": repeated(" " * 4000 + "x\n"),
    "tabs and CR": repeated("\t\r", per_line=LINE_BYTES),
    "deep indentation": lambda n: b"".join(b" " * (i % 200) + b"a:\n" for i in range(n // 102)),
    "growing indentation": lambda n: b"".join(b" " * i + b"a:\n" for i in range(int((2 * n) ** 0.5))),
    "names": numbered("name_@ "),
    "name lines": numbered("name_@\n"),
    "equal names": repeated("name\n"),
    "a long name a line": repeated("abcdefgh" * 500 + "\n"),
    "words": repeated("lorem ipsum dolor sit amet\n"),
    "assigned keys": numbered('password = "hunter@xyzzyQ"\n'),
    "password = ": repeated("password = "),
    "password lines": repeated("password\n"),
    "key begins": repeated("-----BEGIN RSA PRIVATE KEY-----\n"),
    "key blocks": repeated("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAabcdefghijklm0123\n-----END RSA PRIVATE KEY-----\n"),  # noqa: E501
    "base64": repeated("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkwYWJjZGVmZ2hpamtsbW5v\n"),
    "urls": repeated("https://user:pass@example.com/path?query=1 "),
    "colons": repeated("://", per_line=26),
    "eyJ": repeated("eyJ.", per_line=20),
    "emoji": repeated("😀", per_line=20),
    "combining": repeated("a\u0301", per_line=27),
    "unsettled": repeated("\U00010400", per_line=20),
    "generated": repeated("generated do not "),
    "hex": numbered("0x@,\n"),
    "tokens at random": drawn([*"()[]{}<>,;:.=+-*/&|!?@#$%^~\\\"'`", "a", "b", "1", "if", "x"]),
    "brackets at random": drawn([*"()[]{}<>", "a", ","]),
    "words at random": drawn(["if", "else", "for", "while", "return", "class", "def", "func", "fn", "let", "var", "a", "b", "c", "1", "(", ")", "{", "}", "=", ";", ":"]),  # noqa: E501
}  # fmt: skip

_CURLY: dict[str, Shape] = {
    "if (x) { lines": repeated("if (x) {\n"),
    "if (x) { nested": nested("if (x) {\n", "}\n"),
    "else if chain": repeated("else if (x) { y(); }\n", head="if (x) { y(); }\n"),
    "comments": repeated("// a comment\n"),
    "comments behind": repeated("x(); // y\n"),
    "block comments": repeated("/* a */ x();\n"),
    "block comments in a row": repeated("/**/", per_line=20),
    "unclosed comment": repeated("* a */* b\n", head="/*"),
    "calls": repeated("f(a, b);\n"),
    "nested calls": nested("f(", ")", "x"),
    "nested calls lines": nested("f(\n", ")\n", "x"),
    "sum": repeated("1+", tail="1;\n", per_line=40),
    "chain": repeated(".a()\n", head="x"),
    "unclosed string lines": repeated('x = "abc\n'),
    "ternaries": repeated("a ? b :\n", tail="c;"),
    "shifts": repeated("a << b >>\n"),
    "generic open": repeated("A<B,\n"),
    "nested generics": nested("A<", ">", "B"),
    "equal names 2": repeated("x = x + x;\n"),
    "braces lines": nested("{\n", "}\n"),
    "switch": repeated("case 1: x(); break;\n", head="switch (x) {\n", tail="}\n"),
    "labels": numbered("l@: x();\n"),
    "casts": nested("(int)", "", "x"),
    "lambdas": nested("(x) => {", "}"),
    "asterisks": repeated("* ", per_line=40),
    "ampersands": repeated("&&a", per_line=26),
}

_OF: dict[str, dict[str, Shape]] = {
    "Python": {
        "functions": numbered("def f@(a, b):\n    c = a + b  # sum\n    return c\n\n"),
        "one function": numbered("    v@ = v@ + 1\n", head="def f():\n"),
        "one function, one name": repeated("    v = v + 1\n", head="def f():\n"),
        "one function, names used": numbered("    v@ = 1; g(v@)\n", head="def f():\n"),
        "list": repeated("1, ", head="x = [\n", tail="]\n", per_line=25),
        "list lines": numbered("    @,\n", head="x = [\n", tail="]\n"),
        "dict lines": numbered('    "k@": @,\n', head="x = {\n", tail="}\n"),
        "deep list": nested("[", "]", "1", "x = "),
        "deep dict": nested("{1:\n", "}", "1", "x = "),
        "sum": repeated("1 + \\\n", head="x = ", tail="1\n"),
        "attributes": repeated(".a", head="x = (y\n", tail=")\n", per_line=40),
        "chain": repeated(".a()\n", head="x = (y", tail=")\n"),
        "elif": repeated("elif x:\n    y\n", head="if x:\n    y\n"),
        "lambdas": nested("lambda: ", "", "1", "x = "),
        "decorators": repeated("@d\n", tail="def f(): pass\n"),
        "decorated": numbered("@d\ndef f@(): pass\n"),
        "docstrings": repeated('"""a doc"""\n'),
        "''' lines": repeated("'''\n"),
        '""" lines': repeated('"""\n'),
        "f-strings": repeated('f"{a}{b!r:>{c}}"\n'),
        "f-string open": repeated('f"{\n'),
        "comments": repeated("# a comment\n"),
        "comments behind": repeated("x = 1  # y\n"),
        "comment runs": repeated("# a\n# b\n\nx = 1\n"),
        "imports": numbered("import m@\n"),
        "classes": numbered("class A@:\n    def f(self):\n        return 1\n\n"),
        "methods": numbered("    def f@(self, a):\n        b = a\n        return b\n\n", head="class A:\n"),
        "nested functions": lambda n: b"".join(b" " * i + b"def f():\n" for i in range(int((2 * n) ** 0.5)))
        + b" " * int((2 * n) ** 0.5) + b"x = 1\n",
        "nested functions flat": numbered("    def g@():\n        x = 1\n        return x\n", head="def f():\n"),
        "comprehensions": nested("[x for x in ", "]", "y", "z = "),
        "ternary": repeated("1 if a else \\\n", head="x = ", tail="2\n"),
        "compare": repeated("a < \\\n", head="x = ", tail="b\n"),
        "strings": repeated('"a"\n', head="x = (", tail=")\n"),
        "tuple targets": repeated("a, ", head="def f():\n  ", tail=" = x\n", per_line=20),
        "globals": numbered("    global g@\n", head="def f():\n"),
        "parameters": numbered("    a@,\n", head="def f(\n", tail="): pass\n"),
        "arguments": numbered("    a@=@,\n", head="f(\n", tail=")\n"),
        "try": repeated("try:\n    x\nexcept E as e:\n    y\n"),
        "try nested": lambda n: b"".join(b" " * (i % 90) + b"try:\n" for i in range(n // 50)),
        "match": repeated("    case 1: x\n", head="match y:\n"),
        "match soft": repeated("match (x)\n"),
        "print >>": repeated("print >>f, x\n"),
        "exec": repeated("exec 'x'\n"),
        "type hints": numbered("x@: dict[str, list[int]] = y\n"),
        "semicolons": repeated("x=1;", per_line=20),
        "backslashes": repeated("x = \\\n1\n"),
        "async": repeated("async def f(): await x\n"),
        "equal lambdas": repeated("x = lambda: 1\n"),
        "equal methods": numbered("class A@:\n    def f(self): return 1\n"),
        "equal comprehensions": repeated("x = [a for a in b]\n"),
        "keywords of a class": numbered("a@=1, ", head="class A(", tail="): pass\n"),
        "keywords of a pattern": numbered("a@=_, ", head="match x:\n    case A(", tail="): pass\n"),
        "numbers of one hash": lambda n: b"".join(b"x = %d\n" % (i * (2**61 - 1)) for i in range(n // 26)),
        "stars": repeated("*a, ", head="f(", tail=")\n", per_line=20),
        "lines in brackets": repeated("a\n", head="x = (", tail=")\n"),
    },
    "Go": {
        **_CURLY,
        "package, func(": repeated("func(\n", head="package a\n"),
        "func lines": repeated("func f(\n", head="package a\n"),
        "functions": numbered("func f@(a, b int) int {\n\tc := a + b // sum\n\treturn c\n}\n\n", head="package a\n"),
        "one function": numbered("\tv@ := 1\n\tg(v@)\n", head="package a\n\nfunc f() {\n", tail="}\n"),
        "one name": repeated("\tv = v + 1\n", head="package a\n\nfunc f() {\n\tv := 1\n", tail="}\n"),
        "list": numbered("\t@,\n", head="package a\n\nvar x = []int{\n", tail="}\n"),
        "map": numbered('\t"k@": @,\n', head="package a\n\nvar x = map[string]int{\n", tail="}\n"),
        "keyed": numbered("\tk: {a: 1},\n", head="package a\n\nvar x = []T{\n", tail="}\n"),
        "closures": nested("func() {\n", "}()\n", "", "package a\n\nfunc f() {\n", "}\n"),
        "closures flat": repeated("\tg(func() { x := 1; h(x) })\n", head="package a\n\nfunc f() {\n", tail="}\n"),
        "raw string": repeated("`a\n`\n", head="package a\n"),
        "imports": numbered('\t"a/b@"\n', head="package a\n\nimport (\n", tail=")\n"),
        "import C": repeated("import (\n", head="package a\n"),
        "import spaces": repeated("import \n"),
        "consts": numbered("\tc@ = iota\n", head="package a\n\nconst (\n", tail=")\n"),
        "structs": numbered('type T@ struct {\n\tA int `json:"a"`\n}\n', head="package a\n"),
        "fields": numbered("\tA@ int\n", head="package a\n\ntype T struct {\n", tail="}\n"),
        "switch": numbered("\tcase @:\n\t\tx()\n", head="package a\n\nfunc f() {\n\tswitch y {\n", tail="\t}\n}\n"),
        "ranges": repeated("\tfor i, v := range x { g(i, v) }\n", head="package a\n\nfunc f() {\n", tail="}\n"),
        "parameters": numbered("\ta@ int,\n", head="package a\n\nfunc f(\n", tail=") {}\n"),
        "names in one": numbered("a@, ", head="package a\n\nfunc f() {\n\tvar ", tail="b int\n}\n"),
        "generics": repeated("func f[T any](x T) T { return x }\n", head="package a\n"),
        "else if": repeated(" else if x {\n\ty()\n}", head="package a\n\nfunc f() {\nif x {\n}", tail="\n}\n"),
        "interfaces": repeated("type A interface { f(int) }\n", head="package a\n"),
        "func types": nested("func(", ")", "", "package a\n\nvar x ", "\n"),
        "pointer types": repeated("*", head="package a\n\nvar x ", tail="int\n", per_line=80),
        "slices": repeated("[]", head="package a\n\nvar x ", tail="int\n"),
    },
    "Rust": {
        **_CURLY,
        "functions": numbered("fn f@(a: i32) -> i32 {\n    let b = a + 1; // sum\n    b\n}\n\n"),
        "one function": numbered("    let v@ = 1;\n    g(v@);\n", head="fn f() {\n", tail="}\n"),
        "one name": repeated("    let v = v + 1;\n", head="fn f() {\n", tail="}\n"),
        "list": numbered("    @,\n", head="const X: [i32; 9] = [\n", tail="];\n"),
        "deep blocks": nested("{\n", "}\n", "1", "fn f() {\n", "}\n"),
        "closures": nested("|x| ", "", "1", "fn f() { g(", "); }\n"),
        "closures flat": repeated("    g(|x| x + 1);\n", head="fn f() {\n", tail="}\n"),
        "macros": repeated("println!(\"{}\", x);\n", head="fn f() {\n", tail="}\n"),
        "macro rules": numbered("    (@ $a:expr) => { $a };\n", head="macro_rules! m {\n", tail="}\n"),
        "macro tokens": repeated("a b (c) ", head="m! {\n", tail="}\n", per_line=10),
        "attributes": repeated("#[a]\n", tail="fn f() {}\n"),
        "attribute items": numbered("#[a(b)]\nfn f@() {}\n"),
        "doc comments": repeated("/// a doc\n"),
        "doc items": numbered("/// a doc\nfn f@() {}\n"),
        "nested comments": nested("/*", "*/"),
        "open comments": repeated("/*\n"),
        "raw strings": repeated('r#"a\n'),
        "lifetimes": repeated("'a ", per_line=20),
        "match": numbered("        @ => x,\n", head="fn f() {\n    match y {\n", tail="    }\n}\n"),
        "use": numbered("use a::b@::{c, d};\n"),
        "use tree": nested("a::{", "}", "b", "use ", ";\n"),
        "paths": repeated("a::", tail="b;\n", per_line=25),
        "turbofish": repeated("a::<b>::", tail="c;\n", per_line=10),
        "structs": numbered("struct S@ {\n    a: i32,\n}\n"),
        "fields": numbered("    a@: i32,\n", head="struct S {\n", tail="}\n"),
        "shorthand": numbered("    let a@ = 1;\n    g(P { a@ });\n", head="fn f() {\n", tail="}\n"),
        "shorthand list": numbered("a@, ", head="fn f() {\n    g(P { ", tail=" });\n}\n"),
        "impls": numbered("impl<T> A for B@<T> where T: C {\n    fn f(&self) {}\n}\n"),
        "else if": repeated(" else if x {\n y();\n}", head="fn f() {\nif x {\n}", tail="\n}\n"),
        "refs": repeated("&", head="fn f() { ", tail="x; }\n", per_line=80),
        "question marks": repeated("?", head="fn f() { x", tail="; }\n", per_line=80),
        "fn(": repeated("fn f(\n"),
        "types": nested("Vec<", ">", "T", "type X = ", ";\n"),
        "tuples": nested("(", ",)", "1", "fn f() { ", "; }\n"),
        "ranges": repeated("..", head="fn f() { ", tail="; }\n", per_line=40),
        "if let": repeated("if let Some(x) = y { z(x) }\n", head="fn f() {\n", tail="}\n"),
        "mods": nested("mod a {\n", "}\n"),
        "unsafe": repeated("unsafe { x() }\n", head="fn f() {\n", tail="}\n"),
    },
    "C": {
        **_CURLY,
        "functions": numbered("int f@(int a) {\n    int b = a + 1; /* sum */\n    return b;\n}\n\n"),
        "one function": numbered("    int v@ = 1;\n    g(v@);\n", head="void f(void) {\n", tail="}\n"),
        "one name": repeated("    v = v + 1;\n", head="void f(void) {\n    int v = 1;\n", tail="}\n"),
        "list": numbered("    @,\n", head="int x[] = {\n", tail="};\n"),
        "list rows": repeated("0x12, ", head="int x[] = {\n", tail="};\n", per_line=12),
        "structs in list": numbered("    { @, \"a\" },\n", head="struct s x[] = {\n", tail="};\n"),
        "deep list": nested("{", "}", "1", "int x[] = ", ";\n"),
        "#if lines": repeated("#if X\n"),
        "#ifdef pairs": repeated("#ifdef X\nint a;\n#endif\n"),
        "#if nested": nested("#if X\n", "#endif\n"),
        "#elif": repeated("#elif X\nint a;\n", head="#if Y\n", tail="#endif\n"),
        "#else": repeated("#else\n"),
        "#endif": repeated("#endif\n"),
        "#define": numbered("#define M@ @\n"),
        "#define f": numbered("#define M@(a, b) ((a) + \\\n    (b))\n"),
        "#define open": numbered("#define M@(a\n"),
        "#define spaces": repeated("#define        \n"),
        "# define": repeated("#  define A(b,"),
        "backslash lines": repeated("a \\\n", head="#define M "),
        "#include": numbered('#include "a@.h"\n'),
        "enum": numbered("    E@,\n", head="enum e {\n", tail="};\n"),
        "prototypes": numbered("int f@(int, char *);\n"),
        "K&R": repeated("int f(a) int a; { return a; }\n"),
        "macro calls": repeated("FOO(a)\n"),
        "pointers": repeated("*", head="int ", tail="x;\n", per_line=80),
        "function pointers": nested("(*", ")(void)", "f", "void ", ";\n"),
        "casts": repeated("(a)", head="int x = ", tail="b;\n", per_line=26),
        "sizeof": repeated("sizeof ", head="int x = ", tail="b;\n", per_line=10),
        "else if": repeated("else if (x) y();\n", head="void f(void) {\nif (x) y();\n", tail="}\n"),
        "goto": numbered("l@: goto l@;\n", head="void f(void) {\n", tail="}\n"),
        "declarations": numbered("int a@;\n"),
        "declarators": numbered("a@, ", head="void f(void) {\n int ", tail="b;\n}\n"),
        "typedef": numbered("typedef struct s@ { int a; } t@;\n"),
        "int (": repeated("int (\n"),
        "a b": repeated("a b\n"),
        "a * b": repeated("a * b\n"),
        "f(a) g(b)": repeated("f(a) g(b)\n"),
        "strings": repeated('"a"\n', head="char *s = ", tail=";\n"),
        "comma": repeated("a,\n", head="x = ", tail="b;\n"),
        "asm": repeated('__asm__("a");\n'),
        "trigraphs": repeated("??"),
        "case": repeated("case 1: x();\n", head="void f(void) {\n switch (x) {\n", tail="}}\n"),
        "attribute": repeated("__attribute__((x))\n"),
        "struct open": repeated("struct a {\n"),
        "extern C": repeated('extern "C" {\n'),
        "digit quotes": repeated("1'0"),
        "quotes in rows": repeated("'a' ", per_line=20),
    },
    "Java": {
        **_CURLY,
        "methods": numbered("    int f@(int a) {\n        int b = a + 1; // sum\n        return b;\n    }\n\n", head="class A {\n", tail="}\n"),  # noqa: E501
        "one method": numbered("        int v@ = 1;\n        g(v@);\n", head="class A {\n    void f() {\n", tail="    }\n}\n"),  # noqa: E501
        "classes": numbered("class A@ {\n}\n"),
        "nested classes": nested("class A {\n", "}\n"),
        "list": numbered("    @,\n", head="class A { int[] x = {\n", tail="}; }\n"),
        "annotations": repeated("@A\n", tail="class B {}\n"),
        "annotated": numbered("@A(b = 1)\nclass B@ {}\n"),
        "lambdas": nested("x -> ", "", "1", "class A { Object f() { return ", "; } }\n"),
        "lambdas flat": repeated("g(x -> x + 1);\n", head="class A { void f() {\n", tail="}}\n"),
        "generics": nested("A<", ">", "B", "class C { ", " x; }\n"),
        "imports": numbered("import a.b@;\n"),
        "fields": numbered("    int a@;\n", head="class A {\n", tail="}\n"),
        "enum": numbered("    E@,\n", head="enum E {\n", tail="}\n"),
        "switch": numbered("case @: x(); break;\n", head="class A { void f() { switch (y) {\n", tail="}}}\n"),
        "sum strings": repeated('"a" +\n', head="class A { String s = ", tail='"b"; }\n'),
        "text blocks": repeated('"""\na\n"""\n'),
        "chain": repeated(".a(b)\n", head="class A { Object x = y", tail="; }\n"),
        "try": repeated("try { x(); } catch (E e) { y(); }\n", head="class A { void f() {\n", tail="}}\n"),
        "unicode escapes": repeated("\\u0041"),
        "casts": repeated("(A) ", head="class A { Object x = ", tail="y; }\n", per_line=20),
        "casts &": repeated("(A & B) ", head="class A { Object x = ", tail="y; }\n", per_line=10),
        "javadoc": repeated("/** a */\n"),
        "a < b": repeated("a < b;\n"),
        "arrays": repeated("[]", head="class A { int x", tail="; }\n", per_line=40),
    },
    "Bash": {
        "functions": numbered("f@() {\n    local a=1 # one\n    echo \"$a\"\n}\n\n"),
        "echo": repeated("echo a\n"),
        "echo strings": repeated('echo "$a ${b} $(c)"\n'),
        "<<EOF lines": repeated("cat <<EOF\n"),
        "heredocs": repeated("cat <<EOF\na $b\nEOF\n"),
        "<<EOF one line": repeated("cat <<A ", per_line=10),
        "<<- mixed": numbered("cat <<-E@\n"),
        "heredoc expansions": repeated("$a $(b) ${c}\n", head="cat <<EOF\n", tail="EOF\n"),
        "if": repeated("if x; then y; fi\n"),
        "if open": repeated("if x; then\n"),
        "if nested": nested("if x; then\n", "fi\n", "y\n"),
        "elif": repeated("elif x; then y\n", head="if x; then y\n", tail="fi\n"),
        "case": numbered("    @) x ;;\n", head="case $y in\n", tail="esac\n"),
        "case open": repeated("case x in\n"),
        "$( nested": nested("$(", ")", "x", "echo "),
        "$( open": repeated("echo $(\n"),
        "${ nested": nested("${a:-", "}", "x", "echo "),
        "${ open": repeated("echo ${a\n"),
        "$(( open": repeated("echo $((\n"),
        "(( )) ": repeated("((a = 1))\n"),
        "[[ ]]": repeated("[[ $a == b ]]\n"),
        "[[ open": repeated("[[ a\n"),
        "pipes": repeated("a | \\\n", tail="b\n"),
        "ands": repeated("a && \\\n", tail="b\n"),
        "pipe open": repeated("a |\n"),
        "subshells": nested("( ", ")", "x"),
        "braces": nested("{ ", "; }", "x"),
        "array": numbered("    a@\n", head="x=(\n", tail=")\n"),
        "assignments": numbered("a@=@\n"),
        "comments": repeated("# a comment\n"),
        "comments behind": repeated("x # y\n"),
        "string open": repeated('echo "a\n'),
        "strings": repeated("echo 'a'\n"),
        "one string": repeated("a\n", head="x='", tail="'\n"),
        "backticks": repeated("`a`", per_line=20),
        "redirects": repeated("a > b 2>&1 < c\n"),
        "for": repeated("for i in a b; do x; done\n"),
        "while": repeated("while x; do\n"),
        "words in a command": repeated("a ", head="echo \\\n", per_line=40),
        "command continued": repeated("a \\\n", head="echo "),
        "concatenation": repeated('a"b"', per_line=20),
        "exported": repeated("export A=b\n"),
        "globs": repeated("*.[ch] ", head="ls ", per_line=10),
        "brace expansion": repeated("{a,b}", head="ls ", per_line=16),
        "extglob": repeated("@(a|b)", head="ls ", per_line=13),
        "tests": repeated('[ -n "$a" ] || exit\n'),
        "sed $0": repeated("sed x $0\n"),
        "herestrings": repeated("cat <<< a\n"),
        "process": repeated("diff <(a) <(b)\n"),
        "operators": repeated("ab <>&| cd\n"),
    },
    "JavaScript": {
        **_CURLY,
        "functions": numbered("function f@(a, b) {\n  const c = a + b; // sum\n  return c;\n}\n\n"),
        "one function": numbered("  const v@ = 1;\n  g(v@);\n", head="function f() {\n", tail="}\n"),
        "one name": repeated("  v = v + 1;\n", head="function f() {\n  let v = 1;\n", tail="}\n"),
        "list": numbered("  @,\n", head="const x = [\n", tail="];\n"),
        "object": numbered("  k@: @,\n", head="const x = {\n", tail="};\n"),
        "deep list": nested("[", "]", "1", "x = "),
        "deep object": nested("{a:\n", "}", "1", "x = "),
        "arrows": nested("x => ", "", "1", "y = "),
        "arrow parens": repeated("(a, b) => (\n"),
        "closures": nested("function() {", "}", "", "x = "),
        "JSX": repeated("<a b={c}>d</a>\n", head="x = <>\n", tail="</>;\n"),
        "JSX nested": nested("<a>", "</a>", "b", "x = ", ";\n"),
        "JSX open": repeated("<a>\n"),
        "template": repeated("`a${b}c`;\n"),
        "template open": repeated("`${\n"),
        "template nested": nested("`${", "}`", "x", "y = "),
        "regex": repeated("x = /a[/]b/g;\n"),
        "slashes": repeated("a / b /\n"),
        "no semicolons": repeated("x = 1\n(y)\n"),
        "classes": numbered("class A@ {\n  f() { return 1; }\n}\n"),
        "decorators": repeated("@d\n", tail="class A {}\n"),
        "imports": numbered("import { a@ } from './b';\n"),
        "async": repeated("async () => await x;\n"),
        "destructuring": repeated("const { a, b: { c } } = d;\n"),
        "shorthand": numbered("  const a@ = 1;\n  g({ a@ });\n", head="function f() {\n", tail="}\n"),
        "{ a,": repeated("{ a,\n"),
        "html comments": repeated("<!-- a\n"),
        "var": numbered("a@ = 1, ", head="var ", tail="b;\n"),
        "optional": repeated("?.a", head="x = y", tail=";\n", per_line=26),
        "new": repeated("new ", head="x = ", tail="y;\n", per_line=20),
        "typeof": repeated("typeof ", head="x = ", tail="y;\n", per_line=10),
        "pragma": repeated("/* eslint x */\n"),
        "jsdoc": repeated("/** a */\n"),
        "jsdoc tag": repeated("/** a\n * b\n", tail="*/"),
    },
    "Markdown": {
        "headings": numbered("# Heading @\n\ntext\n\n"),
        "list": numbered("- item @\n"),
        "nested list": lambda n: b"".join(b" " * (2 * (i % 50)) + b"- a\n" for i in range(n // 54)),
        "quotes": repeated("> ", per_line=40),
        "fences": repeated("```\ncode\n"),
        "links": repeated("[a](b) ", per_line=10),
        "brackets": repeated("![", per_line=40),
        "emphasis": repeated("*a_", per_line=26),
        "one line": repeated("a word "),
        "one word": repeated("a"),
        "one word, letters": lambda n: bytes(random.Random(n).choices(b"abcdefghijklmnopqrstuvwxyz", k=n)),
        "one digit run": repeated("1"),
        "one row of spaces": repeated(" ", head="x", tail="x"),
        "one row of marks": repeated("!", head="x", tail="x"),
        "marks at random": lambda n: bytes(random.Random(n).choices(b"!#$%&()*+,-./:;<=>?@[]^_{|}~", k=n)),
        "one row of é": repeated("é"),
        "one row of newlines": repeated("\n", head="x", tail="x"),
        "one row of spaces, letters": repeated("é ", head="x", tail="x"),
        "table": repeated("| a | b |\n"),
    },
    "JSON": {
        "array": numbered("@,\n", head="[\n", tail="0]\n"),
        "objects": numbered('{"k@": "v@"},\n', head="[\n", tail="{}]\n"),
        "deep": nested("[\n", "]\n"),
        "deep objects": nested('{"a":\n', "}", "1"),
        "secrets": numbered('{"password": "s3cr3tQ@x"},\n', head="[\n", tail="{}]\n"),
        "escapes": repeated('"\\u0041\\n",\n'),
    },
    "YAML": {
        "keys": numbered("k@: v\n"),
        "list": numbered("- a@\n"),
        "deep": lambda n: b"".join(b"  " * i + b"a:\n" for i in range(int(n**0.5))),
        "anchors": numbered("a@: &b@\n  <<: *b@\n"),
    },
    "TOML": {"keys": numbered("k@ = @\n"), "tables": numbered("[t@]\na = 1\n"), "dotted": repeated("a.", per_line=40)},
}  # fmt: skip

_TYPED = {
    "interfaces": numbered("interface A@ { b: string; }\n"),
    "types": numbered("type A@ = B | C;\n"),
    "union": repeated("| A\n", head="type X =\n", tail=";\n"),
    "generics": nested("A<", ">", "B", "type X = ", ";\n"),
    "generic calls": repeated("f<a, b>(c);\n"),
    "a < b": repeated("a < b\n"),
    "typed functions": numbered("function f@(a: number): number {\n  const b = a;\n  return b;\n}\n"),
    "conditional types": repeated("A extends B ? C :\n", head="type X = ", tail="D;\n"),
    "enum": numbered("  E@,\n", head="enum E {\n", tail="}\n"),
    "casts": repeated("<a>", tail="b;\n", per_line=26),
    "as": repeated(" as A", head="x = y", tail=";\n", per_line=16),
    "namespaces": nested("namespace A {\n", "}\n"),
    "keyof": repeated("keyof ", head="type X = ", tail="A;\n", per_line=13),
}
_OF["TypeScript"] = {**_OF["JavaScript"], **_TYPED}
_OF["TSX"] = {**_OF["JavaScript"], **_TYPED}
_OF["C++"] = {
    **_OF["C"],
    "templates": numbered("template <typename T> T f@(T a) { return a; }\n"),
    "template open": repeated("template <\n"),
    "nested templates": nested("A<", ">", "B", "C<", "> x;\n"),
    "a < b": repeated("a < b;\n"),
    "lambdas": nested("[] { ", " }", "", "auto x = ", ";\n"),
    "lambdas flat": repeated("g([](int x) { return x; });\n", head="void f() {\n", tail="}\n"),
    "namespaces": nested("namespace a {\n", "}\n"),
    "classes": numbered("class A@ {\n  int b;\n};\n"),
    "scopes": repeated("a::", tail="b;\n", per_line=26),
    "raw strings": repeated('R"(a\n'),
    "raw string delimiters": repeated('R"abc('),
    "using": numbered("using A@ = B<C>;\n"),
    "initializers": repeated("A a{1};\n", head="void f() {\n", tail="}\n"),
    "operator": repeated("operator\n"),
    "requires": repeated("requires A<B> &&\n"),
    "attributes": repeated("[[a]]\n"),
    "shift out": repeated("<< a\n", head="cout ", tail=";\n"),
}


def shapes_of(language: str) -> dict[str, Shape]:
    """Every shape that a text of `language` is tried in, by name."""
    if not has_grammar(language) and language not in _OF:
        return {**ANYWHERE, "list": _OF["YAML"]["list"]}
    return {**ANYWHERE, **_OF.get(language, {})}


def all_shapes() -> Iterator[tuple[str, str, Shape]]:
    for language in OURS:
        for name, make in shapes_of(language).items():
            yield language, name, make
