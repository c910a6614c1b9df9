"""What programs make of sources that lie elsewhere, by the marks that each kind of them leaves without a word of
"generated": builds and bundles of JavaScript, pages of documentation tools, a line repeated with other numbers.

Cheap tests first: of nearly all files a few bytes at both ends are looked at.
"""

from __future__ import annotations

import re

from effectiveness.corpus.scan.dumped import dumped_reason
from effectiveness.languages import OFTEN_DATA, UNKNOWN, Language

SOURCE_MAP = "generated: it names its source map"
COMPILED = "generated: compiled to JavaScript"
BUNDLE = "generated: a bundle of modules"
PAGE = "generated: a page of a documentation tool"
CHUNKS = "generated: the code of a vignette"
SIGNATURES = "generated: signatures of classes"
RENDERED = "generated: a manual page as text"
LINKS = "generated: a page that is mostly links"
EMITTED = "generated: declarations that a compiler emitted"
DRAWING = "drawing or circuit"
MAIL = "generated: a mail that MJML wrote"
CONTRIBUTORS = "generated: a table of contributors"
COMPLETIONS = "generated: completions for a shell"
FORM = "generated: a form of Qt Designer"
LARGE_TABLE = "generated: over 1 MB of lines of few shapes"
SAME_LINES = "data: the same lines with other numbers and strings"

OF_THE_WEB = frozenset({"JavaScript", "TypeScript", "TSX", "CSS"})
_END_BYTES = 4096
_SIGNATURES_BYTES = 16 << 10
_HEAD_BYTES = 4096
_DECLARATION_FILE = re.compile(r"\.d(?:\.\w+)?\.[cm]?ts$")
_EMITTED = re.compile(rb"^(?:export )?declare |^export \{\};", re.MULTILINE)
_NOT_EXPORTED = re.compile(rb"^(?:declare|interface|type) ", re.MULTILINE)
_EXPORTED_LAST = re.compile(
    rb"^export (?:type )?\{[^{}]*\};?\s*\Z|^export (?:type )?\{[^{}]*\};\n(?:export|//)[^\n]*\s*\Z",
    re.MULTILINE,
)
_REFERENCES = re.compile(rb"\A(?:///[^\n]*\n)+\n?")
_BLOCK_COMMENT = re.compile(rb"^[ \t]*/\*(?:[^*]|\*(?!/))*\*/[ \t]*\n", re.MULTILINE)
_MAP_LINE = re.compile(rb"^[ \t]{0,8}(?://|/\*)[#@] sourceMappingURL=", re.MULTILINE)
_ES_MODULE = re.compile(
    rb"^(?:Object\.defineProperty\(exports, [\"']__esModule[\"'], \{\s{0,8}value: (?:true|!0)\s{0,4}\}\)|"
    rb"exports\.__esModule = true|Object\.defineProperties\(exports, \{ ?__esModule)",
    re.MULTILINE,
)
# What webpack, esbuild, rollup and Emscripten write around and between the modules that they join.
_BUNDLER = re.compile(
    rb"^(?:/\*{6}/ )?[ \t]{0,8}function __webpack_require__\(|"
    rb"^var __(?:defProp|create|getOwnPropNames) = Object\.|^// node_modules/|"
    rb"\(global = typeof globalThis !== 'undefined' \? globalThis : global \|\| self, |"
    rb"^;?[(!]function ?\(global, factory\) \{\s{1,12}typeof exports === 'object' && typeof module !== 'undefined'|"
    rb"^[ \t]{0,8}(?:var|let|const) (?:Module ?= ?typeof Module|moduleOverrides ?= ?|ENVIRONMENT_IS_WORKER ?= )",
    re.MULTILINE,
)
# A name of one module that another has, too: rollup writes `error$1`. Nobody chooses such names often.
_RENAMED = re.compile(rb"[^\w$'\"`\\/](\w{2,}\$[1-9])(?=[\s(),;.:\[\]])")
# What compilers make of `?.`
# The helpers that compilers put into what they write
_HELPER = re.compile(
    rb"@babel/helpers|/\*#__PURE__\*/require\(|"
    rb"^(?:var|const|let|function) (?:_interopRequire\w+|_classCallCheck|_inherits|_createClass|_typeof|"
    rb"_defineProperty|_objectSpread\d?|_asyncToGenerator|_toConsumableArray|_slicedToArray|__awaiter|__extends|__assign|"
    rb"__rest|__decorate|__spreadArray|__importDefault|__exportStar)\b",
    re.MULTILINE,
)
_LOWERED = b" == null ? void 0 : ", b" === void 0 ? void 0 : "
MIN_LOWERED = 2
_OF_SNOWBALL = b"new Among("  # a compiler of stemmers
MIN_OF_SNOWBALL = 16
_NAMED_MODULE = re.compile(
    rb"^(?:ace\.)?define\([\"'][\w/.-]{1,100}[\"'], ?\[", re.MULTILINE
)  # as RequireJS joins them
MIN_NAMED_MODULES = 3
# },{"./a":1}],2:[function(require,module,exports){ - between the modules of browserify, whatever it calls them
_OF_BROWSERIFY = re.compile(
    rb"\},\{[^{}\n]{0,2000}\}\],[\w\"'./@-]{1,120}: ?\[function ?\(\w{1,20}, ?\w{1,20}, ?\w{1,20}\) ?\{"
)
_REQUIRED = b"__webpack_require__("  # below a banner that is longer than a head
MIN_REQUIRED = 32
MIN_BUNDLE_BYTES = 64 << 10
MIN_RENAMED = 8

