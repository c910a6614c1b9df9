"""C and C++: locals and parameters of functions in which no macro can see or print a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from effectiveness.corpus.augment.roles import (
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    body_of_binder,
    kinds,
    nearest,
    nested_in,
    words_of,
)

_KEYWORDS = (
    b"alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class "
    b"compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype "
    b"default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline "
    b"int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
    b"register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast "
    b"struct switch template this thread_local throw true try typedef typeid typename typeof union unsigned using "
    b"virtual void volatile wchar_t while xor xor_eq final override import module errno stdin stdout stderr main "
    b"min max assert unix linux i386 near far interface small environ signals slots emit foreach"
)
# What the standard headers call by these names may be a macro, but one that only evaluates its arguments.
_STANDARD = frozenset(
    b"abort abs acos asin atan atan2 atof atoi atol bsearch calloc ceil close cos cosh exit exp fabs fclose feof "
    b"ferror fflush fgetc fgets floor fmod fopen fprintf fputc fputs fread free frexp fscanf fseek ftell fwrite "
    b"getc getchar getenv isalnum isalpha isdigit islower isprint isspace isupper isxdigit labs ldexp log log10 "
    b"longjmp malloc memchr memcmp memcpy memmove memset modf open perror pow printf putc putchar puts qsort rand "
    b"read realloc remove rename rewind round scanf setjmp signal sin sinh snprintf sprintf sqrt srand sscanf stat "
    b"strcasecmp strcat strchr strcmp strcpy strcspn strdup strerror strlen strncasecmp strncat strncmp strncpy "
    b"strpbrk strrchr strspn strstr strtod strtok strtol strtoul strtoull strtoll system tan tanh time tolower "
    b"toupper ungetc vfprintf vprintf vsnprintf vsprintf write va_arg va_copy va_end va_start offsetof".split()
)
_CONSTANTS = frozenset(
    b"NULL EOF BUFSIZ CHAR_BIT CHAR_MAX CHAR_MIN SCHAR_MAX SCHAR_MIN UCHAR_MAX SHRT_MAX SHRT_MIN USHRT_MAX INT_MAX "
    b"INT_MIN UINT_MAX LONG_MAX LONG_MIN ULONG_MAX LLONG_MAX LLONG_MIN ULLONG_MAX SIZE_MAX SSIZE_MAX INT8_MAX "
    b"INT8_MIN INT16_MAX INT16_MIN INT32_MAX INT32_MIN INT64_MAX INT64_MIN UINT8_MAX UINT16_MAX UINT32_MAX "
    b"UINT64_MAX UINTPTR_MAX PTRDIFF_MAX SEEK_SET SEEK_CUR SEEK_END EXIT_SUCCESS EXIT_FAILURE FLT_MAX FLT_MIN "
    b"DBL_MAX DBL_MIN FLT_EPSILON DBL_EPSILON HUGE_VAL PATH_MAX RAND_MAX TRUE FALSE ENOMEM EINVAL EINTR EAGAIN "
    b"ENOENT EEXIST ERANGE EIO EBADF EPERM EACCES T U V K I N".split()
)
_TYPE_WORDS = frozenset(b"unsigned signed int long short char void const sizeof float double".split())

_DEFINE = re.compile(
    rb"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)(\(?)((?:[^\\\n]|\\.|\\\r?\n)*)", re.MULTILINE
)
_NO_CODE = re.compile(rb"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")
_NUMBER = re.compile(rb"\d\w*")
_SPLIT_NAME = re.compile(rb"\w\\\r?\n\w")
_SHOUTED = re.compile(rb"_*[A-Z][A-Z0-9_]*")


def macros_in(source: bytes) -> Iterator[bytes]:
    """The names a text defines; with a `=` at the end when the macro is but a literal, whatever surrounds it."""
    for name, arguments, body in _DEFINE.findall(source):
        words = words_of(_NO_CODE.sub(b" ", body))
        literal = not arguments and all(word in _TYPE_WORDS or _NUMBER.fullmatch(word) for word in words)
        yield name + b"=" if literal else name


def _declared_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """From the name to the end of its block: `int x = sizeof x` means the new x."""
    kind = code.table.kind
    if code.has_child(binder, ("storage_class_specifier", "attribute_specifier", "gnu_asm_expression")):
        return None  # another file's variable, or one whose name is a symbol
    block = nearest(
        code,
        code.table.parent[binder],
        ("compound_statement", "for_statement", "if_statement", "function_definition"),
    )
    if block is None or kind[block] == "function_definition":
        return None
    return code.table.end[leaf], code.table.end[block]


def _parameter_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """From the name to the end of the body of the function the list belongs to."""
    kind, parent = code.table.kind, code.table.parent
    owner = parent[parent[binder]]
    if kind[owner] == "catch_clause":
        return code.child_span(owner, "body")
    if kind[owner] not in ("function_declarator", "abstract_function_declarator"):
        return None
    while kind[parent[owner]] in ("pointer_declarator", "reference_declarator"):
        owner = parent[owner]
    function = parent[owner]
    if kind[function] not in ("function_definition", "lambda_expression"):
        return None
    body = code.child_span(function, "body")
    return body and (code.table.end[leaf], body[1])


def _kept_words(code: Code) -> set[bytes]:
    """Every word of a macro's definition: its body may mean the variable where it is used."""
    return words_of(b" ".join(match[0] for match in _DEFINE.finditer(code.source)))


