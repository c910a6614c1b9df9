"""A notebook is read as the script it stands for."""

import json

import pytest

from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Variant, vary
from effectiveness.corpus.scan.decoding import NotText
from effectiveness.corpus.scan.notebooks import DAMAGED, NO_CELLS, script_of
from effectiveness.languages.syntax import parse, table_of
from tests.scanning import scan_tree, write

OUTPUT = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 50, "text/plain": ["SHOWN"]}}


def notebook(*cells: tuple[str, object], **metadata) -> bytes:
    made = [
        {
            "cell_type": kind,
            "source": source,
            "outputs": [OUTPUT],
            "execution_count": 99,
            "metadata": {"tags": ["TAG"]},
        }
        for kind, source in cells
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_cells_come_in_order_with_marks_and_without_outputs():
    script, language = script_of(
        notebook(
            ("markdown", ["# Title\n", "\n", "Why."]),
            ("code", ["import os\n", "\n", "x = 1"]),
            ("code", "print(x)\n"),
        )
    )
    assert language.name == "Python"
    assert script == (
        b"# %% [markdown]\n# # Title\n#\n# Why.\n\n# %%\nimport os\n\nx = 1\n\n# %%\nprint(x)\n"
    )


def test_a_picture_within_the_prose_is_left_behind():
    script, _ = script_of(
        notebook(("markdown", "![a](data:image/png;base64,iVBORw0KGgo" + "A" * 5000 + "=) b"))
    )
    assert script == b"# %% [markdown]\n# ![a](data:) b\n"


def test_lines_of_the_shell_around_it_become_comments():
    cells = (
        ("code", "%matplotlib inline\n!pip install x\nf?\nx = 5 %2\nif x:\n    %time f()\n"),
        ("code", "%%bash\nls -l\n"),
    )
    script, _ = script_of(notebook(*cells, ("code", "%%time\ny = 1\n")))
    assert script.decode().split("\n# %%\n") == [
        "# %%\n# %matplotlib inline\n# !pip install x\n# f?\nx = 5 %2\nif x:\n    # %time f()\n",
        "# %%bash\n# ls -l\n",
        "# %%time\ny = 1\n",
    ]


@pytest.mark.parametrize(
    ("metadata", "language", "mark"),
    [
        ({"language_info": {"name": "R"}}, "R", b"# %%"),
        ({"kernelspec": {"language": "scala"}}, "Scala", b"// %%"),
        ({"language_info": {"name": "javascript"}}, "JavaScript", b"// %%"),
        ({"language_info": {"name": "haskell"}}, "Haskell", b"-- %%"),
        ({"language_info": {"name": "python3-of-mine"}}, "Python", b"# %%"),
        ({"language_info": ["odd"]}, "Python", b"# %%"),
    ],
)
def test_the_kernel_says_the_language(metadata, language, mark):
    script, found = script_of(notebook(("code", "x"), **metadata))
    assert found.name == language and script.startswith(mark)


def test_the_older_format_is_read_too():
    cells = [
        {"cell_type": "code", "input": ["a = 1"], "outputs": []},
        {"cell_type": "heading", "source": "H", "level": 1},
    ]
    script, _ = script_of(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode())
    assert script == b"# %%\na = 1\n\n# %% [markdown]\n# H\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", DAMAGED),
        (b"[" * 100_000, DAMAGED),
        (b'{"cells": ' + b"1" * 5000 + b"}", DAMAGED),
        (b"[]", DAMAGED),
        (b"{}", NO_CELLS),
        (b'{"cells": 3, "worksheets": [4, {"cells": "x"}]}', NO_CELLS),
        (notebook(("code", ""), ("code", [1, None]), ("code", 5), ("odd", "x")), NO_CELLS),
    ],
)
def test_what_is_no_notebook_is_left_out_by_name(text, reason):
    with pytest.raises(NotText, match=reason):
        script_of(text)


def test_half_a_character_in_it_harms_nothing():
    script, _ = script_of(b'{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}')
    assert script == b"# %%\nx = '?'\n"


def test_a_notebook_is_scanned_redacted_and_varied_like_a_script_of_its_language(tmp_path):
    root = tmp_path / "root"
    source = "def area(width, height):\n    # in metres\n    total = width * height\n    return total\n\n"
    source += "key = 'hunter2'\n"
    text = notebook(("markdown", "Why"), ("code", source))
    write(root, src__a_DOT_ipynb=text, b_DOT_ipynb=b"{}")
    result, _, _ = scan_tree(root, tmp_path / "spool")
    [file] = result.files
    assert (file.path, file.language, file.role) == ("src/a.ipynb", "Python", "core")
    assert result.skipped == {NO_CELLS: 1}
    script = (tmp_path / "spool").read_bytes()
    assert (
        b"hunter2" not in script and b"SHOWN" not in script and b"TAG" not in script and b"99" not in script
    )
    table = table_of(parse("Python", script))
    made = list(vary(script, "Python", table, path="a", seed=1, kinds=tuple(AUGMENTATIONS), facts=NO_FACTS))
    assert all(isinstance(variant, Variant) for variant in made) and len(made) > 2
    assert all(b"# %% [markdown]" in variant.text for variant in made)