_TOOLS = (
    rb"docutils|sphinx|doxygen|javadoc|typedoc|jsdoc|yard|rdoc|haddock|odoc|ocamldoc|pdoc|epydoc|pydoc|mkdocs|rustdoc|"
    rb"ex_?doc|edoc|ldoc|scaladoc|dokka|phpdoc(?:umentor)?|apigen|asciidoctor|asciidoc|texi2html|makeinfo|texinfo|"
    rb"latex2html|docbook|gtk-doc|hotdoc|jekyll|hugo|hexo|docusaurus|vuepress|vitepress|gitbook|bookdown|pkgdown|"
    rb"knitr|quarto|pandoc|org[- ]mode|mdbook|publican|staticjscss|jazzy|swift-docc|godoc|naturaldocs|f2html|ford"
)
_GENERATOR = re.compile(
    rb"<meta[^>]{0,80}?generator[\"'][^>]{0,20}?content=[\"'][^\"'>]{0,40}?\b(?:%s)\b" % _TOOLS, re.IGNORECASE
)
_NOTE = re.compile(
    rb"<!--\s{0,20}(?:this (?:html )?(?:file|page) (?:was|has been) )?(?:generated|created|produced|translated) "
    rb"(?:automatically )?(?:from|by|with|using)\b",
    re.IGNORECASE,
)
_FOOTER = re.compile(
    rb"\b(?:generated|produced|created|built|made)\b[^.]{0,60}?\b(?:by|with|using)\b[^.]{0,30}?(?:<a[^>]{0,200}>)?\s{0,3}(?:%s)\b"
    % _TOOLS,
    re.IGNORECASE,
)

_OF_SPHINX = b"_static/pygments.css"