def _refuses(code: Code) -> str:
    return "names split by line ends" if _SPLIT_NAME.search(code.source) else ""


def _poisoned(code: Code) -> list[int]:
    """Functions a macro may look into, arguments a macro may print, members of local classes."""
    macros = {name.encode() for name in code.macros} | set(macros_in(code.source))
    known = _known_names(code)
    return [
        *_macro_users(code, macros, known),
        *_callers_of_strangers(code, known),
        *nested_in(code, ("function_definition",), ("field_declaration_list",)),
    ]


def _known_names(code: Code) -> set[bytes]:
    """What this file declares: functions, pointers to them, initialised variables, enumerators."""
    declarators = (*code.nodes["function_declarator"], *code.nodes["init_declarator"])
    declared = b" ".join(code.text(declarator + 1) for declarator in declarators)
    functions = {name for name in words_of(declared) if not _SHOUTED.fullmatch(name)}
    return functions | {code.text(enumerator + 1) for enumerator in code.nodes["enumerator"]} | _STANDARD


def _macro_users(code: Code, macros: set[bytes], known: set[bytes]) -> list[int]:
    """Functions that use a macro which is more than a number, or a name that looks like one."""
    found = []
    for leaf in (*code.nodes["identifier"], *code.nodes["type_identifier"]):
        name = code.text(leaf)
        is_macro = name in macros
        if not is_macro and name + b"=" not in macros and name not in known and name not in _CONSTANTS:
            is_macro = bool(_SHOUTED.fullmatch(name)) and len(name) > 1
        if is_macro and (function := nearest(code, leaf, ("function_definition",))) is not None:
            found.append(function)
    return sorted({*found, *_with_assembly(code)})


def _with_assembly(code: Code) -> Iterator[int]:
    for kind in ("gnu_asm_expression", "preproc_include"):
        for node in code.nodes[kind]:
            if (function := nearest(code, node, ("function_definition",))) is not None:
                yield function


def _callers_of_strangers(code: Code, known: set[bytes]) -> list[int]:
    """Functions that call what may be a macro of a header outside of the repository: Python's `Py_VISIT(x)`
    uses the caller's `visit` and `arg`."""
    callers = []
    for call in code.nodes["call_expression"]:
        callee = code.text(call + 1)
        if (
            code.table.kind[call + 1] == "identifier"
            and callee not in known
            and not callee.startswith(b"__builtin_")
        ):
            function = nearest(code, call, ("function_definition",))
            callers += [] if function is None else [function]
    return sorted(set(callers))


_USES = """
    argument_list array_declarator.size assignment_expression.left|right binary_expression.left|right
    call_expression.function cast_expression.value comma_expression.left|right
    conditional_expression.alternative|condition|consequence expression_statement field_expression.argument
    for_statement.condition|initializer|update init_declarator.value initializer_list initializer_pair.value
    parenthesized_expression pointer_expression.argument return_statement sizeof_expression.value
    subscript_expression.argument|index unary_expression.argument update_expression.argument
"""
_CXX_USES = """
    condition_clause.value declaration.value delete_expression for_range_loop.right lambda_capture_specifier
    new_declarator.length subscript_argument_list throw_statement
"""

ROLES = RenamingRules(
    functions=kinds("function_definition"),
    names=kinds("identifier type_identifier namespace_identifier"),
    places={**at(_USES, USE), **at("function_declarator.declarator type_descriptor.type", POISON)},
    binders={
        ("declaration", "declarator"): _declared_scope,
        ("parameter_declaration", "declarator"): _parameter_scope,
    },
    patterns=kinds("array_declarator init_declarator parenthesized_declarator pointer_declarator"),
    regions=kinds("attribute_specifier attribute_declaration"),
    strings=kinds("string_content preproc_arg raw_string_content"),
    reserved=frozenset(_KEYWORDS.split()) | _STANDARD,
    kept_words=_kept_words,
    refuses=_refuses,
    poisoned=_poisoned,
    watched=kinds(
        "call_expression enumerator field_declaration_list function_declarator gnu_asm_expression "
        "init_declarator preproc_include"
    ),
)

CXX_ROLES = replace(
    ROLES,
    places={**ROLES.places, **at(_CXX_USES, USE), ("qualified_identifier", "name"): FREE},
    binders={
        **ROLES.binders,
        ("optional_parameter_declaration", "declarator"): _parameter_scope,
        ("for_range_loop", "declarator"): body_of_binder,
    },
    patterns=ROLES.patterns | {"reference_declarator"},
)
