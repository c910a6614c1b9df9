"""At a cursor: words are gone on with, what follows is not said again, an answer comes in time, if one is sure."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from effectiveness.completion import reading
from effectiveness.completion.at_cursor import Completer, Cursor, Prompt
from effectiveness.completion.lines import Predictor, likely_lines
from effectiveness.completion.overlap import (
    begins_what_follows,
    breaks_brackets,
    closed_at,
    fitted,
    repeats_line,
    rest_of_line,
)
from effectiveness.completion.reading import KeptIds, KeptReaders, read_so_far, stable_length
from effectiveness.completion.spelling import TextCoder
from effectiveness.corpus.tokenization.source import train_bpe
from effectiveness.memory import Reader, build_memory

FUNCTION = """def load_{name}(path, limit):
    with open(path, encoding="utf-8") as source:
        found = parse_{name}(source.read(), limit)
    if not found:
        raise ValueError(f"no {name} in {{path}}")
    return sorted(found)


"""
NAMES = ("apples", "pears", "plums", "cherries", "grapes", "lemons", "oranges", "melons")


def source(*names: str) -> str:
    return "".join(FUNCTION.format(name=name) for name in names)


@pytest.fixture(scope="module")
def completer(tmp_path_factory) -> Completer:
    directory = tmp_path_factory.mktemp("tokenizer")
    train_bpe(iter([source(*NAMES)] * 3), 600, directory / "tokenizer.json")
    coder = TextCoder(directory)
    ids = [np.array(coder.encode(source(name)), np.uint32) for name in NAMES]
    starts = np.cumsum([0, *map(len, ids)])
    memory = build_memory(np.concatenate(ids), starts, [f"{name}.py" for name in NAMES], coder.token_bytes)
    return Completer(coder=coder, memory=memory)


PREFIX = source("apples") + "def load_figs(path, limit):\n    with open(path"


def test_a_word_that_was_begun_is_gone_on_with(completer):
    for begun in ("    with op", "    wi", "    with open(pa", "    "):
        prefix = "def load_figs(path, limit):\n" + begun
        answer = completer.answer(Cursor(prefix=prefix))
        assert (begun + answer.text).startswith('    with open(path, encoding="utf-8") as source:')


def test_the_next_line_comes_with_the_indentation_of_its_place(completer):
    answer = completer.answer(Cursor(prefix="def load_figs(path, limit):\n"))
    assert answer.text == '    with open(path, encoding="utf-8") as source:'
    assert 0.25 <= answer.confidence <= 1 and answer.is_whole


def test_an_answer_is_what_the_search_for_lines_finds(completer):
    prefix = 'def load_figs(path, limit):\n    with open(path, encoding="utf-8") as source:\n'
    reader = completer.memory.reader()
    reader.feed(np.array(completer.coder.encode(prefix), np.uint32))
    best = likely_lines(Predictor(reader), completer.coder.token_bytes, stop=completer.coder.control)[0]
    answer = completer.answer(Cursor(prefix=prefix))
    assert answer.text == best.text
    assert answer.probability == pytest.approx(best.probability, rel=1e-4)


def test_typing_on_gives_the_answer_of_a_new_reader(completer):
    text = source("figs")
    kept = Completer(coder=completer.coder, memory=completer.memory)
    for end in range(5, len(text), 7):
        fresh = Completer(coder=completer.coder, memory=completer.memory)
        cursor = Cursor(prefix=text[:end], suffix="\n")
        one, other = kept.answer(cursor), fresh.answer(cursor)
        assert one.text == other.text or abs(one.probability - other.probability) < 0.05
    assert len(kept.readers.places) == 1


def test_a_block_goes_on_while_it_is_sure_and_not_longer_than_asked(completer):
    prefix = "def load_figs(path, limit):\n"
    texts = [completer.answer(Cursor(prefix=prefix, max_lines=lines)).text for lines in (1, 2, 3)]
    assert [text.count("\n") for text in texts] == [0, 1, 2]
    assert texts[2].startswith(texts[1]) and texts[1].startswith(texts[0])


def test_nothing_is_said_below_the_wanted_confidence(completer):
    quiet = Completer(coder=completer.coder, memory=completer.memory, quiet_below=1.0)
    assert quiet.answer(Cursor(prefix=PREFIX)).text == ""


def test_what_stands_behind_the_cursor_is_not_said_again(completer):
    prefix = "def load_figs(path, limit):\n    with open(path, encoding="
    whole = completer.answer(Cursor(prefix=prefix, suffix="\n")).text
    assert whole.endswith(") as source:")
    cut = completer.answer(Cursor(prefix=prefix, suffix=") as source:\n")).text
    assert cut == whole.removesuffix(") as source:")
    following = '\n    with open(path, encoding="utf-8") as source:\n        found = 1\n'
    assert completer.answer(Cursor(prefix="def load_figs(path, limit):\n", suffix=following)).text == ""


@pytest.mark.parametrize(
    ("text", "suffix", "kept"),
    [
        ("a, b)", ")", "a, b"),
        ("call()", ")", "call()"),
        ("f(x))", ")", "f(x)"),
        ("buf) {", ") {", "buf"),
        ("a, b);", ")", "a, b"),  # an editor closes a call before its line has an end
        ("a, b):", ")", "a, b"),
        ("[1, 2]) + 1", ")", "[1, 2]"),
        ("a: 1 }", " }", "a: 1"),
        ('app/frontend",', '",', "app/frontend"),
        ('name", "w")', '")', "name"),
        ("it's", '"', "it's"),
        ('"abc", y)', '"abc", y)', ""),
        ("x + 1;", ";\n}", "x + 1"),
        ("x", "\n)", "x"),
        ("x", ";", "x"),
        ("a, b)", ", b)", "a"),
        ("\\\\', 'b']", "']", "\\\\"),
        ("it\\'s', 'b']", "']", "it\\'s"),
        ("se<T> {", "se<T> {", ""),
        ("x", None, "x"),
    ],
)
def test_what_stands_behind_the_cursor_ends_an_answer(text, suffix, kept):
    assert fitted(text, rest_of_line(suffix)) == kept


@pytest.mark.parametrize(
    ("text", "suffix"), [("name", "name_of(x)"), ("foo(x)", "y + 1"), ("{", ")"), ("f(", ")"), ("a]", ")")]
)
def test_a_line_that_makes_no_sense_with_what_stands_behind_the_cursor_is_not_said(text, suffix):
    assert fitted(text, suffix) is None


def test_a_middle_that_was_written_before_what_follows_is_not_judged_as_a_line():
    assert fitted("x +", " y", is_middle=True) == "x +"
    assert fitted("x + y", " + y", is_middle=True) == "x"


def test_a_bracket_that_is_closed_behind_the_cursor_ends_the_search(completer):
    prefix = "def load_figs(path, limit):\n    with open("
    alone = completer.answer(Cursor(prefix=prefix, suffix="\n"))
    closed = completer.answer(Cursor(prefix=prefix, suffix=")\n"))
    assert alone.text == 'path, encoding="utf-8") as source:'
    assert closed.text == 'path, encoding="utf-8"'
    assert closed.probability >= alone.probability
    quoted = completer.answer(Cursor(prefix=prefix + 'path, encoding="', suffix='")\n'))
    assert quoted.text == "utf-8"


def test_nothing_is_said_within_a_word_that_goes_on_behind_the_cursor(completer):
    before, behind = "def load_figs(path, limit):\n    with op", 'en(path, encoding="utf-8") as source:\n'
    assert completer.answer(Cursor(prefix=before, suffix=behind)).text == ""


def test_the_next_line_is_repeated_only_where_it_is_the_same_with_its_indentation():
    assert repeats_line("    return x", "\n\n    return x\n")
    assert not repeats_line("return x", "\n    return x\n")
    assert not repeats_line("", "\n\n")
    assert rest_of_line(")\n}") == ")" and not rest_of_line("\n)") and not rest_of_line(None)
    assert closed_at("x) + y)", "") is None


def test_a_further_line_that_stands_behind_the_cursor_ends_the_answer_and_is_not_replaced(completer):
    prefix = "def load_figs(path, limit):\n"
    following = "\n\n        found = parse_figs(source.read(), limit)  # as ever\n"
    answer = completer.answer(Cursor(prefix=prefix, suffix="\n", max_lines=2))
    assert answer.text.count("\n") == 1
    name = answer.text.splitlines()[1].split("(")[0].split("_")[1]
    cut = completer.answer(Cursor(prefix=prefix, suffix=following.replace("figs", name), max_lines=2))
    assert cut.text == answer.text.splitlines()[0]
    assert begins_what_follows("  }", "\n  })\n") and not begins_what_follows("    }", "\n  }\n")


def test_an_answer_ends_before_a_blank_line_and_at_a_line_that_it_said_already(completer):
    lines = np.array(completer.coder.encode("one(1)\n\ntwo(2)\n\n" * 40), np.uint32)
    blanks = build_memory(lines, np.array([0, len(lines)]), ["a.py"], completer.coder.token_bytes)
    apart = Completer(coder=completer.coder, memory=blanks, quiet_below=0.0)
    assert apart.answer(Cursor(prefix="one(1)\n\ntwo(2)\n\n", max_lines=3)).text == "one(1)"
    lines = np.array(completer.coder.encode("same(1)\n" * 40), np.uint32)
    circle = build_memory(lines, np.array([0, len(lines)]), ["a.py"], completer.coder.token_bytes)
    loop = Completer(coder=completer.coder, memory=circle, quiet_below=0.0)
    assert loop.answer(Cursor(prefix="same(1)\nsame(1)\n", max_lines=3)).text == "same(1)"


def test_behind_a_finished_line_nothing_is_said_where_the_next_one_stands_and_else_that_one(completer):
    prefix = 'def load_figs(path, limit):\n    with open(path, encoding="utf-8") as source:'
    assert completer.answer(Cursor(prefix=prefix, suffix="\n        pass\n", max_lines=3)).text == ""
    for nothing in (None, "\n", "\n\ndef other():\n"):
        answer = completer.answer(Cursor(prefix=prefix, suffix=nothing, max_lines=2)).text
        assert answer.startswith("\n        found = parse_")


IN_IF = "fn f() {\n    if a {\n        go();\n"


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "breaks"),
    [
        ("}", IN_IF, "\n    }\n}\n", True),  # closed behind the cursor already
        ("    }", IN_IF, "\n\nfn g() {\n}\n", False),  # nothing of it is
        ("    }", IN_IF, "\n}\n", False),  # only what is around it
        ("    } else {", IN_IF, "\n    }\n}\n", False),  # opens as much
        (");", IN_IF, "\n    }\n}\n", True),  # nobody opened it
        ("));", "fn f() {\n    a(b(", "\n}\n", False),
        ("}) {", "function f({\n  a,\n", "\n  return a;\n}\n", False),
        ("),", 'f("(((", [\n    (1, 2', "\n])\n", False),  # brackets in a text open nothing
        ("},", "match x {\n    '{' => {\n        a(b.c::<'x>())\n", "\n}\n", False),
        ("]", "x = [\n  1,\n", None, False),
    ],
)
def test_no_bracket_is_closed_twice_and_none_that_is_not_open(text, prefix, suffix, breaks):
    assert breaks_brackets(text, prefix, suffix or "") == breaks


def served(tmp_path, texts: dict[str, str], size: int = 500) -> Completer:
    train_bpe(iter(texts.values()), size, tmp_path / "tokenizer.json")
    coder = TextCoder(tmp_path)
    ids = [np.array(coder.encode(text), np.uint32) for text in texts.values()]
    starts = np.cumsum([0, *map(len, ids)])
    memory = build_memory(np.concatenate(ids), starts, list(texts), coder.token_bytes)
    return Completer(coder=coder, memory=memory, quiet_below=0.0)


def test_code_in_a_manual_does_not_end_a_function_of_the_code_with_a_fence(tmp_path):
    code = "func {0}() error {{\n\treturn open{0}(12)\n}}\n\n"
    manual = "".join(f"```go\n{code.format(name)}```\n\nThe next one:\n\n" for name in NAMES)
    completer = served(tmp_path, {"README.md": manual, "tutorial.md": manual.replace("next", "other")})
    begun = code.format("figs")
    assert "```" not in completer.answer(Cursor(prefix=f"package p\n\n{begun}", max_lines=3)).text
    answer = completer.answer(Cursor(prefix=f"# Manual\n\n```go\n{begun}", max_lines=3))
    assert answer.text.startswith("```")


def test_a_block_that_is_closed_behind_the_cursor_is_not_closed_before_it(tmp_path):
    block = "fn {0}() {{\n    let found = {0}s();\n    keep(found);\n}}\n\n"
    completer = served(tmp_path, {f"{name}.rs": block.format(name) for name in NAMES})
    prefix = "fn fig() {\n    let found = figs();\n    keep(found);\n"
    assert completer.answer(Cursor(prefix=prefix, suffix="\n\nfn g() {\n}\n")).text == "}"
    answer = completer.answer(Cursor(prefix=prefix, suffix="\n    // so far\n}\n", max_lines=3))
    assert not answer.text.startswith("}")
    further = completer.answer(Cursor(prefix=prefix[:-8], suffix="\n    done();\n}\n", max_lines=3))
    assert further.text.split("\n")[0] in ("(found);", "found);") and "}" not in further.text


def test_an_answer_comes_at_its_time_from_whatever_was_found(completer):
    late = Cursor(prefix=source(*NAMES) * 20, max_lines=50, max_tokens=10_000, until=time.monotonic())
    answer = completer.answer(late)
    assert len(answer.ids) <= 2


def test_on_a_busy_machine_reading_leaves_time_to_answer_and_the_nearest_text_is_read(completer, monkeypatch):
    """Each look at the clock is a second in which a block was read: reading alone took longer than there was."""
    clock = itertools.count()
    monkeypatch.setattr(reading.time, "monotonic", lambda: float(next(clock)))
    read: list[int] = []
    for way in ("feed", "skim"):
        monkeypatch.setattr(Reader, way, lambda self, ids, model=None: read.extend(ids))
    text = "y = 0\n" * 20_000 + PREFIX[: PREFIX.rindex("\n") + 1]
    with KeptReaders().at(completer.memory, completer.coder, Cursor(prefix=text, until=100.0), text) as place:
        assert next(clock) < 80
        assert completer.coder.spell(read).endswith(text[-200:].encode())
        assert len(read) < place.num_tokens


def test_a_prompt_is_cut_where_a_word_may_go_on():
    class Letters:
        parts_lines = True

        def encode(self, text):
            return list(text.encode())

        def spell(self, ids):
            return bytes(ids)

    prompts = {text: Prompt.of(text, Letters()) for text in ("a\n", "a b", "x.", "    ", "a ", "")}
    taken = {text: bytes(prompt.taken_back).decode() for text, prompt in prompts.items()}
    assert taken == {"a\n": "", "a b": " b", "x.": ".", "    ": " ", "a ": " ", "": ""}
    assert all(prompt.text + taken[text] == text for text, prompt in prompts.items())


def test_a_window_that_slides_is_read_on_from_where_it_was():
    text = source(*NAMES)
    assert read_so_far(text[:300], text[:400]) == 300
    assert read_so_far(text[:300], text[50:400]) == 250
    assert read_so_far(text[:300], "other") == -1


@pytest.mark.parametrize("cuts", ["ours", "gpt-2"])
def test_typing_on_and_going_back_gives_the_ids_of_the_whole_text(cuts, tmp_path):
    """GPT-2's rule makes one token of a line end and the indentation behind it."""
    text = source(*NAMES).replace("    ", "\t  ").replace(":\n", ": \n\n")
    if cuts == "ours":
        train_bpe(iter([text] * 3), 600, tmp_path / "tokenizer.json")
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator(
            [text] * 3, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet)
        )
        tokenizer.save(str(tmp_path / "tokenizer.json"))
    coder, kept = TextCoder(tmp_path), KeptIds()
    assert coder.parts_lines is (cuts == "ours")
    for end in [*range(0, 600, 3), *range(600, 0, -41), 900]:
        assert kept.of(text[:end], coder) == coder.encode(text[:end])
        stable = stable_length(text[:end], coder)
        assert coder.encode(text[:stable]) + coder.encode(text[stable:end]) == coder.encode(text[:end])


def test_other_open_files_are_known(completer):
    extra = "fetch_everything_from_the_wide_ocean(tide, moon)\n"
    prefix = "x = fetch_everything_"
    assert "wide_ocean" not in completer.answer(Cursor(prefix=prefix)).text
    told = completer.answer(Cursor(prefix=prefix, extra=(("sea.py", extra * 2),)))
    assert told.text.startswith("from_the_wide_ocean")