# LS(1)          User Commands          LS(1)
_MANUAL = re.compile(rb"\s{0,20}([A-Z][\w.+-]{0,40}\([1-9]\w{0,4}\)) {2,80}[^\n]{0,80} {2,80}\1[ \t]*\n")
# public final class a/B { ... public fun <init> ()V
_OF_THE_JVM = re.compile(
    rb"^[ \t]{0,8}public (?:[a-z]{1,12} ){1,4}<?[\w$-]+>? \([\w/$;<>\[]*\)\[?[\w/$;]+$", re.MULTILINE
)
MIN_SIGNATURES = 8
# Those of Rust's clap and Go's cobra, which say nothing of it or in their own words
_COMPLETIONS = re.compile(
    rb"#compdef [\w-]+\n\nautoload -U is-at-least\n|"
    rb"_[\w-]+\(\) \{\n {4}local i cur prev opts cmds?\n {4}COMPREPLY=\(\)|"
    rb"# Print an optspec for argparse to handle cmd's options|"
    rb"complete -c [\w-]+ -n \"__fish_(?:\w+_needs_command|use_subcommand)\"|"
    rb"\n?using namespace System\.Management\.Automation\nusing namespace System\.Management\.Automation\.Language\n|"
    rb"# (?:bash|zsh|fish|powershell) completion (?:V2 )?for [\w-]+ {10}"
)
_VECTOR = re.compile(
    rb"(?:<\?xml[^>]{0,80}\?>\s{0,4})?(?:<!--[^>]{0,2000}-->\s{0,4}){0,2}<(?:animated-)?vector\s"
)  # Android's
_FORM = re.compile(
    rb"(?:<\?xml[^>]{0,80}\?>\s{0,4})?(?:<!DOCTYPE UI>)?<ui [^>]{0,80}\bversion=\"", re.IGNORECASE
)
_OF_A_COMPILER = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml[^>]{0,80}\?>\s{0,4})?<doc>\s{0,20}<assembly>"
)  # of .NET
_FOR_OUTLOOK = b"<!--[if mso | IE]>"  # nobody writes these tables by hand
MIN_FOR_OUTLOOK = 3
_CONTRIBUTORS, _CONTRIBUTORS_END = b"<!-- ALL-CONTRIBUTORS-LIST:START", b"<!-- ALL-CONTRIBUTORS-LIST:END"
_OF_JSDOC, MIN_OF_JSDOC = b"\n**Kind**: ", 3  # jsdoc-to-markdown's, of each item
_COLOURED = re.compile(rb'<span class="[a-z][a-z0-9]?">[^<]{1,200}</span>')  # as Pygments and Rouge do
MIN_COLOURED = 32
_CHUNK = b"## ----"  # knitr's
MIN_CHUNKS = 3
_PANDOC_FONT = rb"\f[R]"  # people write \fR
MIN_PANDOC_FONTS = 4
MIN_LINKS_BYTES = 16 << 10
LINKS_SHARE = 1 / 3  # of the bytes, in lines with a link; what people write has a tenth

MIN_SAME_BYTES = 64 << 10  # smaller ones are the constants of somebody's device
MIN_SAME_LINES = 64
# Of the lines without numbers and strings; tables stay below 0.08, a hand-written test had 0.126.
MAX_DISTINCT_SHARE = 0.1
MIN_NUMBERED_SHARE = 0.5  # of the lines have one
MIN_TABLE_BYTES = (
    16 << 10
)  # as small a file is a table if hardly a line is another, and all have numbers or strings
MAX_DISTINCT_SHARE_OF_TABLE = 0.05
MIN_NUMBERED_SHARE_OF_TABLE = 0.9
# Of 367 repositories nothing so large was one person's file: registers, tables, manuals in one piece, amalgamations.
MIN_LARGE_BYTES = 1 << 20
MAX_SHAPES_SHARE = 0.2  # registers have 0.15 to 0.19; large files of people, up to 0.7 MB, 0.11 to 0.2
_PIECE_BYTES = 2048
_MAX_DISTINCT_SHARE_OF_PIECE = 0.4
# Of what is left of a line; of calls it is three quarters, as in the tests of a library of dates in 60 languages.
MAX_LETTERS_SHARE = 0.5
_NO_LETTERS = bytes(byte for byte in range(256) if not chr(byte).isalpha() or byte > 127)
MIN_DECLARATION_LINES = 12
MIN_NOT_EXPORTED = 4
_STRINGS = re.compile(rb"\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'")
_WORDS = re.compile(rb"[A-Za-z_]+")
_NUMBERS = re.compile(rb"\d[\w.]*(?:#\w+)?")  # 0x1f, 1.5e3, zmm30, and Erlang's 16#fe


