"""Duplicate groups: against a slow twin that compares every pair exactly, and against planted edits."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from effectiveness.corpus import duplicates
from effectiveness.corpus.duplicates import MIN_JACCARD, NUM_BANDS, group, signature, signatures

ROOT = Path(__file__).resolve().parents[1]


def slow_words(text: bytes) -> list[bytes]:
    """Runs of letters and digits; each character that takes three bytes begins another word."""
    return re.findall(rb"[a-z0-9_\x80-\xff][a-z0-9_\x80-\xdf]*", text.lower())


def slow_jaccard(a: bytes, b: bytes) -> float:
    """The similarity by the definition: sets of tuples of 5 words."""
    words = slow_words(a), slow_words(b)
    first, second = ({tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in words)
    return len(first & second) / len(first | second) if first | second else 0.0


def group_texts(texts: Sequence[bytes]) -> list[int]:
    """Groups by the similarity of whole files alone; tests/test_passages.py is about shared passages."""
    return group([signature(text)[: NUM_BANDS + 1] for text in texts], lambda i: texts[i]).tolist()


def random_text(rng: random.Random, num_words: int) -> bytes:
    words = (
        f"{rng.choice(['let', 'Vec', 'self', 'if', 'Name'])}{rng.randrange(400)}" for _ in range(num_words)
    )
    return "".join(word + rng.choice([" ", "\n", "(", ") + ", "::", "\n\t"]) for word in words).encode()


def edited(rng: random.Random, text: bytes, num_edits: int) -> bytes:
    """Replace words one by one; each replaced word changes up to 5 of the 5-grams."""
    words = text.split(b" ")
    for position in rng.sample(range(len(words)), min(num_edits, len(words))):
        words[position] = f"edited{rng.randrange(10**9)}".encode()
    return b" ".join(words)


def with_jaccard(rng: random.Random, low: float, high: float) -> tuple[bytes, bytes]:
    """A text and an edited copy whose exact similarity lies in [low, high)."""
    while True:
        text = random_text(rng, rng.randrange(200, 800))
        copy = edited(rng, text, rng.randrange(1, 20))
        if low <= slow_jaccard(text, copy) < high:
            return text, copy


def test_groups_are_the_connected_components_of_truly_similar_pairs():
    rng = random.Random(7)
    texts = [random_text(rng, rng.randrange(5, 300)) for _ in range(40)]
    texts += [edited(rng, rng.choice(texts), rng.randrange(0, 12)) for _ in range(80)]
    groups = group_texts(texts)
    expected = list(range(len(texts)))
    for a, b in itertools.combinations(range(len(texts)), 2):
        similar = slow_jaccard(texts[a], texts[b])
        if similar >= MIN_JACCARD:
            expected = [expected[a] if e == expected[b] else e for e in expected]
        # Precision: the only pairs in one group are connected by similar pairs (checked below).
        # Recall: above 0.95 a band is shared with probability 1 - 5e-10.
        assert similar < 0.95 or groups[a] == groups[b]
    for a, b in itertools.combinations(range(len(texts)), 2):
        assert groups[a] != groups[b] or expected[a] == expected[b]
    assert len(set(groups)) < len(texts)


def test_at_least_94_percent_of_pairs_with_jaccard_0_8_are_found():
    rng = random.Random(1)
    pairs = [with_jaccard(rng, 0.78, 0.85) for _ in range(300)]
    found = sum(groups[0] == groups[1] for groups in map(group_texts, pairs))
    assert found >= 0.94 * len(pairs)


def test_no_pair_below_the_threshold_is_joined():
    rng = random.Random(2)
    pairs = [with_jaccard(rng, 0.55, MIN_JACCARD) for _ in range(200)]
    assert any(
        (signature(a)[:NUM_BANDS] == signature(b)[:NUM_BANDS]).any() for a, b in pairs
    )  # candidates there were
    assert all(group_texts(pair) == [0, 1] for pair in pairs)


def test_pairs_just_above_the_threshold_that_share_a_band_are_joined():
    rng = random.Random(13)
    pairs = [with_jaccard(rng, MIN_JACCARD, 0.75) for _ in range(40)]
    candidates = [(a, b) for a, b in pairs if (signature(a)[:NUM_BANDS] == signature(b)[:NUM_BANDS]).any()]
    assert len(candidates) > 10
    assert all(group_texts(pair) == [0, 0] for pair in candidates)


def test_repeated_passages_count_once():
    rng = random.Random(14)
    passage, rest = random_text(rng, 100), random_text(rng, 10)
    assert group_texts([passage + b" " + rest, passage + b" " + rest + (b" " + passage) * 4]) == [0, 0]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_file_joins_a_cluster_through_any_of_its_members(order):
    """All in one bucket: the middle one is similar to both others, these are not similar to each other."""
    middle = [f"word{i}" for i in range(200)]
    texts = [" ".join(words).encode() for words in (middle[32:], middle, middle[:-32])]
    assert slow_jaccard(texts[0], texts[2]) < MIN_JACCARD < slow_jaccard(texts[0], texts[1])
    sketches = np.zeros((3, NUM_BANDS + 1), np.uint64)
    sketches[:, 0] = 1  # one band shared by all; the last column decides the order they are taken in
    sketches[:, -1] = order
    assert group(sketches, lambda i: texts[i]).tolist() == [0, 0, 0]


def test_layout_case_and_punctuation_do_not_make_a_file_different():
    assert group_texts([b"fn Main(a, b) { a + b; c }", b"FN main(A,\n\tb)\r\n{ a - b, C }"]) == [0, 0]


@pytest.mark.parametrize(
    "texts", [[b"", b"{}"], [b"x = 1", b"x + 1"], [b"a b c d", b"a b c e"], [b"{}", b"[]"]]
)
def test_different_files_of_fewer_than_five_words_do_not_collapse(texts):
    assert group_texts(texts) == [0, 1]


@pytest.mark.parametrize(
    "texts", [[b"", b"\n"], [b"x = 1", b"x = 1\r\n"], [b"mod a;\nmod b;", b"mod a;mod b;\n"]]
)
def test_equal_files_of_fewer_than_five_words_are_one_group(texts):
    assert group_texts(texts) == [0, 0]


def test_a_short_file_never_joins_a_long_one():
    assert group_texts([b"a b c d", b"a b c d e", b"a b c d e f"])[:2] == [0, 1]


def test_groups_do_not_depend_on_the_order_of_the_files():
    rng = random.Random(3)
    texts = [random_text(rng, 100) for _ in range(60)]
    texts += [edited(rng, text, 2) for text in texts[:30]] + texts[:10] + [b"", b"", b"x"]
    groups = group_texts(texts)
    order = rng.sample(range(len(texts)), len(texts))
    shuffled = group_texts([texts[i] for i in order])
    for (i, a), (j, b) in itertools.combinations(enumerate(order), 2):
        assert (groups[a] == groups[b]) == (shuffled[i] == shuffled[j])


def test_a_group_is_named_by_its_smallest_file_index():
    rng = random.Random(4)
    texts = [random_text(rng, 50) for _ in range(20)]
    groups = group_texts(texts[::-1] + texts)
    assert groups == [*range(20), *range(19, -1, -1)]


def test_a_chain_of_small_edits_is_one_group():
    """The ends of the chain are not similar, their neighbours are: still nothing may cross a split."""
    rng = random.Random(5)
    chain = [random_text(rng, 400)]
    for _ in range(12):
        chain.append(edited(rng, chain[-1], 4))
    assert slow_jaccard(chain[0], chain[-1]) < MIN_JACCARD
    assert len(set(group_texts(chain))) == 1


def test_a_thousand_near_identical_files_cost_a_comparison_each_not_one_per_pair(monkeypatch):
    rng = random.Random(6)
    base = random_text(rng, 200)
    texts = [base + f" generated {i}".encode() for i in range(1000)]
    compared = []
    count = duplicates._num_shared
    monkeypatch.setattr(duplicates, "_num_shared", lambda a, b: compared.append(1) or count(a, b))
    assert len(set(group_texts(texts))) == 1
    assert len(compared) < 2 * len(texts)


def test_when_comparisons_run_out_a_bucket_is_joined_and_no_similar_pair_is_missed(monkeypatch):
    rng = random.Random(8)
    shared = random_text(rng, 700)
    texts = [shared + random_text(rng, 200) for _ in range(60)]  # Jaccard about 0.63, many shared bands
    assert len(set(group_texts(texts))) == len(texts)
    monkeypatch.setattr(duplicates, "FAILED_COMPARISONS_PER_FILE", 0)
    assert len(set(group_texts(texts))) < len(texts)


def test_only_files_that_share_a_band_are_read_again():
    rng = random.Random(9)
    texts = [random_text(rng, 200) for _ in range(50)]
    texts += [texts[0], edited(rng, texts[1], 1)]  # 0 and 50 are exact duplicates: nothing to read
    read = set()
    group([signature(text) for text in texts], lambda i: read.add(i) or texts[i])
    assert read == {1, 51}


def test_a_word_hashes_the_same_wherever_it_stands(monkeypatch):
    """Blocks are cut between words, also when one word is longer than a block."""
    monkeypatch.setattr(duplicates, "_BLOCK_BYTES", 64)
    rng = random.Random(10)
    text = random_text(rng, 300) + b" " + b"A1" * 200 + b" " + random_text(rng, 30) + "naïve 変数".encode()
    hashes = duplicates._words_of([text])[0]
    words = slow_words(text)
    assert len(hashes) == len(words)
    alone = {word: int(duplicates._words_of([word])[0][0]) for word in set(words)}
    assert [alone[word] for word in words] == hashes.tolist()
    assert len(set(alone.values())) == len(alone)


def test_signatures_are_equal_in_another_process_with_another_hash_seed():
    text = random_text(random.Random(11), 500)
    program = (
        "import sys; from effectiveness.corpus.duplicates import signature; "
        "print(signature(sys.stdin.buffer.read()).tolist())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        input=text,
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert other.stdout.decode().strip() == str(signature(text).tolist())


def test_no_files_are_no_groups():
    assert group([], lambda i: b"").tolist() == []


def test_a_signature_has_the_promised_shape_and_known_values():
    """The values are pinned: another version of a dependency may not silently change the groups."""
    sketch = signature(b"fn main() { let x = compute(1, 2); print(x) }")
    assert sketch.dtype == np.uint64 and sketch.shape == (NUM_BANDS + 1,)
    assert (signature(b"one two")[:-1] == 0).all() and (sketch[:-1] != 0).all()
    assert sketch[[0, -1]].tolist() == PINNED


PINNED = [15560006320141086344, 15563544891582665831]


def test_files_sketched_together_have_the_signatures_of_each_alone(monkeypatch):
    """Also where a block or a batch ends, and among files too short for a shingle or a passage."""
    monkeypatch.setattr(duplicates, "_BLOCK_BYTES", 500)
    rng = random.Random(15)
    texts = [random_text(rng, rng.choice([0, 1, 4, 5, 6, 19, 20, 21, 300])) for _ in range(200)]
    texts += [b"\0\0", "変数".encode(), b"(" * 2000, b"a" * 2000, b""]
    together = [sketch.tolist() for sketch in signatures(texts)]
    assert together == [signature(text).tolist() for text in texts]
    assert signatures([]) == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the threads of a process on Linux")
def test_the_signature_of_a_long_file_starts_no_threads():
    """Workers are forked; a process with threads must not be. rensa starts some for long rows."""
    text = " ".join(map(str, range(300_000))).encode()
    threads = len(os.listdir("/proc/self/task"))
    signature(text)
    assert len(os.listdir("/proc/self/task")) == threads


def test_slices_of_a_long_file_give_the_signature_of_the_whole(monkeypatch):
    text = random_text(random.Random(12), 3000)
    whole = signature(text).tolist()
    monkeypatch.setattr(duplicates, "_MINHASH_SLICE", 100)
    assert signature(text).tolist() == whole


@pytest.mark.parametrize(
    "text", [b"", b"(" * 300_000, b"a" * 300_000, b"a " * 150_000, b"\xff" * 5_000, b"\0" * 9]
)
def test_hostile_texts_have_a_signature(text):
    assert signature(text).tolist() == signature(text).tolist()
