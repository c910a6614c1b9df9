"""How hard a window is to read, from its syntax tree, and the order this gives the training rows.

The score of a window is a weighted sum of eight features. Counts enter as log2(1 + n), so that the second
loop adds less than the first and no feature drowns the others:

    feature      weight   what is counted in the window
    size          0.50    share of the window that is text (0 to 1)
    nesting       0.35    deepest level of blocks
    branching     0.35    if, loops, match arms, case, ternaries, boolean operators
    names         0.15    distinct names
    functions     0.40    function and method definitions
    types         0.70    structs, classes, enums, traits, interfaces, impls, generics, lifetimes
    effects       0.70    error handling, unsafe, async, raising, closures, decorators
    modules       1.10    imports, exports, modules, paths that lead into another module

The weights order hand-made examples: assignments and loops below structs, traits, error handling and generics,
below modules working together (tests/test_curriculum.py). Languages without a grammar are scored by size,
names and the depth of their indentation alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import tree_sitter

from corpus.syntax import grammar, has_grammar

WEIGHTS = {
    "size": 0.50,
    "nesting": 0.35,
    "branching": 0.35,
    "names": 0.15,
    "functions": 0.40,
    "types": 0.70,
    "effects": 0.70,
    "modules": 1.10,
}
PLACES = 4  # decimals of a score, in the rows as in the order
COUNTED = ("branching", "functions", "types", "effects", "modules")

_C = {
    "nesting": "compound_statement field_declaration_list enumerator_list initializer_list",
    "branching": "if_statement for_statement while_statement do_statement case_statement goto_statement "
    "conditional_expression",
    "functions": "function_definition",
    "types": "struct_specifier union_specifier enum_specifier type_definition",
    "effects": "labeled_statement function_declarator pointer_declarator",
    "modules": "preproc_include storage_class_specifier",
}
_JAVASCRIPT = {
    "nesting": "statement_block class_body object switch_body",
    "branching": "if_statement for_statement for_in_statement while_statement do_statement switch_case "
    "ternary_expression",
    "functions": "function_declaration function_expression method_definition generator_function_declaration",
    "types": "class_declaration class",
    "effects": "try_statement throw_statement await_expression yield_expression arrow_function",
    "modules": "import_statement export_statement",
}
_TYPESCRIPT = {
    **_JAVASCRIPT,
    "nesting": _JAVASCRIPT["nesting"] + " interface_body object_type",
    "types": "class_declaration class interface_declaration type_alias_declaration enum_declaration "
    "type_parameters type_arguments union_type abstract_class_declaration",
    "effects": _JAVASCRIPT["effects"] + " decorator",
    "modules": "import_statement export_statement internal_module",
}

# Node kinds of each grammar, by feature. A kind that a grammar does not have stops the first use.
SYNTAX: dict[str, dict[str, str]] = {
    "Rust": {
        "nesting": "block match_block declaration_list field_declaration_list",
        "branching": "if_expression for_expression while_expression loop_expression match_arm let_chain",
        "functions": "function_item function_signature_item",
        "types": "struct_item enum_item trait_item impl_item type_parameters type_arguments lifetime "
        "where_clause dynamic_type abstract_type",
        "effects": "try_expression unsafe_block async_block await_expression closure_expression "
        "macro_definition attribute_item",
        "modules": "use_declaration mod_item extern_crate_declaration scoped_identifier "
        "scoped_type_identifier",
    },
    "Python": {
        "nesting": "block",
        "branching": "if_statement elif_clause for_statement while_statement case_clause boolean_operator "
        "conditional_expression for_in_clause if_clause",
        "functions": "function_definition",
        "types": "class_definition type generic_type",
        "effects": "try_statement except_clause raise_statement with_statement await yield lambda decorator",
        "modules": "import_statement import_from_statement future_import_statement",
    },
    "Go": {
        "nesting": "block field_declaration_list literal_value",
        "branching": "if_statement for_statement expression_case type_case communication_case",
        "functions": "function_declaration method_declaration func_literal",
        "types": "type_declaration struct_type interface_type type_parameter_list type_arguments map_type",
        "effects": "defer_statement go_statement select_statement send_statement type_assertion_expression",
        "modules": "import_spec package_clause qualified_type",
    },
    "JavaScript": _JAVASCRIPT,
    "TypeScript": _TYPESCRIPT,
    "TSX": _TYPESCRIPT,
    "C": _C,
    "C++": {
        **_C,
        "nesting": _C["nesting"] + " declaration_list",
        "branching": _C["branching"] + " for_range_loop",
        "types": _C["types"] + " class_specifier template_declaration template_type "
        "template_argument_list concept_definition",
        "effects": "try_statement catch_clause throw_statement lambda_expression new_expression "
        "delete_expression",
        "modules": "preproc_include namespace_definition using_declaration qualified_identifier",
    },
    "Java": {
        "nesting": "block class_body interface_body enum_body switch_block",
        "branching": "if_statement for_statement enhanced_for_statement while_statement do_statement "
        "switch_block_statement_group switch_rule ternary_expression",
        "functions": "method_declaration constructor_declaration",
        "types": "class_declaration interface_declaration enum_declaration record_declaration "
        "type_parameters type_arguments",
        "effects": "try_statement try_with_resources_statement catch_clause throw_statement throws "
        "lambda_expression annotation marker_annotation synchronized_statement",
        "modules": "import_declaration package_declaration scoped_type_identifier",
    },
    "Bash": {
        "nesting": "compound_statement do_group subshell case_item",
        "branching": "if_statement elif_clause for_statement while_statement case_item list",
        "functions": "function_definition",
        "types": "array",
        "effects": "command_substitution process_substitution heredoc_redirect pipeline",
        "modules": "redirected_statement",
    },
}


class Features:
    """Where the features of one file lie, so that each of its windows is scored by searching sorted offsets."""

    def __init__(self, source: bytes, language: str, tree: tree_sitter.Tree | None):
        self._starts: dict[str, np.ndarray] = {}
        if tree is not None:
            nodes = tree_sitter.QueryCursor(_query(language)).captures(tree.root_node)
            for feature in COUNTED:
                self._starts[feature] = np.array([n.start_byte for n in nodes.get(feature, ())], np.int64)
                self._starts[feature].sort()
            blocks = nodes.get("nesting", ())
            edges = [(n.start_byte, 1) for n in blocks] + [(n.end_byte, -1) for n in blocks]
        else:
            edges = _indentation_edges(source)
        edges.sort()
        self._edge_at = np.array([at for at, _ in edges], np.int64)
        self._depth = np.cumsum([step for _, step in edges], dtype=np.int64)

    def score(
        self, starts: np.ndarray, ends: np.ndarray, num_names: np.ndarray, filled: np.ndarray
    ) -> np.ndarray:
        """Scores of many windows, float64[num_windows], rounded to four places.

        `starts`/`ends` are the windows' byte ranges, `num_names` the distinct names in each, `filled` the share
        of each that is not padding.
        """
        total = WEIGHTS["size"] * filled + WEIGHTS["names"] * np.log2(1.0 + num_names)
        total += WEIGHTS["nesting"] * np.log2(1.0 + self._deepest(starts, ends))
        for feature, at in self._starts.items():
            count = np.searchsorted(at, ends) - np.searchsorted(at, starts)
            total += WEIGHTS[feature] * np.log2(1.0 + count)
        return np.round(total, PLACES)

    def _deepest(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The deepest block level that is open somewhere in each window."""
        first = np.searchsorted(self._edge_at, starts, side="right") - 1
        last = np.searchsorted(self._edge_at, ends, side="left")
        deepest = [
            max(self._depth[max(a, 0) : b].max(initial=0), 0) for a, b in zip(first, last, strict=True)
        ]
        return np.array(deepest, np.float64)


@cache
def _query(language: str) -> tree_sitter.Query:
    patterns = [
        f"[{' '.join(f'({kind})' for kind in kinds.split())}] @{feature}"
        for feature, kinds in SYNTAX[language].items()
    ]
    return tree_sitter.Query(grammar(language), "\n".join(patterns))


def _indentation_edges(source: bytes) -> list[tuple[int, int]]:
    """Indentation as nested blocks: an edge up where a line is indented deeper, down where it is less."""
    edges, open_indents, at = [], [0], 0
    for line in source.splitlines(keepends=True):
        body = line.lstrip(b" \t")
        indent = len(line) - len(body)
        if body.strip():
            while indent < open_indents[-1]:
                open_indents.pop()
                edges.append((at, -1))
            if indent > open_indents[-1]:
                open_indents.append(indent)
                edges.append((at, 1))
        at += len(line)
    return edges


def features_of(source: bytes, language: str, tree: tree_sitter.Tree | None) -> Features:
    return Features(source, language, tree if has_grammar(language) else None)


def order_by_complexity(complexity: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Row indices, simple first; equal scores keep the canonical order, so the order is one and only one."""
    return np.lexsort((canonical, complexity))