def built_reason(text: bytes, language: Language) -> str:
    """Why a text is taken for what a program made; "" to keep it."""
    if language.name in OF_THE_WEB:
        reason = _web_reason(text)
    elif language.name == "HTML":
        reason = _page_reason(text)
    elif language.name == "PostScript":
        reason = DRAWING if b"%%Creator:" in text[:_HEAD_BYTES] else ""
    elif language.name.startswith("Roff"):
        reason = PAGE if text.count(_PANDOC_FONT) >= MIN_PANDOC_FONTS else ""
    else:
        reason = RENDERED if _MANUAL.match(text) else COMPLETIONS if _COMPLETIONS.match(text) else ""
        if language.name == "R" and text.startswith(_CHUNK) and text.count(b"\n" + _CHUNK) >= MIN_CHUNKS:
            reason = CHUNKS
        if language.is_data or language.name in OFTEN_DATA:
            reason = FORM if _FORM.match(text) else DRAWING if _VECTOR.match(text) else reason
            reason = PAGE if _OF_A_COMPILER.match(text) else reason
        if language is UNKNOWN and len(_OF_THE_JVM.findall(text[:_SIGNATURES_BYTES])) >= MIN_SIGNATURES:
            reason = SIGNATURES
    if language.name == "Markdown" and text.count(_OF_JSDOC) >= MIN_OF_JSDOC:
        reason = PAGE
    reason = reason or dumped_reason(text, language) or _page_of_any_language(text)
    if reason or language.long_lines or language.is_data or language.name in OFTEN_DATA:
        return reason
    return SAME_LINES if len(text) > MIN_TABLE_BYTES and _repeats_lines(text) else ""


def large_reason(text: bytes) -> str:
    """Why a text is left out that is larger than what people write, and whose lines have few shapes; "" to keep it."""
    return LARGE_TABLE if len(text) > MIN_LARGE_BYTES and _shapes_share(text) < MAX_SHAPES_SHARE else ""


def declarations_reason(path: str, text: bytes) -> str:
    """Whether declarations of TypeScript are a compiler's: it leaves no blank line between them, where people do, or
    declares all first and exports them at the end, as bundlers do."""
    if not _DECLARATION_FILE.search(path) or not _EMITTED.search(text):
        return ""
    if _EXPORTED_LAST.search(text[-_END_BYTES:]) and len(_NOT_EXPORTED.findall(text)) >= MIN_NOT_EXPORTED:
        return EMITTED
    lines = [
        line.strip() for line in _BLOCK_COMMENT.sub(b"", _REFERENCES.sub(b"", text)).rstrip().split(b"\n")
    ]
    num_code_lines = sum(bool(line) and not line.startswith(b"//") for line in lines)
    return EMITTED if num_code_lines >= MIN_DECLARATION_LINES and b"" not in lines else ""


def _web_reason(text: bytes) -> str:
    last_lines = b"\n".join(text[-_END_BYTES:].rstrip().rsplit(b"\n", 2)[-2:])
    if b"sourceMappingURL=" in last_lines and _MAP_LINE.search(last_lines):
        return SOURCE_MAP
    head = text[:_HEAD_BYTES]
    if (
        (b"__esModule" in head and _ES_MODULE.search(head))
        or _HELPER.search(head)
        or max(map(text.count, _LOWERED)) >= MIN_LOWERED
        or text.count(_OF_SNOWBALL) >= MIN_OF_SNOWBALL
    ):
        return COMPILED
    if len(_NAMED_MODULE.findall(text)) >= MIN_NAMED_MODULES:
        return BUNDLE
    if text.count(_REQUIRED) >= MIN_REQUIRED or (b"[function" in text and _OF_BROWSERIFY.search(text)):
        return BUNDLE
    if _BUNDLER.search(head) or (len(text) > MIN_BUNDLE_BYTES and _has_renamed(text)):
        return BUNDLE
    return ""


