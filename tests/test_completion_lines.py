"""Lines: the search finds the likeliest, questions are what they say, confidence is a share, nothing is seen early."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from effectiveness.common.publish import publishing
from effectiveness.common.records import MEMORY_SCORE_FILE, UserError
from effectiveness.completion.command import _as_shown
from effectiveness.completion.confidence import Judgement, fit, rising_shares
from effectiveness.completion.lines import NOTHING, Line, Search, consistent_tokens, likely_lines
from effectiveness.completion.questions import HeldOutFile, draw_questions, is_exact, similarity
from effectiveness.completion.scoring import Setup, read_files
from effectiveness.completion.spelling import TextCoder
from effectiveness.completion.store import DatasetMemory, files_of, memory_of_files, open_memory
from effectiveness.trainer.rows import open_dataset

ROOT = Path(__file__).resolve().parent.parent
TOKENS = [b"a", b"b", b"ab", b"\n", b" ", b"!"]
A, B, AB, END, BLANK, STOP = range(6)


class Table:
    """A distribution written down: after a hypothesis, what follows; everything else ends the line."""

    def __init__(self, after: dict[tuple[int, ...], dict[int, float]]) -> None:
        self.after = after

    def top(self, hypotheses, k, among=NOTHING):
        found = []
        for ids in hypotheses:
            row = self.after.get(ids, {END: 1.0})
            if ids in among:
                row = {token: p for token, p in row.items() if token in among[ids].tolist()}
            order = sorted(row, key=lambda token: -row[token])[: len(row) if ids in among else k]
            found.append((np.array(order, int), np.array([row[token] for token in order])))
        return found


def test_the_likeliest_line_is_found_where_the_likeliest_first_token_leads_astray():
    table = Table({(): {A: 0.6, B: 0.4}, (A,): {A: 0.4, B: 0.3, AB: 0.3}, (B,): {END: 0.9, A: 0.1}})
    lines = likely_lines(table, TOKENS)
    assert lines[0].text == "b"
    assert lines[0].probability == pytest.approx(0.36)


def test_spellings_of_one_text_are_added_up():
    table = Table({(): {AB: 0.25, A: 0.4, B: 0.35}, (A,): {B: 1.0}})
    lines = likely_lines(table, TOKENS)
    assert (lines[0].text, lines[0].probability) == ("ab", pytest.approx(0.65))


def test_blank_lines_before_the_next_one_are_passed_over():
    table = Table({(): {END: 1.0}, (END,): {B: 1.0}})
    assert likely_lines(table, TOKENS)[0].text == "b"


def test_what_goes_round_in_circles_is_no_line():
    class Circle(Table):
        def top(self, hypotheses, k, among=NOTHING):
            return [(np.array([A]), np.array([1.0])) for _ in hypotheses]

    assert likely_lines(Circle({}), TOKENS, search=Search(max_tokens=40)) == []


def test_a_control_token_ends_the_line_and_is_not_part_of_it():
    table = Table({(): {A: 1.0}, (A,): {STOP: 1.0}})
    assert likely_lines(table, TOKENS, stop=frozenset({STOP}))[0].text == "a"


def test_a_word_that_was_begun_is_gone_on_with():
    assert consistent_tokens(TOKENS, b"a").tolist() == [A, AB]
    table = Table({(): {A: 0.1, AB: 0.3, B: 0.6}})
    lines = likely_lines(table, TOKENS, taken_back=[A])
    assert lines[0].text == "ab"
    assert lines[0].probability == pytest.approx(0.75)


def test_a_word_of_several_tokens_is_gone_on_with_in_any_spelling_and_its_candidates_share_one():
    table = Table({(): {A: 0.5, AB: 0.25, B: 0.25}, (A,): {B: 0.5, A: 0.5}, (AB,): {A: 1.0}})
    lines = {line.text: line.probability for line in likely_lines(table, TOKENS, taken_back=[A, B])}
    assert lines == {"ab": pytest.approx(0.5), "aba": pytest.approx(0.5)}


def test_a_search_that_must_stop_gives_what_it_has():
    table = Table({(): {A: 1.0}, (A,): {B: 1.0}, (A, B): {A: 1.0}})
    [cut] = likely_lines(table, TOKENS, must_stop=lambda: True)
    assert (cut.text, cut.is_whole) == ("a", False)


def line(text: str, log_probability: float, num_ids: int = 1) -> Line:
    return Line(text=text, ids=(0,) * num_ids, log_probability=log_probability)


def test_confidence_rises_with_probability_and_is_a_share_of_right_answers():
    scores, shares = rising_shares([(-5.0, 0.0), (-4.0, 1.0), (-3.0, 0.0), (-2.0, 1.0), (-1.0, 1.0)])
    assert list(shares) == sorted(shares)
    assert all(0 < share < 1 for share in shares)
    assert scores == (-5.0, -4.0, -2.0)
    assert shares[1] == pytest.approx((1 + 1) / (2 + 2))
    rule = Judgement(scores=scores, shares=shares)
    assert rule.confidence(line("x", -9.0)) == 0.0
    assert rule.confidence(line("x", -0.5)) == shares[-1]


def test_a_length_term_is_taken_only_where_it_costs_no_exact_answer():
    candidates = [[line("short", -1.0, 1), line("much longer", -1.3, 9)]] * 4
    assert fit(candidates, ["short"] * 4).length_term == 0.0
    assert fit(candidates, ["much longer"] * 4).length_term > 0.0


def coder_and_files(small_dataset: Path):
    dataset = open_dataset(small_dataset)
    return dataset, TextCoder(dataset.tokenizer)


def test_a_question_asks_for_the_first_line_that_is_not_blank_after_a_line_end(small_dataset):
    dataset, coder = coder_and_files(small_dataset)
    files = files_of(dataset, "test")
    asked = draw_questions(files, coder, 40, seed=3)
    assert asked == draw_questions(list(reversed(files)), coder, 40, seed=3)
    assert len({(q.file.path, q.place, q.rest) for q in asked}) == len(asked) > 5
    for question in asked:
        ids = question.file.ids.tolist()
        before = coder.spell([*ids[: question.place], *question.rest])
        whole = coder.spell(ids)
        assert before.endswith(b"\n")
        assert whole.startswith(before)
        following = whole[len(before) :].decode().split("\n")
        assert question.truth == next(text for text in following if text.strip())


def test_answers_are_compared_without_indentation_and_similarity_with_it():
    assert is_exact("    return x ", "return x")
    assert not is_exact("return y", "return x")
    assert similarity("    a", "    a") == 1.0
    assert similarity("", "    a") == 0.0


def test_a_held_out_file_is_in_the_memory_for_use_and_not_while_it_is_measured(small_dataset, tmp_path):
    dataset, coder = coder_and_files(small_dataset)
    memory = memory_of_files(files_of(dataset, "train"), coder, None)
    held_out = files_of(dataset, "test")
    assert not set(memory.paths) & {file.path for file in held_out}
    ids = max(held_out, key=lambda file: len(file.ids)).ids
    before = memory.reader("elsewhere").feed(ids).sum()
    kept = DatasetMemory(coder=coder, memory=memory, held_out={"test": held_out})
    assert kept.know_everything() == len(held_out) and set(memory.known_paths) > {held_out[0].path}
    assert memory.reader("elsewhere").feed(ids).sum() < before / 2


def test_what_stands_behind_a_question_changes_no_answer(small_dataset):
    dataset, coder = coder_and_files(small_dataset)
    memory = memory_of_files(files_of(dataset, "train"), coder, None)
    file = max(files_of(dataset, "test"), key=lambda file: len(file.ids))
    question = next(q for q in draw_questions([file], coder, 20, seed=1) if not q.rest)
    other = np.concatenate((file.ids[: question.place], file.ids[question.place :][::-1]))
    answers = []
    for ids in (file.ids, other):
        same = HeldOutFile(path=file.path, ids=ids)
        asked = [type(question)(file=same, place=question.place, rest=(), truth=question.truth)]
        [one] = read_files(Setup(coder=coder, memory=memory), [same], asked).answered
        answers.append([(found.text, found.log_probability) for found in one.lines["memory"]])
    assert answers[0] == answers[1] != []


def test_the_memory_of_a_dataset_is_made_once_and_again_when_its_rows_change(small_dataset, tmp_path):
    copy = tmp_path / "dataset"
    shutil.copytree(small_dataset, copy)
    dataset, coder = coder_and_files(copy)
    said: list[str] = []
    open_memory(dataset, coder, said.append)
    header = (copy / "memory" / "memory.json").read_bytes()  # which has the digests of all files
    open_memory(dataset, coder, said.append)
    assert len(said) == 1
    train = dataset.train.read_bytes()
    dataset.train.write_bytes(train)  # the same bytes, written again: a new time stamp
    open_memory(dataset, coder, said.append)
    assert len(said) == 2 and (copy / "memory" / "memory.json").read_bytes() == header


def test_a_dataset_is_built_again_over_one_that_has_a_memory_but_not_over_a_note_in_it(
    small_dataset, tmp_path
):
    copy = tmp_path / "dataset"
    shutil.copytree(small_dataset, copy)
    open_memory(*coder_and_files(copy), print)
    assert (copy / "memory" / "memory.json").is_file()
    killed = copy / ".memory.staging-1234-0123abcd"  # what a killed build of it leaves
    killed.mkdir()
    (killed / "text.bin").write_bytes(b"half")
    (copy / "memory" / "note.txt").write_text("mine")
    with pytest.raises(UserError, match=r"did not write \(memory/note.txt\)"), publishing(copy):
        pytest.fail("somebody's note would have been deleted")
    (copy / "memory" / "note.txt").unlink()
    with publishing(copy) as staging:
        shutil.copytree(small_dataset, staging, dirs_exist_ok=True)
    assert sorted(path.name for path in copy.iterdir()) == sorted(
        path.name for path in small_dataset.iterdir()
    )


def test_a_memory_that_another_version_made_is_made_again(small_dataset, tmp_path):
    copy = tmp_path / "dataset"
    shutil.copytree(small_dataset, copy)
    dataset, coder = coder_and_files(copy)
    open_memory(dataset, coder, print)
    header = (copy / "memory" / "memory.json").read_bytes()
    made_from = copy / "memory" / "made_from.json"
    stamp = json.loads(made_from.read_text())
    made_from.write_text(json.dumps(stamp | {"layout": [stamp["layout"][0], stamp["layout"][1] - 8]}))
    (copy / "memory" / "learned.bin").write_bytes(b"weights of another layout")
    said: list[str] = []
    open_memory(dataset, coder, said.append)
    assert len(said) == 1 and (copy / "memory" / "memory.json").read_bytes() == header


def test_an_example_says_nothing_where_an_editor_would_be_told_nothing():
    class Rule:
        def confidence(self, line):
            return line.confidence

    lines = [SimpleNamespace(text="return x", confidence=sure) for sure in (0.24, 0.26)]
    quiet, said = (_as_shown(line, Rule(), "return x") for line in lines)
    assert quiet == "nothing   (24 % sure of 'return x': not said in an editor; right)"
    assert said == "return x   (26 % sure; right)" and _as_shown(None, Rule(), "return x") == "nothing"


def test_the_command_prints_figures_and_examples_and_writes_them(small_dataset, tmp_path):
    copy = tmp_path / "dataset"
    shutil.copytree(small_dataset, copy)
    command = [sys.executable, "-m", "effectiveness", "memory", str(copy), "--questions", "12"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "scores.json")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("COMPLETE\n")
    kept = json.loads((copy / MEMORY_SCORE_FILE).read_text())
    assert 0 < kept["val_nats_per_token"] < 8 and kept["num_files"] > 0
    assert done.stdout.count("  truth > ") == done.stdout.count("  ours  > ") == 3
    assert "  an editor gets the lines that are 25 % sure or more: " in done.stdout
    is_quiet = ["> nothing " in line for line in done.stdout.splitlines() if line.startswith("  ours  > ")]
    assert is_quiet == sorted(is_quiet)  # what an editor gets is shown first
    figures = json.loads((tmp_path / "scores.json").read_text())
    assert set(figures["arms"]) == {"memory"}
    assert set(figures["arms"]["memory"]) == {"exact", "similarity", "bits_per_byte"}
    assert figures["num_questions"] == 12
    assert 0 < figures["arms"]["memory"]["bits_per_byte"] < 8
    assert {"index_s", "ms_per_token", "ms_per_line"} <= set(figures)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["nowhere"], "is missing"),
        (["DATASET", "--questions", "-1"], "--questions must be 0 or more"),
        (["DATASET", "--model", "nowhere"], "nowhere holds no finished model"),
    ],
)
def test_a_mistake_is_told_in_one_line(small_dataset, capsys, flags, words):
    from effectiveness.completion.command import main

    assert main([str(small_dataset) if flag == "DATASET" else flag for flag in flags]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out.endswith("FAILED\n")


def test_every_token_of_the_tokenizer_is_spelled_as_it_decodes(small_dataset):
    _, coder = coder_and_files(small_dataset)
    text = "def f(x):\n\treturn x  # \u00e4\u4f60\U0001f600\r\n"
    assert coder.spell(coder.encode(text)) == text.encode()
    assert all(itertools.islice((isinstance(t, bytes) for t in coder.token_bytes), 10))
