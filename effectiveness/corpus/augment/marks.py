"""What layout must know of the kinds of nodes, for each language: one table, one byte per node.

Looking at every node in Python is too slow. So the kinds of a file are translated, inside C, to a byte string with
one byte per node, and the nodes with a mark are found by searching that string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from effectiveness.languages.syntax import NUM_KIND_IDS, SyntaxTable, grammar, kind_names

ATOM = 1  # nothing inside is touched: strings, heredocs, preprocessor lines, macro trees, attributes, markup
COMMENT = 2  # a comment, or the last leaf of one
BLOCK = 4  # its children begin logical lines: statements, declarations, members
BARE = 8  # a block without a bracket of its own: it begins where its first statement does
CLOSER = 16  # a child of a block that ends or goes on rather than begins something
LIST = 32  # elements in brackets with commas between them
COMMA = 64
OPERATOR = 128  # has two sides wherever it stands
PERHAPS_OPERATOR = 256  # has two sides in a BINARY node
BINARY = 512
DECLARATION = 1024  # a statement that people set apart with blank lines
DIRECTIVE = 2048  # of the C preprocessor: keeps its indentation
ERROR = 4096
HEADING = 8192  # a node whose last leaf stands above what it belongs to: attributes, patterns of a case
OPENER = 16384  # a leaf that opens what follows
FOLDED = 32768  # a list with such an element keeps its lines

_EVERYWHERE = {
    COMMENT: "comment line_comment block_comment html_comment doc_comment // */",
    CLOSER: "} ) ] ; ;; ;;& ;& , fi done esac then do elif else elif_clause else_clause case_item "
    "#endif #else #elif preproc_else preproc_elif preproc_elifdef",
    OPENER: "{ ( [ : , then else do in -> =>",
    COMMA: ",",
    OPERATOR: "= := += -= *= == != >= <= &&",
    PERHAPS_OPERATOR: "+ - * ||",
    BINARY: "binary_operator binary_expression",
    ERROR: "ERROR",
}
_C = {
    ATOM: "string_literal raw_string_literal char_literal system_lib_string concatenated_string comment "
    "preproc_include preproc_def preproc_function_def preproc_call preproc_params preproc_arg preproc_directive "
    "gnu_asm_expression",
    BLOCK: "translation_unit compound_statement field_declaration_list declaration_list enumerator_list "
    "case_statement preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef",
    LIST: "argument_list parameter_list initializer_list",
    DECLARATION: "function_definition struct_specifier class_specifier enum_specifier union_specifier "
    "template_declaration namespace_definition linkage_specification if_statement for_statement while_statement "
    "do_statement switch_statement return_statement for_range_loop try_statement",
    DIRECTIVE: "preproc_include preproc_def preproc_function_def preproc_call preproc_if preproc_ifdef preproc_else "
    "preproc_elif preproc_elifdef #if #ifdef #ifndef #else #elif #endif #elifdef #elifndef",
}
_JS = {
    ATOM: "string template_string template_literal_type regex jsx_element jsx_self_closing_element jsx_fragment "
    "comment html_comment hash_bang_line",
    BLOCK: "program statement_block class_body switch_body switch_case switch_default interface_body enum_body "
    "object_type class_static_block",
    LIST: "arguments formal_parameters array object",
    DECLARATION: "function_declaration class_declaration method_definition export_statement interface_declaration "
    "enum_declaration type_alias_declaration abstract_class_declaration generator_function_declaration module "
    "internal_module if_statement for_statement for_in_statement while_statement do_statement switch_statement "
    "return_statement try_statement throw_statement",
    HEADING: "decorator",
}
_TABLE: dict[str, dict[int, str]] = {
    "Python": {
        ATOM: "string comment line_continuation",
        BLOCK: "module block",
        BARE: "block",
        # Not lists, sets and tuples, nor parameters with defaults: where they are constant, the compiler folds
        # them and leaves a NOP for each line they stand on, so the code would not be equal any more.
        LIST: "argument_list parameters dictionary",
        FOLDED: "default_parameter typed_default_parameter",
        DECLARATION: "function_definition class_definition decorated_definition if_statement for_statement "
        "while_statement with_statement try_statement match_statement return_statement raise_statement",
    },
    "Rust": {
        ATOM: "string_literal raw_string_literal char_literal line_comment block_comment token_tree macro_definition "
        "attribute_item inner_attribute_item shebang",
        BLOCK: "source_file block declaration_list field_declaration_list enum_variant_list match_block",
        LIST: "arguments parameters array_expression tuple_expression use_list",
        DECLARATION: "function_item struct_item enum_item impl_item trait_item mod_item union_item const_item "
        "static_item type_item macro_definition if_expression match_expression for_expression while_expression "
        "loop_expression return_expression let_declaration foreign_mod_item",
        HEADING: "attribute_item inner_attribute_item",
    },
    "Go": {
        ATOM: "interpreted_string_literal raw_string_literal rune_literal comment",
        BLOCK: "source_file block statement_list field_declaration_list import_spec_list var_spec_list "
        "const_declaration interface_type expression_switch_statement type_switch_statement select_statement",
        BARE: "statement_list",
        LIST: "argument_list parameter_list literal_value",
        DECLARATION: "function_declaration method_declaration type_declaration var_declaration const_declaration "
        "if_statement for_statement expression_switch_statement type_switch_statement select_statement "
        "return_statement defer_statement go_statement expression_case type_case default_case communication_case",
    },
    "JavaScript": _JS,
    "TypeScript": _JS,
    "TSX": _JS,
    "C": _C,
    "C++": _C,
    "Java": {
        ATOM: "string_literal character_literal line_comment block_comment",
        BLOCK: "program block class_body interface_body enum_body enum_body_declarations switch_block "
        "switch_block_statement_group constructor_body annotation_type_body",
        BARE: "switch_block_statement_group",
        LIST: "argument_list formal_parameters array_initializer",
        DECLARATION: "class_declaration interface_declaration enum_declaration record_declaration method_declaration "
        "constructor_declaration annotation_type_declaration if_statement for_statement enhanced_for_statement "
        "while_statement do_statement switch_expression return_statement try_statement throw_statement "
        "synchronized_statement try_with_resources_statement",
    },
    "Bash": {
        ATOM: "string raw_string ansi_c_string translated_string heredoc_redirect heredoc_body herestring_redirect "
        "regex extglob_pattern expansion concatenation arithmetic_expansion subscript comment",
        BLOCK: "program compound_statement do_group if_statement elif_clause else_clause case_statement case_item "
        "subshell",
        DECLARATION: "function_definition if_statement for_statement while_statement case_statement "
        "c_style_for_statement",
        HEADING: "case_item",
    },
}
LANGUAGES = frozenset(_TABLE)


class Marks:
    """The marks of one language: `read(table)` gives the byte string, the rest asks it."""

    def __init__(self, language: str):
        marks: dict[str, int] = {}
        for table in (_EVERYWHERE, _TABLE[language]):
            for mark, kinds in table.items():
                for kind in kinds.split():
                    marks[kind] = marks.get(kind, 0) | mark
        self._distinct = sorted({0, *marks.values()})  # the byte of a node is an index into this
        self._byte_of = np.zeros(NUM_KIND_IDS, np.uint8)
        for kind_id, kind in kind_names(grammar(language)).items():
            self._byte_of[kind_id] = self._distinct.index(marks.get(kind, 0))
        self._patterns: dict[int, re.Pattern[bytes]] = {}  # mark -> any byte with it

    def read(self, table: SyntaxTable) -> bytes:
        """One byte for each node."""
        return self._byte_of[table.kind_id].tobytes()

    def bytes_with(self, mark: int) -> bytes:
        """The bytes that stand for kinds with `mark`, to be asked with `in`."""
        return bytes(byte for byte, marks in enumerate(self._distinct) if marks & mark)

    def nodes_with(self, mark: int, marked: bytes) -> Iterator[int]:
        """The nodes with `mark`, in order."""
        if mark not in self._patterns:
            choice = b"|".join(re.escape(bytes([byte])) for byte in self.bytes_with(mark))
            self._patterns[mark] = re.compile(choice or rb"(?!)", re.DOTALL)
        return (match.start() for match in self._patterns[mark].finditer(marked))


@cache
def marks_of(language: str) -> Marks:
    return Marks(language)