def _has_renamed(text: bytes) -> bool:
    """Whether so many names were made different from others of the same name that modules were joined."""
    names: set[bytes] = set()
    for found in _RENAMED.finditer(text):
        names.add(found[1])
        if len(names) >= MIN_RENAMED:
            return True
    return False


def _page_reason(text: bytes) -> str:
    head, end = text[:_HEAD_BYTES], text[-_END_BYTES:]
    if not _is_template(head) and (_GENERATOR.search(head) or _NOTE.search(head) or _OF_SPHINX in head):
        return PAGE
    if not _is_template(end) and _FOOTER.search(end):
        return PAGE
    if len(text) < MIN_LINKS_BYTES or _is_template(text):
        return ""
    return (
        LINKS
        if sum(len(line) for line in text.split(b"\n") if b"<a " in line) > LINKS_SHARE * len(text)
        else ""
    )


def _page_of_any_language(text: bytes) -> str:
    """Markup that programs write, under whatever ending: templates of mails, code with colours, contributors."""
    if text.count(_FOR_OUTLOOK) >= MIN_FOR_OUTLOOK:
        return MAIL
    at = text.find(_CONTRIBUTORS)
    if at >= 0 and text.find(_CONTRIBUTORS_END, at) - at > len(text) // 2:
        return CONTRIBUTORS
    is_page = text[:_HEAD_BYTES].lstrip()[:1] == b"<" and b'<span class="' in text
    return PAGE if is_page and len(_COLOURED.findall(text)) >= MIN_COLOURED else ""


def _is_template(text: bytes) -> bool:
    return b"{%" in text or b"{{" in text


def _bare_lines(text: bytes) -> list[bytes]:
    """Lines without their strings and numbers, but for those of a bracket or two."""
    bare = _NUMBERS.sub(b"0", _STRINGS.sub(b"0", text))
    return [line for line in map(bytes.strip, bare.split(b"\n")) if len(line) > 2]


def _shapes_share(text: bytes) -> float:
    """Of the lines without numbers and strings, and with one letter for each word, how many are different ones."""
    lines = [_WORDS.sub(b"a", line) for line in _bare_lines(text)]
    return len(set(lines)) / max(1, len(lines))


def _letters_share(bare: bytes) -> float:
    solid = bare.translate(None, b" \t\r\f\v")
    return len(solid.translate(None, _NO_LETTERS)) / max(1, len(solid))


def _repeats_lines(text: bytes) -> bool:
    """Whether nearly all lines are few ones, but for numbers and strings: code points, opcodes, pixels, names."""
    if len(text) <= MIN_SAME_BYTES:  # most files of some size: a piece of the middle tells what is no table
        piece = _bare_lines(text[len(text) // 2 :][:_PIECE_BYTES])
        if len(set(piece)) > _MAX_DISTINCT_SHARE_OF_PIECE * len(piece):
            return False
    lines = _bare_lines(text)
    if _letters_share(b"".join(lines)) > MAX_LETTERS_SHARE:
        return False
    if len(lines) < MIN_SAME_LINES or len(set(lines)) > MAX_DISTINCT_SHARE * len(lines):
        return False
    numbered = sum(b"0" in line for line in lines) / len(lines)
    if len(text) > MIN_SAME_BYTES:
        return numbered > MIN_NUMBERED_SHARE
    return numbered > MIN_NUMBERED_SHARE_OF_TABLE and len(set(lines)) <= MAX_DISTINCT_SHARE_OF_TABLE * len(
        lines
    )
