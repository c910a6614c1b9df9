"""Splits that stay: with --splits-of a file moves from test to val to train at most, never back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import COMMAND, build_dataset
from dataset_facts import read_facts
from small_repository import make_repository
from test_dataset_effectiveness import TESTS, what_is_wrong
from training_fixtures import command
from wreckage import Way, Wreckage

from effectiveness.common.jsonl import digest, read_metadata, read_rows, write_metadata
from effectiveness.common.records import DATASET_FILES, METADATA_FILE, SPLITS, SPLITS_FILE, UserError
from effectiveness.corpus import duplicates
from effectiveness.corpus.duplicates.passages import NOTHING, least_of_alike
from effectiveness.corpus.file_splits import FileSplits, KeptSplits, keep_splits, read_splits, write_splits
from effectiveness.corpus.split import assign_splits

# --- a repository as texts by path, and its splits ------------------------------------------------------------


def text_of(rng: Random, num_words: int = 300) -> bytes:
    return " ".join(f"w{rng.randrange(5000)}" for _ in range(num_words)).encode()


def texts_of(seed: int, names: str, count: int) -> dict[str, bytes]:
    rng = Random(f"{seed} {names}")
    return {f"{names}/{number}.py": text_of(rng, rng.choice((100, 300, 900))) for number in range(count)}


def build(directory: Path, texts: dict[str, bytes], older: FileSplits | None = None) -> FileSplits:
    """The table of a dataset of these texts, written and read back."""
    paths = sorted(texts)
    sketches = [duplicates.signature(texts[path]) for path in paths]
    groups = duplicates.group(sketches, lambda i: texts[paths[i]])
    sizes = np.array([len(texts[path]) for path in paths], float)
    kept = keep_splits(older, paths, sketches)
    split = assign_splits(groups, sizes, paths, 42, kept.split)
    directory.mkdir()
    write_splits(directory / SPLITS_FILE, paths, split, sketches, kept)
    files = {
        SPLITS_FILE: {"sha256": digest(directory / SPLITS_FILE).sha256},
        DATASET_FILES["train"]: {"sha256": f"rows of {directory.name}"},
    }
    described = {"splits_of": kept.described(split)} if older else {}
    write_metadata(directory / METADATA_FILE, {"files": files} | described)
    return read_splits(directory)


def table(found: FileSplits) -> dict[str, str]:
    """path -> split, of the files that are there."""
    entries = zip(found.paths, found.split.tolist(), found.is_gone.tolist(), strict=True)
    return {path: SPLITS[split] for path, split, is_gone in entries if not is_gone}


def in_split(found: FileSplits, name: str) -> list[str]:
    return [path for path, split in table(found).items() if split == name]


@pytest.mark.parametrize("seed", range(4))
def test_what_was_held_out_stays_so_and_what_was_trained_on_is_never_held_out(seed, tmp_path):
    texts = texts_of(seed, "a", 120)
    first = build(tmp_path / "1", texts)
    rng, then = Random(seed), table(first)
    edited = {
        path: text + b" an edit at the end" if rng.random() < 0.5 else text for path, text in texts.items()
    }
    gone = rng.sample(sorted(texts), 20)
    moved = {f"moved/{path}": edited.pop(path) for path in rng.sample(sorted(edited), 20)}
    for path in gone:
        edited.pop(path, None)
    second = build(tmp_path / "2", edited | moved | texts_of(seed, "new", 40), first)
    now = table(second)
    assert {path: now[path] for path in edited} == {path: then[path] for path in edited}
    assert {path: now[path] for path in moved} == {path: then[path.removeprefix("moved/")] for path in moved}
    assert {now[path] for path in texts_of(seed, "new", 40)} == set(SPLITS)


def test_new_files_even_out_the_shares(tmp_path):
    texts = texts_of(1, "a", 100)
    first = build(tmp_path / "1", texts)
    held_out = [path for path, split in table(first).items() if split != "train"]
    left = {path: text for path, text in texts.items() if path not in held_out[1:]}
    grown = left | texts_of(1, "new", 100)
    sizes = Counter()
    for path, split in table(build(tmp_path / "2", grown, first)).items():
        sizes[split] += len(grown[path])
    assert [sizes[name] / sizes.total() for name in SPLITS] == pytest.approx([0.85, 0.10, 0.05], abs=0.02)


def test_the_parts_of_a_trained_file_that_is_gone_are_trained_on(tmp_path):
    texts = texts_of(2, "a", 80) | {"big.py": text_of(Random(5), 1500)}
    first = build(tmp_path / "1", texts)
    assert table(first)["big.py"] == "train"
    words = texts.pop("big.py").split()
    parts = {f"part{i}.py": b" ".join(words[300 * i : 300 * i + 300]) for i in range(5)}
    now = table(build(tmp_path / "2", texts | parts, first))
    assert {now[path] for path in parts} == {"train"}


def test_a_held_out_file_that_takes_the_place_or_the_text_of_a_trained_one_is_trained_on(tmp_path):
    texts = texts_of(3, "a", 80)
    first = build(tmp_path / "1", texts)
    held_out, trained, other = in_split(first, "val")[0], *in_split(first, "train")[:2]
    swapped = texts | {
        held_out: texts[trained],
        trained: text_of(Random(9)),
    }  # its text is under another name now
    copied = texts | {held_out: texts[other] + b" and a word"}
    assert table(build(tmp_path / "2", swapped, first))[held_out] == "train"
    assert table(build(tmp_path / "3", copied, first))[held_out] == "train"


def test_a_group_of_val_and_test_goes_to_val_and_one_with_a_trained_file_to_train(tmp_path):
    texts = texts_of(4, "a", 80)
    first = build(tmp_path / "1", texts)
    val, test, train = (in_split(first, name)[0] for name in ("val", "test", "train"))
    for number, (one, other, expected) in enumerate(((val, test, "val"), (test, train, "train"))):
        joined = texts | {one: texts[other]}
        now = table(build(tmp_path / f"2{number}", joined, first))
        assert (now[one], now[other]) == (expected, expected)


def test_the_third_dataset_knows_what_the_first_one_trained_on(tmp_path):
    texts = texts_of(5, "a", 80)
    first = build(tmp_path / "1", texts)
    trained = in_split(first, "train")[:30]
    left = {path: text for path, text in texts.items() if path not in trained}
    second = build(tmp_path / "2", left | texts_of(5, "new", 30), first)
    back = {f"back/{path}": texts[path] for path in trained}
    third = build(tmp_path / "3", left | back, second)
    assert {table(third)[path] for path in back} == {"train"}
    assert third.train_sha256 == ("rows of 1", "rows of 2", "rows of 3")


def test_a_table_of_another_repository_is_refused(tmp_path):
    first = build(tmp_path / "1", texts_of(6, "a", 40) | {"README.md": b"words of a file that both have"})
    with pytest.raises(UserError, match="few of its 41 files are here"):
        build(tmp_path / "2", texts_of(6, "b", 40) | {"README.md": b"other words"}, first)


def test_without_an_older_dataset_few_files_change_sides():
    """Before, half of the held-out files were trained on after twenty commits."""
    rng = np.random.default_rng(0)
    paths, sizes = [f"src/{i}.py" for i in range(420)], rng.pareto(2.0, 420) + 1
    then = assign_splits(np.arange(400), sizes[:400], paths[:400], 42)
    now = assign_splits(np.arange(420), sizes * rng.uniform(0.9, 1.1, 420), paths, 42)[:400]
    assert (now[then > 0] > 0).mean() > 0.9 and (then[now > 0] > 0).mean() > 0.9


def test_alike_is_what_shares_a_band_a_passage_or_all_of_a_few_words():
    rng = Random(1)
    long, short = text_of(rng, 800), b"x = 1\n"
    halves = long.split()[:300], long.split()[300:]
    sketches = duplicates.signatures([b" ".join(halves[0]), short, text_of(rng), long + b" more"])
    found = least_of_alike(
        sketches,
        duplicates.signatures([long, short, long]),
        np.array([2, 1, 1], np.uint8),
        duplicates.NUM_BANDS,
    )
    assert found.tolist() == [1, 1, NOTHING, 1]


# --- the command ----------------------------------------------------------------------------------------------

PLAIN = ("--augmentations", "none")
ONE_STEP = ("--epochs", "1", "--set", "data.variants=false", "--set", "training.max_steps=1")


def run(*arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, str(COMMAND), *map(str, arguments), "--tokenizer", "local", "--max-tokens", "128"]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def two_commits(tmp_path_factory) -> tuple[Path, Path, Path]:
    """The repository as it is now, its dataset before, and that of now, which keeps the splits."""
    base = tmp_path_factory.mktemp("kept")
    root = make_repository(base / "repository")
    older = build_dataset(root, base / "older", *PLAIN)
    held_out = [path for path, split in table(read_splits(older)).items() if split != "train"]
    (root / held_out[0]).rename(root / f"renamed{Path(held_out[0]).suffix}")
    make_repository(root / "more", num_files=8, seed=8)
    flags = ("--splits-of", str(older), "--tokenizer", str(older / "tokenizer"))
    return root, older, build_dataset(root, base / "newer", *PLAIN, *flags)


def files_of(dataset: Path, split: str) -> set[str]:
    return {row["metadata"]["source_file"] for row in read_rows(dataset / DATASET_FILES[split])}


def test_of_two_builds_the_second_holds_out_nothing_that_the_first_trained_on(two_commits):
    _, older, newer = two_commits
    for split in ("val", "test"):
        assert not files_of(older, "train") & files_of(newer, split)
        gone = files_of(older, split) - files_of(newer, split)
        assert len(gone) <= 1  # the one that was renamed
    then, now = table(read_splits(older)), table(read_splits(newer))
    [renamed] = [path for path in now if path.startswith("renamed")]
    assert now[renamed] == next(split for path, split in then.items() if path not in now)
    assert read_metadata(newer / METADATA_FILE)["splits_of"]["known_by_text"] >= 1


def test_the_same_older_dataset_gives_the_same_bytes_also_in_its_own_place(two_commits, tmp_path):
    root, older, newer = two_commits
    place = tmp_path / "older"
    shutil.copytree(older, place)
    build_dataset(root, place, *PLAIN, "--splits-of", str(place), "--tokenizer", str(older / "tokenizer"))
    for path in newer.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (place / path.relative_to(newer)).read_bytes(), path


def test_a_dataset_that_is_replaced_by_other_splits_says_how_they_would_have_stayed(two_commits, tmp_path):
    root, older, _ = two_commits
    place = tmp_path / "d"
    shutil.copytree(older, place)
    seal(place, (place / SPLITS_FILE).read_bytes().replace(b'"split":"val"', b'"split":"train"'))
    done = run(root, "--output", place)
    assert done.returncode == 0 and f"--splits-of {place} keeps them there" in done.stdout
    assert "keeps them there" not in run(root, "--output", place).stdout


def test_the_checker_passes_a_dataset_that_keeps_the_splits_of_another(two_commits):
    facts = read_facts(two_commits[2])
    assert [what_is_wrong(test, facts) for test in TESTS] == [""] * 16


def edit_table(edit) -> Way:
    def wreck(w: Wreckage) -> None:
        entries = [json.loads(line) for line in w.path(SPLITS_FILE).read_bytes().splitlines()]
        edit(entries, w)
        w.path(SPLITS_FILE).write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))

    return Way(edit.__name__, "lines", "splits_are", wreck)


def a_trained_file_is_held_out(entries, w):
    next(e for e in entries if e["split"] == "val" and e["was"] == "val")["was"] = "train"


def a_file_is_not_listed(entries, w):
    entries.remove(next(e for e in entries if e["split"] == "test"))


def a_line_is_of_another_kind(entries, w):
    entries[0]["is_gone"] = 0


def nothing_was_kept(entries, w):
    del w.metadata["splits_of"]


def a_count_is_another(entries, w):
    w.metadata["splits_of"]["held_out_still"] += 1


def a_sketch_is_cut(entries, w):
    entries[0]["sketch"] = entries[0]["sketch"][:40]


@pytest.mark.parametrize(
    "edit",
    [
        a_trained_file_is_held_out,
        a_file_is_not_listed,
        a_line_is_of_another_kind,
        nothing_was_kept,
        a_count_is_another,
        a_sketch_is_cut,
    ],
)
def test_a_table_that_does_not_keep_the_splits_is_noticed(edit, two_commits, tmp_path):
    [test] = [test for test in TESTS if "splits_are" in test.__name__]
    facts = read_facts(edit_table(edit).apply(two_commits[2], tmp_path))
    assert SPLITS_FILE in what_is_wrong(test, facts) or "splits_of" in what_is_wrong(test, facts)


def seal(dataset: Path, text: bytes) -> None:
    """Somebody's own table, with a digest that fits."""
    (dataset / SPLITS_FILE).write_bytes(text)
    metadata = read_metadata(dataset / METADATA_FILE)
    metadata["files"][SPLITS_FILE]["sha256"] = digest(dataset / SPLITS_FILE).sha256
    write_metadata(dataset / METADATA_FILE, metadata)


