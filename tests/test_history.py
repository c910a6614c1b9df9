"""--until: which state is chosen, how it is read, what counts as new, and what the dataset says of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND
from dated_repository import commit, git

from effectiveness.common.durable import files_and_directories
from effectiveness.common.records import UserError
from effectiveness.corpus.history import Past, parse_until, read_past, trees
from effectiveness.corpus.history.changes import new_byte_ranges, new_lines, ranges_of
from effectiveness.corpus.history.fresh import covered
from tests.scanning import paths, scan_tree, write

JANUARY, MARCH, JUNE = "2024-01-15T12:00:00Z", "2024-03-01T00:00:00Z", "2024-06-15T12:00:00Z"


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository"


@pytest.fixture
def past_of(tmp_path):
    """read_past with a scratch directory of its own each time."""
    numbers = iter(range(100))

    def read(root: Path, until: str = MARCH) -> Past:
        scratch = tmp_path / f"scratch-{next(numbers)}"
        scratch.mkdir()
        return read_past(root, until, scratch)

    return read


def files_of(past: Past, of: str = "then") -> dict[str, bytes]:
    written = getattr(past, of)
    found, _ = files_and_directories(written.root)
    return {str(path.relative_to(written.root)): path.read_bytes() for path in found}


# --- dates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29", "2024-02-29T23:59:59Z"),
        ("2024-02-29T10:00:00", "2024-02-29T10:00:00Z"),
        ("2024-02-29 10:00:00+05:30", "2024-02-29T04:30:00Z"),
        ("2024-02-29T10:00:00.999Z", "2024-02-29T10:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
    ],
)
def test_a_date_means_all_of_its_day_and_a_time_without_a_zone_is_utc(text, moment):
    assert parse_until(text) == moment
    assert parse_until(moment) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2024-02-30", "1706745600", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_date_is_refused_with_an_example(text):
    with pytest.raises(UserError, match=r"e\.g\. 2024-12-31"):
        parse_until(text)


# --- which commit ----------------------------------------------------------------------------------------


def test_the_first_commit_from_head_that_is_old_enough_is_chosen_whatever_the_dates_below_it(root, past_of):
    """Dates along the first parents, oldest first: 1, 5, 2, 9, 3, 7 (March is between 3 and 4)."""
    names = []
    for number, month in enumerate((1, 5, 2, 9, 3, 7)):
        write(root, a_DOT_py=f"x = {number}\n")
        names.append(commit(root, f"2024-{month:02}-01T00:00:00Z"))
    git(root, "checkout", "-q", "-b", "side", names[2])
    write(root, side_DOT_py="y = 1\n")
    commit(root, "2024-02-20T00:00:00Z")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "-m", "merged", "side", date="2024-08-01T00:00:00Z")
    for until in ("2024-01-01", "2024-02-20", "2024-03-15", "2024-06-30", "2024-07-01", "2024-08-01"):
        asked = ("rev-list", "-1", "--first-parent", f"--before={parse_until(until)}", "HEAD")
        assert past_of(root, parse_until(until)).commit.name == git(root, *asked), until
    past = past_of(root, parse_until("2024-03-15"))
    assert (past.commit.name, past.num_later_commits) == (names[4], 2)
    assert files_of(past) == {"a.py": b"x = 4\n"}
    assert files_of(past, "head") == {"a.py": b"x = 5\n", "side.py": b"y = 1\n"}


def test_the_last_second_counts(root, past_of):
    write(root, a_DOT_py="x = 1\n")
    commit(root, "2024-03-01T00:00:00Z")
    write(root, a_DOT_py="x = 2\n")
    commit(root, "2024-03-01T00:00:01Z")
    assert files_of(past_of(root, "2024-03-01T00:00:00Z")) == {"a.py": b"x = 1\n"}
    assert files_of(past_of(root, "2024-03-01T00:00:01Z")) == {"a.py": b"x = 2\n"}


@pytest.fixture
def two_states(root) -> Path:
    write(root, src__a_DOT_py="x = 1\n", README_DOT_md="# one\n")
    commit(root, JANUARY)
    write(root, src__a_DOT_py="x = 2\n", src__b_DOT_py="y = 1\n")
    commit(root, JUNE)
    return root


def test_head_is_found_loose_packed_detached_in_a_work_tree_and_in_a_submodule(two_states, past_of):
    root, head = two_states, git(two_states, "rev-parse", "HEAD")
    old = git(root, "rev-parse", "HEAD~1")
    git(root, "pack-refs", "--all")
    assert past_of(root).commit.name == old
    git(root, "worktree", "add", "-q", "--detach", str(root.parent / "linked"), head)
    outer = root.parent / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "add", "-q", str(root), "inner")
    git(root, "checkout", "-q", "--detach")
    git(root, "gc", "-q")
    for place in (root, root.parent / "linked", outer / "inner"):
        past = past_of(place)
        assert (past.commit.name, past.head_commit) == (old, head)
        assert files_of(past) == {"README.md": b"# one\n", "src/a.py": b"x = 1\n"}


def test_a_directory_of_a_repository_has_the_history_of_that_directory(two_states, past_of):
    assert files_of(past_of(two_states / "src")) == {"a.py": b"x = 1\n"}
    write(two_states, late__c_DOT_py="z = 1\n")
    commit(two_states, JUNE)
    with pytest.raises(UserError, match="holds no directory 'late'"):
        past_of(two_states / "late")


def test_a_repository_of_sha256_is_read(root, past_of):
    git(root, "init", "-q", "--object-format=sha256")
    write(root, a_DOT_py="x = 1\n")
    commit(root, JANUARY)
    write(root, a_DOT_py="x = 2\n")
    commit(root, JUNE)
    past = past_of(root)
    assert len(past.commit.name) == 64
    assert files_of(past) == {"a.py": b"x = 1\n"}


def test_changes_that_are_not_committed_count_neither_then_nor_later(two_states, past_of):
    write(two_states, src__a_DOT_py="x = 3\n", new_DOT_py="z = 1\n")
    git(two_states, "add", "new.py")
    assert files_of(past_of(two_states), "head")["src/a.py"] == b"x = 2\n"
    assert "new.py" not in files_of(past_of(two_states), "head")


def test_nothing_later_is_no_error(two_states, past_of):
    for until in (JUNE, "2999-01-01T00:00:00Z"):
        past = past_of(two_states, until)
        assert (past.head, past.num_later_commits) == (None, 0)


# --- one clear line --------------------------------------------------------------------------------------


def shallow(root: Path) -> Path:
    git(root.parent, "clone", "-q", "--depth", "1", f"file://{root}", "shallow")
    return root.parent / "shallow"


def partial(root: Path) -> Path:
    git(root, "config", "uploadpack.allowFilter", "true")
    git(root.parent, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{root}", "partial")
    return root.parent / "partial"


def without_parent(root: Path) -> Path:
    name = git(root, "rev-parse", "HEAD~1")
    (root / ".git/objects" / name[:2] / name[2:]).unlink()
    return root


def without_a_tree(root: Path) -> Path:
    name = git(root, "rev-parse", "HEAD~1:src")
    (root / ".git/objects" / name[:2] / name[2:]).unlink()
    return root


def without_the_root(root: Path) -> Path:
    name = git(root, "rev-parse", "HEAD~1:")
    (root / ".git/objects" / name[:2] / name[2:]).unlink()
    return root


def damaged(root: Path) -> Path:
    name = git(root, "rev-parse", "HEAD~1")
    path = root / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(b"nonsense")
    return root


def unborn(root: Path) -> Path:
    (root.parent / "unborn").mkdir()
    git(root.parent / "unborn", "init", "-q")
    return root.parent / "unborn"


def no_repository(root: Path) -> Path:
    shutil.rmtree(root / ".git")
    return root


def of_reftable(root: Path) -> Path:
    (root / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")
    (root / ".git/reftable").mkdir()
    return root


REFUSED = {
    shallow: "fetch --unshallow",
    partial: "fetch --refetch --no-filter",
    without_parent: "fetch --refetch",
    without_a_tree: "missing, such as src: a partial clone",
    without_the_root: "missing, such as the listing of its root directory: a partial clone",
    damaged: "is missing or damaged",
    unborn: "no commit on HEAD",
    no_repository: "is no git repository",
    of_reftable: "refs migrate --ref-format=files",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_history_that_cannot_be_read_is_one_line_with_the_way_out(make, two_states, past_of):
    place = make(two_states)
    with pytest.raises(UserError) as refused:
        past_of(place)
    assert REFUSED[make] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_way_out_of_a_shallow_and_of_a_partial_clone_leads_out(two_states, past_of):
    for place, way_out in (
        (shallow(two_states), ["fetch", "--unshallow"]),
        (partial(two_states), ["fetch", "--refetch", "--no-filter"]),
    ):
        git(place, *way_out)
        assert files_of(past_of(place)) == {"README.md": b"# one\n", "src/a.py": b"x = 1\n"}


def test_a_shallow_clone_that_reaches_far_enough_is_enough(two_states, past_of):
    place = shallow(two_states)
    assert past_of(place, JUNE).head is None


def test_a_date_before_the_first_commit_names_that_commit(two_states, past_of):
    with pytest.raises(UserError, match=r"begins after it, with commit .* of 2024-01-15T12:00:00Z"):
        past_of(two_states, "2023-12-31T23:59:59Z")


def test_an_object_that_is_a_fifo_does_not_hang(two_states, past_of):
    name = git(two_states, "rev-parse", "HEAD~1")
    path = two_states / ".git/objects" / name[:2] / name[2:]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is a FIFO or a device"):
        past_of(two_states)


def test_the_command_refuses_with_exit_2_and_leaves_nothing(two_states, tmp_path):
    for until, message in (("2020-01-01", "begins after it"), ("soon", "is no date")):
        command = [sys.executable, str(COMMAND), str(two_states), "--until", until]
        done = subprocess.run(
            [*command, "--output", str(tmp_path / "d")], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 2)
        assert message in done.stderr
        assert not (tmp_path / "d").exists()


# --- a clean room ----------------------------------------------------------------------------------------


def test_replacements_grafts_and_commit_graphs_of_the_repository_do_not_change_its_history(
    two_states, past_of
):
    head, old = (git(two_states, "rev-parse", name) for name in ("HEAD", "HEAD~1"))
    write(two_states, evil_DOT_py="x = 666\n")
    evil = commit(two_states, "2024-01-20T00:00:00Z")
    git(two_states, "reset", "-q", "--hard", head)
    git(two_states, "replace", old, evil)
    (two_states / ".git/info").mkdir(exist_ok=True)
    (two_states / ".git/info/grafts").write_text(f"{head} {evil}\n")
    past = past_of(two_states)
    assert past.commit.name == old
    assert files_of(past) == {"README.md": b"# one\n", "src/a.py": b"x = 1\n"}


def test_an_object_store_whose_path_is_hostile_is_found(two_states, tmp_path, past_of):
    place = tmp_path / 'a "b\n#c:d\\'
    shutil.move(two_states, place)
    assert files_of(past_of(place)) == {"README.md": b"# one\n", "src/a.py": b"x = 1\n"}


def test_no_variable_of_the_environment_reaches_git(two_states, past_of, monkeypatch):
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG", "GIT_EXEC_PATH", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, "/nowhere")
    assert files_of(past_of(two_states))["src/a.py"] == b"x = 1\n"


# --- trees -----------------------------------------------------------------------------------------------


def test_a_state_is_scanned_as_its_checked_out_tree_would_be(root, tmp_path, past_of):
    """All entries end as a file or as the same counted reason, whether git checked them out or we wrote them."""
    write(
        root, _DOT_gitignore="*.log.py\nbuild/\n", kept_DOT_log_DOT_py="x = 1\n", build__out_DOT_py="x = 2\n"
    )
    write(root, _DOT_gitattributes="gen/** linguist-generated\nlib/** linguist-vendored\n")
    write(root, gen__a_DOT_py="x = 3\n", lib__b_DOT_py="x = 4\n", src__c_DOT_py="x = 5\n")
    write(
        root,
        vendor__v_DOT_py="x\n",
        Cargo_DOT_lock="x\n",
        image_DOT_png=b"\x89PNG\0",
        mini_DOT_js="x" * 200_000,
    )
    write(root, **{"café_DOT_py": "x = 6\n", "tab\tname_DOT_py": "x = 7\n"})
    (root / os.fsdecode(b"\xff.py")).write_bytes(b"x = 8\n")
    (root / "huge.py").write_bytes(b"x = 9\n" * 3_000_000)
    (root / "run.sh").write_bytes(b"echo\n")
    (root / "run.sh").chmod(0o755)
    (root / "link.py").symlink_to("src/c.py")
    (root / "vendor/link.py").symlink_to("v.py")
    git(root, "init", "-q")
    git(root, "add", "-A", "-f")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(root, "commit", "-q", "-m", "first", date=JANUARY)
    (root / "sub").mkdir()
    git(root, "add", "-A")
    write(root, later_DOT_py="y = 1\n")
    past = None
    checked_out, _, _ = scan_tree(root, tmp_path / "spool")
    (root / "later.py").unlink()
    git(root, "commit", "-q", "--allow-empty", "-m", "second", date=JUNE)
    past = past_of(root)
    found, _, _ = scan_tree(past.then.root, tmp_path / "spool-2", tree=past.then.tree)
    assert found.skipped == {k: v for k, v in checked_out.skipped.items() if k != "git metadata"}
    assert paths(found) == [path for path in paths(checked_out) if path != "later.py"]
    assert "kept.log.py" in paths(found) and "build/out.py" in paths(found)
    assert found.num_entries == len(found.files) + sum(found.skipped.values())
    assert found.commit == past.commit.name


def raw_commit(root: Path, tree: bytes, date: str, *parents: str) -> str:
    """A commit of a tree no git would write, checked out by nobody."""
    name = git(root, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=tree)
    made = git(
        root, "commit-tree", name, *(part for p in parents for part in ("-p", p)), "-m", "raw", date=date
    )
    (root / ".git/HEAD").write_text(made + "\n")
    return made


def test_names_no_tree_may_hold_are_counted_and_stay_where_they_are(root, tmp_path, past_of):
    git(root, "init", "-q")
    blob = bytes.fromhex(git(root, "hash-object", "-w", "--stdin", stdin=b"x = 1\n"))
    inner = bytes.fromhex(
        git(root, "mktree", "-z", stdin=b"100644 blob " + blob.hex().encode() + b"\tHEAD\0")
    )
    names = [b"..", b".", b".git", b".GIT", b"../out.py", b"/etc/out.py", b"a/b.py", b"", b"y" * 300]
    tree = b"".join(b"100644 " + name + b"\0" + blob for name in [*names, b"ok.py", b"ok.py"])
    tree += (
        b"40000 ..\0" + inner + b"40000 .git\0" + inner + b"40000 ok.py\0" + inner + b"100000 odd.py\0" + blob
    )
    tree += b"140000 weird.py\0" + blob
    first = raw_commit(root, tree, JANUARY)
    raw_commit(root, b"100644 later.py\0" + blob, JUNE, first)
    past = past_of(root)
    found, _, _ = scan_tree(past.then.root, tmp_path / "spool", tree=past.then.tree)
    assert paths(found) == ["odd.py", "ok.py/HEAD"]
    assert found.skipped == {
        "a name no tree may hold": 8,
        "a name this file system cannot hold": 2,  # the long one; ok.py, where a directory has that name
        "symbolic link": 1,
    }
    assert sorted(os.listdir(past.then.root)) == ["odd.py", "ok.py", "weird.py"]


def test_a_tree_that_holds_itself_many_times_ends_at_a_bound(root, past_of, monkeypatch):
    monkeypatch.setattr(trees, "MAX_ENTRIES", 500)
    git(root, "init", "-q")
    below = bytes.fromhex(git(root, "hash-object", "-w", "--stdin", stdin=b"x = 1\n"))
    kind = b"100644"
    for _ in range(8):
        content = b"".join(kind + b" %d\0" % number + below for number in range(10))
        below = bytes.fromhex(git(root, "hash-object", "-t", "tree", "-w", "--stdin", stdin=content))
        kind = b"40000"
    made = git(root, "commit-tree", below.hex(), "-m", "bomb", date=JANUARY)
    (root / ".git/HEAD").write_text(made + "\n")
    with pytest.raises(UserError, match="over 500 entries"):
        past_of(root)


def test_a_very_deep_tree_is_left_out_below_a_bound(root, tmp_path, past_of):
    git(root, "init", "-q")
    entry = (
        b"100644 blob " + git(root, "hash-object", "-w", "--stdin", stdin=b"x = 1\n").encode() + b"\ta.py\0"
    )
    for _ in range(trees.MAX_DEPTH + 3):
        name = git(root, "mktree", "-z", stdin=entry)
        entry = b"040000 tree " + name.encode() + b"\td\0"
    made = git(root, "commit-tree", name, "-m", "deep", date=JANUARY)
    (root / ".git/HEAD").write_text(made + "\n")
    past = past_of(root)
    found, _, _ = scan_tree(past.then.root, tmp_path / "spool", tree=past.then.tree)
    assert (paths(found), found.skipped) == ([], {"too deep (over 256 directories)": 1})
    past.then.discard()
    assert not past.then.root.exists()


# --- lines -----------------------------------------------------------------------------------------------

LINES = {  # old, new, the lines of new that are new
    "added at the end": ("a b", "a b c", "c"),
    "added in the middle": ("a b", "a x b", "x"),
    "all new": ("", "a b", "a b"),
    "removed": ("a b c", "a c", ""),
    "changed": ("a b c", "a x c", "x"),
    "moved down": ("a b c d e", "b c d e a", "a"),
    "repeated": ("a b", "a b a b", "a b"),
    "between braces": ("f { } g { }", "f { } h { } g { }", "h { }"),
}


@pytest.mark.parametrize("case", LINES)
def test_lines_that_are_new(case):
    old, new, expected = (text.split() for text in LINES[case])
    found = new_lines([line.encode() for line in old], [line.encode() for line in new])
    assert [line for line, is_new in zip(new, found, strict=True) if is_new] == expected


def test_indentation_line_ends_and_trailing_blanks_make_no_line_new():
    old = b"def f():\n    x = 1\n    return x\n"
    new = b"if y:\r\n    def f():  \r\n\tx  =  1\r\n\treturn x"
    assert [new[a:b] for a, b in new_byte_ranges(old, new)] == [b"if y:\r\n"]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_without_the_new_lines_stands_in_the_old_text_in_order(seed):
    rng = np.random.default_rng(seed)
    alphabet = [b"%d" % n for n in range(rng.integers(2, 60))]
    old = [alphabet[i] for i in rng.integers(0, len(alphabet), rng.integers(0, 120))]
    kept = [line for line in old if rng.random() < 0.8]
    new = [part for line in kept for part in ([b"new"] if rng.random() < 0.2 else []) + [line]]
    is_new = new_lines(old, new)
    rest = iter(old)
    assert all(line in rest for line, added in zip(new, is_new, strict=True) if not added)
    assert all(added for line, added in zip(new, is_new, strict=True) if line == b"new")


def test_comparing_long_texts_of_equal_lines_takes_no_time():
    """A quadratic comparison of 200,000 lines with as many would take hours."""
    old, new = [b"}", b""] * 100_000, [b"", b"x"] * 100_000
    assert sum(new_lines(old, new)) == 100_000
    nested = [b"%d" % (n // 2) for n in range(200_000)]
    assert not any(new_lines(nested, list(nested)))
    assert not any(new_lines(nested[::-1], nested))  # no anchors: old is what the other side has anywhere


# --- tokens ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_ranges_are_joined_and_taken_away_like_sets(seed):
    rng = np.random.default_rng(seed)

    def drawn() -> np.ndarray:
        starts = np.sort(rng.integers(0, 60, rng.integers(0, 8)))
        return np.stack((starts, starts + rng.integers(0, 9, len(starts))), 1)

    def places(ranges: np.ndarray) -> set[int]:
        return {at for first, last in ranges.tolist() for at in range(first, last)}

    one, other = drawn(), drawn()
    a = ranges_of(covered(one, 70))
    assert places(a) == places(one)
    difference = ranges_of(covered(one, 70) & ~covered(other, 70))
    assert places(difference) == places(one) - places(other)
    for ranges in (a, difference):
        edges = ranges.reshape(-1)
        assert (np.diff(edges) > 0).all()
