"""The memory: exact counts, a distribution, no look ahead, nothing of a file that was left out, the same bytes."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from memory_sample import TOKEN_BYTES, VOCAB_SIZE, encode, files, pack, sample_memory, source

from effectiveness.common.records import UserError
from effectiveness.memory import Memory, build_memory
from effectiveness.memory.index import build_index

ROOT = Path(__file__).parents[1]
ORDERS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 24)


@pytest.fixture(scope="module")
def memory() -> Memory:
    return sample_memory()


def counted(texts, tail: list[int]) -> dict[int, int]:
    """What followed `tail` in the files: the slow way. Before the beginning of a file stand -1s."""
    found = collections.Counter()
    for ids in texts:
        padded = [-1] * 24 + ids.tolist()
        for at in range(24, len(padded)):
            if padded[at - len(tail) : at] == tail:
                found[padded[at]] += 1
    return dict(found)


def test_followers_of_every_order_are_those_that_counting_by_hand_gives(memory):
    texts = files()
    rank = memory.index.tree.rank
    own = encode(source(99))
    for length in (0, 1, 5, 60, 200):
        reader = memory.reader()
        reader.feed(own[:length])
        padded = [-1] * 24 + own[:length].tolist()
        for number, order in enumerate(ORDERS):
            wanted = counted(texts.values(), padded[-order:])
            if number > 2 and order > length + 1:
                wanted = {}  # beyond the beginning of the file only the groups of short orders go
            if number > 2 and sum(wanted.values()) > 256:
                continue  # a sample of them
            wanted = {int(rank[token]): count for token, count in wanted.items()}
            assert dict(reader._native.followers(number)) == wanted, (length, order)


def test_the_distribution_sums_to_one_and_is_what_feeding_gives(memory):
    own = encode(source(77))
    reader = memory.reader()
    for start in range(0, len(own) - 1, 37):
        probabilities = reader.probabilities()
        assert abs(float(probabilities.astype(np.float64).sum()) - 1) < 1e-5
        with reader.trial():
            nats = reader.feed(own[start : start + 1])[0]
        assert nats == pytest.approx(-np.log(probabilities[own[start]]), abs=1e-4)
        tokens, chances = reader.top(5)
        assert np.allclose(chances, np.sort(probabilities)[::-1][:5], atol=1e-6)
        assert np.allclose(probabilities[tokens], chances, atol=1e-6)
        reader.feed(own[start : start + 37])


def test_later_tokens_do_not_change_what_earlier_ones_cost(memory):
    own = encode(source(5))
    other = own.copy()
    other[150:] = 7
    assert np.array_equal(memory.reader().feed(own)[:150], memory.reader().feed(other)[:150])


def test_reading_in_pieces_costs_what_reading_at_once_costs(memory):
    own = encode(source(6))
    whole = memory.reader().feed(own)
    reader = memory.reader()
    pieces = [reader.feed(own[start : start + 13]) for start in range(0, len(own), 13)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_a_text_that_was_tried_leaves_no_trace(memory):
    own = encode(source(8))
    reader, untouched = memory.reader(), memory.reader()
    for start in range(0, 300, 50):
        with reader.trial():
            reader.feed(encode(source(start)))
        with reader.trial(frozen=True):
            reader.feed(own[:9])
            with reader.trial():
                reader.feed(own[9:20])
        assert np.array_equal(reader.feed(own[start : start + 50]), untouched.feed(own[start : start + 50]))
    assert np.array_equal(reader.probabilities(), untouched.probabilities())


def memory_like(memory: Memory, texts: dict[str, np.ndarray]) -> Memory:
    """Of other files, with the same tree and weights."""
    ids, starts, paths = pack(texts)
    full = np.full(len(ids) + len(paths), VOCAB_SIZE, np.uint16)
    at = starts + np.arange(len(starts))
    for number in range(len(paths)):
        full[at[number] + 1 : at[number + 1]] = ids[starts[number] : starts[number + 1]]
    index = build_index(full, memory.index.spelling, 0, tree=memory.index.tree)
    return Memory(
        index=index, paths=tuple(paths), file_starts=at, learned=memory.learned, tokenizer_sha256=""
    )


def test_a_file_that_is_left_out_leaves_nothing_behind(memory):
    """Exactly what an index over the other files says."""
    texts = files()
    path = "package/module_3.py"
    own = texts.pop(path)
    left_out, rebuilt = memory.reader(path), memory_like(memory, texts).reader()
    left_out.feed(own)
    rebuilt.feed(own)
    for number in range(29):
        assert left_out._native.followers(number) == rebuilt._native.followers(number)


def test_a_match_that_ends_with_its_file_does_not_go_on_in_the_next_one_which_is_left_out(memory):
    texts = files(3)  # few enough for every place to be counted
    path = "package/module_1.py"
    own = texts[path]
    prompt = np.concatenate([texts["package/module_0.py"], encode("!"), own])
    of_own, of_other = (
        memory_like(memory, texts | {path: text}).reader(path).feed(prompt) for text in (own, own[::-1])
    )
    same = np.isclose(
        of_own, of_other, rtol=0.02, atol=0
    )  # hashes that meet in so small an index: 1 % at one token
    assert np.mean(~same) < 0.002


def test_a_token_that_this_file_uses_is_expected_where_nothing_like_its_place_was_seen(memory):
    rare = encode("~")[0]
    used, unused = memory.reader("new.py"), memory.reader("new.py")
    used.feed(encode("~ ~ ~ ~ ~ ~ ~ ~ QZJ"))
    unused.feed(encode("^ ^ ^ ^ ^ ^ ^ ^ QZJ"))
    assert used.probabilities()[rare] > 2 * unused.probabilities()[rare]


def test_a_character_of_a_script_without_blanks_is_a_word_of_its_own():
    """So what follows one is counted whatever stood before it in the sentence."""
    tokens = [bytes([byte]) for byte in range(256)]
    sentence, another = (
        "\u6545\u7528\u5175\u4e4b\u6cd5".encode(),
        "\u4e0d\u77e5\u7528\u5175\u4e4b\u5bb3".encode(),
    )
    ids = np.frombuffer(sentence * 3, np.uint8).astype(np.uint32)
    memory = build_memory(ids, np.array([0, len(ids)]), ["verse.txt"], tokens, fit_tokens=0)
    reader = memory.reader("new.txt")
    reader.feed(np.frombuffer(another[:-3], np.uint8).astype(np.uint32))
    by_last_words = 10 + 3  # the shape of a place that is the word at hand and the one before it
    assert reader._native.followers(by_last_words)


def test_a_live_file_replaces_its_old_self(memory):
    path, new = "package/module_2.py", encode("def fresh_name(self):\n    return self.fresh_name\n" * 3)
    memory = sample_memory()
    before = memory.reader().feed(new).sum()
    memory.update(path, new)
    assert memory.reader().feed(new).sum() < 0.5 * before
    assert memory.reader(path).feed(new).sum() > 0.8 * before  # the file at hand does not know itself
    memory.update(path, None)
    assert memory.reader().feed(new).sum() > 0.8 * before
    for number in range(6):  # more files than have a run of their own
        memory.update(f"new_{number}.py", encode(source(50 + number)))
    for number in range(6):
        own = encode(source(50 + number))
        known = memory.reader().feed(own).sum()
        assert memory.reader(f"new_{number}.py").feed(own).sum() > known
    memory.update("new_0.py", new)
    assert memory.reader().feed(new).sum() < 0.5 * before


def test_what_stands_behind_a_gap_is_known_before_it():
    memory = sample_memory()
    text = encode("def zebra_crossing(self):\n    return self.zebra_crossing\n")
    plain, told = memory.reader(), memory.reader()
    told.observe(text)
    assert told.feed(text).sum() < 0.8 * plain.feed(text).sum()


def test_observing_in_the_middle_of_a_file_keeps_its_place(memory):
    own = encode(source(12))
    reader = memory.reader()
    reader.feed(own[:120])
    reader.observe(encode("x"))
    assert reader.feed(own[120:]).sum() < 1.2 * memory.reader().feed(own)[120:].sum()


def test_another_models_opinion_is_followed_where_it_is_right(memory):
    own = np.random.default_rng(3).integers(0, 128, 400).astype(np.uint32)  # nothing that counting could know
    rows = np.full((len(own), VOCAB_SIZE), 0.1 / VOCAB_SIZE, np.float32)
    rows[np.arange(len(own)), own] += 0.9
    alone, joined = memory.reader().feed(own), memory.reader()
    with_model = joined.feed(own, rows)
    assert with_model[200:].mean() < 0.5 * alone[200:].mean()
    assert abs(joined.probabilities(rows[0]).sum() - 1) < 1e-5
    assert joined.top(1, rows[0])[0][0] == own[0]


def test_tokens_that_were_never_seen_can_come(memory):
    unseen = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3], np.uint32)
    nats = memory.reader().feed(unseen)
    assert np.all(np.isfinite(nats)) and nats[6:].sum() < 0.7 * nats[:3].sum()


def test_a_saved_memory_says_the_same(tmp_path, memory):
    sample_memory(directory=tmp_path / "memory", tokenizer_sha256="abc")
    opened = Memory.open(tmp_path / "memory")
    own = encode(source(33))
    assert np.array_equal(opened.reader().feed(own), memory.reader().feed(own))
    assert opened.tokenizer_sha256 == "abc"
    assert opened.paths == memory.paths and opened.num_tokens == memory.num_tokens


def test_the_same_files_give_the_same_bytes_in_another_process(tmp_path):
    sample_memory(directory=tmp_path / "here")
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; import memory_sample, pathlib;"
        "memory_sample.sample_memory(directory=pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "there"), str(ROOT), str(ROOT / "tests")]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"})
    for file in sorted((tmp_path / "here").iterdir()):
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes(), file.name


def test_an_id_outside_the_vocabulary_is_refused_in_one_line(memory):
    for call in (memory.reader().feed, memory.reader().observe, lambda ids: memory.update("a.py", ids)):
        with pytest.raises(UserError, match="outside the vocabulary"):
            call([3, VOCAB_SIZE])
        with pytest.raises(UserError):
            call([-1])
    with pytest.raises(UserError, match="outside the vocabulary"):
        build_memory(np.array([VOCAB_SIZE], np.uint32), [0, 1], ["a.py"], TOKEN_BYTES)


def test_a_damaged_memory_is_refused_in_one_line(tmp_path):
    sample_memory(directory=tmp_path / "memory")
    for file in sorted((tmp_path / "memory").iterdir()):
        whole = file.read_bytes()
        for broken in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b"", None):
            if broken is None:
                file.unlink()
            else:
                file.write_bytes(broken)
            if broken == whole:
                continue
            with pytest.raises(UserError) as error:
                Memory.open(tmp_path / "memory")
            assert "\n" not in str(error.value)
        file.write_bytes(whole)
    Memory.open(tmp_path / "memory")


def test_no_memory_and_a_memory_of_nothing(tmp_path):
    with pytest.raises(UserError, match="holds no memory"):
        Memory.open(tmp_path)
    empty = build_memory(np.zeros(0, np.uint32), [0], [], TOKEN_BYTES, tmp_path / "memory")
    assert empty.reader().feed(encode("abc")).sum() > 0
    assert abs(empty.reader().probabilities().sum() - 1) < 1e-5


def test_a_large_vocabulary_works():
    rng = np.random.default_rng(1)
    spelled = [f"t{number} ".encode() for number in range(70_000)]
    ids = np.concatenate([rng.integers(0, 70_000, 400), np.tile(rng.integers(0, 70_000, 50), 20)])
    memory = build_memory(ids, [0, 600, len(ids)], ["a", "b"], spelled, fit_tokens=500)
    nats = memory.reader().feed(ids[-100:])
    assert nats[60:].mean() < 2
    assert abs(memory.reader().probabilities().astype(np.float64).sum() - 1) < 1e-5


def test_a_reader_over_damaged_arrays_reads_on_or_refuses_and_never_faults(memory):
    """As if the digests had been made to fit: whatever stands in the arrays, a process survives it."""
    draw = np.random.default_rng(5)
    own = encode(source(4))[:120]
    for round_number in range(40):
        index = memory.index
        groups = [
            dataclasses.replace(group, **damaged(group, ("buckets", "units"), draw)) for group in index.groups
        ]
        tree = dataclasses.replace(
            index.tree, **damaged(index.tree, ("nodes", "rank", "rank_sums")[:1], draw, 0.1)
        )
        changed = dataclasses.replace(
            index, **damaged(index, ("places", "followers", "starts"), draw), groups=tuple(groups), tree=tree
        )
        try:
            broken = Memory(changed, memory.paths, memory.file_starts, memory.learned, "")
        except ValueError:
            continue  # the tree is looked at as a whole
        reader = broken.reader("package/module_1.py" if round_number % 2 else "")
        assert np.all(np.isfinite(reader.feed(own)))
        reader.top(3)
        reader.probabilities()


def damaged(record, names, draw, share=0.7) -> dict[str, np.ndarray]:
    """Copies of some arrays of a record with random bytes in a few places, now and then."""
    changed = {}
    for name in names:
        array = getattr(record, name).copy()
        raw = array.reshape(-1).view(np.uint8)
        if len(raw) and draw.random() < share:
            raw[draw.integers(0, len(raw), 1 + len(raw) // 100)] = draw.integers(0, 256, 1 + len(raw) // 100)
        changed[name] = array
    return changed