DAMAGES = {
    "no dataset": lambda d: shutil.rmtree(d),
    "no table": lambda d: (d / SPLITS_FILE).unlink(),
    "one byte of the table": lambda d: (d / SPLITS_FILE).write_bytes(
        b"[" + (d / SPLITS_FILE).read_bytes()[1:]
    ),
    "a table of numbers": lambda d: seal(d, b"1\n2\n"),
    "a split that there is none": lambda d: seal(
        d, (d / SPLITS_FILE).read_bytes().replace(b'"train"', b'"trial"')
    ),
    "a table that is no JSON": lambda d: seal(d, b"\xff\n"),
    "a table that nests": lambda d: seal(d, b"[" * 100_000),
    "metadata of one byte more": lambda d: (d / METADATA_FILE).write_bytes(
        (d / METADATA_FILE).read_bytes() + b" "
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_older_dataset_is_one_line_and_nothing_is_written(damage, two_commits, tmp_path):
    root, older, _ = two_commits
    place, output = tmp_path / "older", tmp_path / "output"
    shutil.copytree(older, place)
    DAMAGES[damage](place)
    done = run(root, "--output", output, "--splits-of", place)
    line, ending = done.stderr.splitlines()
    assert (done.returncode, ending) == (2, "FAILED") and line.startswith("error: ") and str(place) in line
    assert not output.exists() and [path.name for path in tmp_path.iterdir() if path != place] == []


def of_format(version: int, dataset: Path, place: Path) -> Path:
    """A copy as the version before the table wrote it, or as a version that is to come may."""
    shutil.copytree(dataset, place)
    (place / SPLITS_FILE).unlink()
    metadata = read_metadata(place / METADATA_FILE)
    del metadata["files"][SPLITS_FILE]
    write_metadata(place / METADATA_FILE, metadata | {"format_version": version})
    return place


@pytest.mark.parametrize(
    ("version", "words"), [(2, "built by an older version"), (99, "built by a newer version")]
)
def test_a_dataset_of_another_version_is_called_so_by_the_checker_and_by_splits_of(
    version, words, two_commits, tmp_path
):
    root, older, _ = two_commits
    place = of_format(version, older, tmp_path / "old")
    checker = Path(__file__).with_name("test_dataset_effectiveness.py")
    checked = subprocess.run([sys.executable, checker, place], capture_output=True, text=True, timeout=60)
    kept = run(root, "--output", tmp_path / "output", "--splits-of", place)
    for done in (checked, kept):
        assert done.returncode == 2 and words in done.stderr.splitlines()[0], done.stderr
    assert not (tmp_path / "output").exists()


def test_a_dataset_of_an_older_version_can_be_trained_on(two_commits, tmp_path, tiny):
    from training.model_trainer_unified import main

    place = of_format(2, two_commits[1], tmp_path / "old")
    assert main(command(place / DATASET_FILES["train"], tmp_path / "model", *ONE_STEP)) == 0


def test_paths_in_a_table_are_names_to_look_up_and_nothing_is_opened_by_them(two_commits, tmp_path):
    root, older, _ = two_commits
    place, secret = tmp_path / "older", tmp_path / "secret.py"
    secret.write_text("password = 'hunter22hunter22'\n")
    shutil.copytree(older, place)
    lines = (place / SPLITS_FILE).read_bytes().splitlines(keepends=True)
    entry = json.loads(lines[0])
    for path in ("../secret.py", str(secret), "/etc/passwd", "\x00", ""):
        lines.append(json.dumps(entry | {"path": path}).encode() + b"\n")
    seal(place, b"".join(lines))
    newer = build_dataset(root, tmp_path / "newer", *PLAIN, "--splits-of", str(place))
    assert "hunter22" not in "".join(path.read_text("utf-8") for path in newer.rglob("*") if path.is_file())
    assert not any("secret" in name or "passwd" in name for s in SPLITS for name in files_of(newer, s))


def test_a_model_of_the_older_dataset_is_scored_on_the_newer_without_a_warning(
    two_commits, tmp_path, tiny, capsys
):
    from training.model_trainer_unified import main

    root, older, newer = two_commits
    trained, plain = tmp_path / "m", tmp_path / "plain"
    assert main(command(older / DATASET_FILES["train"], trained, *ONE_STEP)) == 0

    def said(dataset: Path, output: str) -> str:
        flags = ("--checkpoint", str(trained), *ONE_STEP)
        assert main(command(dataset / DATASET_FILES["train"], tmp_path / output, *flags)) == 0
        return capsys.readouterr().out

    build_dataset(root, plain, *PLAIN, "--tokenizer", str(older / "tokenizer"), "--seed", "5")
    assert "was trained on another dataset" not in said(newer, "of-newer")
    told = said(plain, "of-plain")
    assert "was trained on another dataset" in told and "--splits-of" in told


def test_nothing_is_kept_where_no_older_dataset_is_named():
    kept = keep_splits(None, ["a.py"], [duplicates.signature(b"a b c")])
    assert (
        isinstance(kept, KeptSplits)
        and kept.split.tolist() == [NOTHING]
        and kept.described(kept.split) is None
    )
