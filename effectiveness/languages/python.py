"""What is known of Python."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {
    "nesting": "block",
    "branching": "if_statement elif_clause for_statement while_statement case_clause boolean_operator "
    "conditional_expression for_in_clause if_clause",
    "functions": "function_definition",
    "types": "class_definition type generic_type",
    "effects": "try_statement except_clause raise_statement with_statement await yield lambda decorator",
    "modules": "import_statement import_from_statement future_import_statement",
}
_LAYOUT = Layout(
    atoms="string comment line_continuation",
    blocks="module block",
    bare="block",
    # Not lists, sets and tuples, nor parameters with defaults: where they are constant, the compiler folds
    # them and leaves a NOP for each line they stand on, so the code would not be equal any more.
    lists="argument_list parameters dictionary",
    folded="default_parameter typed_default_parameter",
    declarations="function_definition class_definition decorated_definition if_statement for_statement "
    "while_statement with_statement try_statement match_statement return_statement raise_statement",
)
_KEPT = (
    r"^#!|coding[:=]|^#\s*type:|^#:",
    r"(?=[NnPp])(?i:noqa|nosec|nosonar|pragma)",  # one byte looked at before the words are tried
    r"^#\s*fmt:|yapf|autopep8|\bblack:|isort|pylint|mypy|pyright|\bruff\b|flake8|pyflakes|pytype|\bpyre",
    r"pycodestyle|pep8:|pydocstyle|\bty:|sourcery|deptry|vulture|codecov|doctest:|cython|distutils:|pythran",
    r"^#\s*%%|^# In\[|jupytext|\bpants: |\bgazelle:",  # cells of notebooks
)

ROWS = (
    Language(
        name="Python",
        suffixes=(".py", ".pyi", ".pyw"),
        filenames=("SConstruct", "SConscript", "wscript"),
        interpreters=("python", "pypy"),
        grammar="tree_sitter_python:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Python's compiler",
        spaces_are_free=True,
    ),
)
