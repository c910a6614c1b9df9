"""The dataset command as its user meets it: flags, outcomes, errors of one line."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import COMMAND, build_dataset
from small_repository import make_repository
from tokenizers import Tokenizer, models, pre_tokenizers

from effectiveness.common.endings import raise_again

FLAGS = {
    *("--output", "--tokenizer", "--max-tokens", "--recipe", "--overlap", "--augmentations", "--seed"),
    *(
        "--workers",
        "--core",
        "--test",
        "--include",
        "--exclude",
        "--submodules",
        "--languages",
        "--keep-secrets",
        "--report-secrets",
        "--device",
        "--until",
        "--splits-of",
        "--quiet",
        "--help",
        "-h",
    ),
}


def run(*arguments: object, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, str(COMMAND), *map(str, arguments)]
    settings = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 120} | settings
    return subprocess.run(command, **settings)


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "EFFECTIVENESS_REPO"}
    return kept | changes


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("command") / "repository"
    make_repository(root)
    return root


def test_the_flags_are_frozen():
    from create_training_dataset_effectiveness import arguments

    parser = arguments()
    found = {flag for action in parser._actions for flag in action.option_strings}
    assert found == FLAGS
    for action in parser._actions:
        assert action.help
        if action.option_strings and "--help" not in action.option_strings:
            assert "e.g." in action.help, action.option_strings


def test_the_beginning_of_a_flag_is_not_the_flag(capsys):
    from create_training_dataset_effectiveness import arguments

    with pytest.raises(SystemExit) as ended:
        arguments().parse_args([".", "--keep"])  # is no wish to keep secrets
    assert ended.value.code == 2 and "--keep" in capsys.readouterr().err


def test_help_tells_every_flag_and_the_exit_codes():
    text = run("--help").stdout
    assert all(flag in text for flag in FLAGS)
    assert "130/143" in text


def test_the_window_constant_stands_near_line_70():
    lines = COMMAND.read_text("utf-8").splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.startswith("MAX_TOKENS")]
    assert 60 <= number <= 80


def test_reported_secrets_name_file_line_and_rule_never_the_value(repository, tmp_path):
    token = "ghp_" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=36))
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    (copy / "settings.py").write_text(f"# one\nvalue = '{token}'\n", "utf-8")
    (copy / f"{token}.py").write_text("x = 1\n", "utf-8")
    flags = (
        "--output",
        tmp_path / "dataset",
        "--tokenizer",
        "local",
        "--max-tokens",
        "64",
        "--augmentations",
        "none",
    )
    done = run(copy, *flags, "--report-secrets", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "secret: settings.py:2: GitHub token" in done.stdout
    written = b"".join(path.read_bytes() for path in (tmp_path / "dataset").rglob("*") if path.is_file())
    assert token not in done.stdout + done.stderr and token.encode() not in written
    assert b"secret in its name" in written


WRONG_USES = {
    "unknown flag": (("--frobnicate",), 2, "unrecognized arguments: --frobnicate; see --help"),
    "mistyped flag": (("--outptu", "x"), 2, "--outptu; did you mean --output?; see --help"),
    "no such repository": (("/no/such/place",), 2, "git clone"),
    "a file for a repository": ((str(COMMAND),), 2, "is a file, and a repository is a directory"),
    "unknown kind": ((".", "--augmentations", "renaming"), 2, "unknown kind 'renaming'"),
    "overlap of one": ((".", "--overlap", "1.0"), 2, "--overlap must be in [0, 0.95]"),
    "window of nothing": ((".", "--max-tokens", "0"), 2, "--max-tokens must be in [8,"),
    "window of words": ((".", "--max-tokens", "many"), 2, "invalid int value"),
    "no workers": ((".", "--workers", "0"), 2, "--workers must be in [1, 256]"),
    "an army of workers": ((".", "--workers", "100000"), 2, "--workers must be in [1, 256]"),
    "seed of a hundred bits": ((".", "--seed", str(1 << 100)), 2, "--seed must fit in 64 bits"),
    "output of nothing": ((".", "--output", ""), 2, "--output is empty"),
    "output of 256 bytes": ((".", "--output", "n" * 256), 2, "a name of 256 bytes"),
    "output of nobody": ((".", "--output", "~nouser/x"), 2, "--output ~nouser/x: there is no such user"),
    "repository of nobody": (("~nouser/x",), 2, "the repository ~nouser/x: there is no such user"),
    "tokenizer of nobody": ((".", "--tokenizer", "~nouser/x"), 2, "--tokenizer ~nouser/x: there is no such"),
    "core that is not UTF-8": ((".", "--core", "caf\udce9/**"), 2, "--core caf\\xe9/** is not UTF-8"),
    "output that is a file": ((".", "--output", str(COMMAND)), 2, "is not a directory"),
    "output that is the repository": ((".", "--output", "."), 2, "holds files but no dataset_metadata.json"),
    "secrets kept and reported": ((".", "--keep-secrets", "--report-secrets"), 2, "drop one of them"),
    "unknown device": ((".", "--device", "tpu"), 2, "invalid choice: 'tpu'"),
    "unknown tokenizer": ((".", "--tokenizer", "no/such"), 2, "--tokenizer no/such: no such path"),
}


@pytest.mark.parametrize("use", WRONG_USES)
def test_a_wrong_use_is_one_clear_line(use, tmp_path, repository):
    arguments, code, message = WRONG_USES[use]
    arguments = tuple(str(repository) if part == "." else part for part in arguments)
    done = run("--output", tmp_path / "dataset", *arguments, env=environment(HF_HUB_OFFLINE="1"))
    assert done.returncode == code
    [line, last] = done.stderr.splitlines()
    assert message in line and last == "FAILED"
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tokenizer_that_loses_text_is_one_clear_line(workers, tmp_path):
    """Only its use shows it, in a worker process that began to build the encoder while the files were grouped."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "def": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "repository").mkdir()
    for name, num_lines in (("one", 200_000), ("two", 200_000), ("three", 1)):  # work for two processes
        lines = "".join(f"{name}_{number} = {number}\n" for number in range(num_lines))
        (tmp_path / "repository" / f"{name}.py").write_text(lines[:1_500_000], "utf-8")
    flags = ("--tokenizer", tmp_path / "tokenizer.json", "--workers", workers)
    done = run(tmp_path / "repository", "--output", tmp_path / "dataset", *flags)
    assert done.returncode == 2
    [line, last] = done.stderr.splitlines()
    assert "does not reproduce source text" in line and "--tokenizer local" in line and last == "FAILED"
    assert not (tmp_path / "dataset").exists()


class _StoppedWhileItEnds:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_python_drops_in_a_finalizer_stops_the_build_all_the_same(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", raise_again)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        try:
            _StoppedWhileItEnds()
            time.sleep(10)
        finally:
            signal.signal(signal.SIGALRM, before)


def test_names_that_are_not_utf8_are_spelled_wherever_they_stand(repository, tmp_path):
    """The repository's, the output's; and every file of the dataset stays UTF-8."""
    root, output = tmp_path / "caf\udce9", tmp_path / "out\udcff\n"
    root.symlink_to(repository)
    (tmp_path / "real\udce9").mkdir()
    (tmp_path / "real\udce9" / "one.py").write_text("".join(f"value_{i} = {i} * {i}\n" for i in range(200)))
    for source in (root, tmp_path / "real\udce9"):
        done = run(source, "--output", output, "--tokenizer", "local", "--max-tokens", "64", encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, "")
        assert "out\\xff\\x0a" in done.stdout
    assert json.loads((output / "dataset_metadata.json").read_text("utf-8"))["source_repo"] == "real\\xe9"
    for page in ("README.md", "report.html", "training_data_train.jsonl"):
        (output / page).read_text("utf-8")


def test_a_working_directory_that_is_gone_is_told_in_one_line(repository, tmp_path):
    (tmp_path / "gone").mkdir()
    command = ["bash", "-c", 'cd gone && rmdir ../gone && exec "$@"', "-", sys.executable, str(COMMAND)]
    done = subprocess.run(
        [*command, str(repository), "--output", str(tmp_path / "dataset")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    [line, last] = done.stderr.splitlines()
    assert line.startswith("error: the working directory is gone") and last == "FAILED"


def test_no_repository_at_all_names_the_clone_command(tmp_path):
    done = run("--output", tmp_path / "dataset", cwd=tmp_path, env=environment(HOME=str(tmp_path)))
    assert done.returncode == 2
    assert done.stderr.startswith("FileNotFoundError: ")
    assert "git clone" in done.stderr.splitlines()[0]
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_a_repository_and_an_empty_pattern_are_refused_with_the_way_out(repository):
    file = next(path for path in repository.rglob("*") if path.is_file())
    done = run(file)
    assert done.returncode == 2 and f"name the one it lies in: {file.parent}" in done.stderr
    for flag in ("--core", "--test", "--include", "--exclude"):
        done = run(repository, flag, "")
        assert done.returncode == 2 and f"{flag} '' matches nothing; give a pattern" in done.stderr


def test_a_pattern_that_matches_no_path_is_told_and_one_that_does_is_not(tmp_path):
    for name in ("src/a.py", "docs/b.md", "data/c.csv"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text("words = 1\n" * 9, "utf-8")
    unmet = ("--include ./data/", "--exclude '!lib/a.py'", "--core '['", f"--test {tmp_path / 'tree/src'}")
    met = ("--include '*.csv'", "--exclude docs/", "--core src", "--test '**/a.py'")
    flags = shlex.split(" ".join((*unmet, *met)))
    done = run(tmp_path / "tree", *flags, "--output", tmp_path / "o", "--tokenizer", "local", "--quiet")
    assert done.returncode == 0, done.stderr
    note = next(line for line in done.stdout.splitlines() if "match nothing here" in line)
    assert sorted(note.removeprefix("note: ").partition(": match")[0].split(", ")) == sorted(unmet)
    assert "'/data/a.csv'" in note


def test_who_lets_the_shell_put_names_for_a_pattern_is_told_of_quotes(repository):
    file = next(path for path in repository.rglob("*") if path.is_file())
    for given in ((repository, "--include", "a.csv", "b.csv"), ("--include", "a.csv", file)):
        assert "a pattern stands in quotes" in run(*given).stderr
    for given in ((repository, "other"), (file,), (repository, "--frobnicate")):
        assert "quotes" not in run(*given).stderr


def test_who_keeps_the_splits_is_told_how_to_train_on_and_where_the_held_out_files_are(repository, tmp_path):
    flags = ("--tokenizer", "local", "--max-tokens", "64", "--output")
    first = run(repository, *flags, tmp_path / "one")
    second = run(repository, *flags, tmp_path / "two", "--splits-of", tmp_path / "one")
    assert "--checkpoint MODEL" in second.stdout and "--checkpoint" not in first.stdout
    assert re.search(
        r"as in the older dataset: \d+ files known by name, .*; all \d+ that it held out still are",
        second.stdout,
    )


def test_what_is_told_to_be_typed_next_can_be_typed_there(repository, tmp_path):
    (tmp_path / "a place").mkdir()
    tree = tmp_path / "a tree"
    shutil.copytree(repository, tree)
    flags = ("--output", "my data", "--tokenizer", "local", "--max-tokens", "64")
    done = run(tree, *flags, cwd=tmp_path / "a place")
    assert done.returncode == 0, done.stderr
    told = done.stdout.partition("✓")[2].splitlines()
    lines = dict(line.strip().split(": ", 1) for line in told if ": " in line)
    for name, more in (
        ("Check", ""),
        ("Train", " --dry-run"),
        ("In an editor, without training", " --lines 0"),
    ):
        typed = subprocess.run(
            lines[name] + more, shell=True, cwd=tmp_path / "a place", capture_output=True, text=True
        )
        if name.startswith("In"):  # all of it was read but for the one flag
            assert "--lines must be from 1 to 50" in typed.stderr
        else:
            assert typed.returncode == 0, typed.stderr
    assert shlex.split(lines["In an editor, without training"])[-4:] == [
        *("--dataset", "my data", "--repository", str(tree))
    ]


def test_the_environment_names_the_repository(repository, tmp_path):
    env = environment(EFFECTIVENESS_REPO=str(repository), HOME=str(tmp_path))
    done = run("--output", "dataset", "--tokenizer", "local", "--max-tokens", "128", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dataset" / "dataset_metadata.json").is_file()


def test_eight_steps_are_told_in_order_and_the_last_line_says_complete(repository, tmp_path):
    done = run(repository, "--output", tmp_path / "dataset", "--tokenizer", "local", "--max-tokens", "128")
    steps = [line.split("]")[0] for line in done.stdout.splitlines() if line.startswith("[STEP")]
    assert steps == [f"[STEP {number}/8" for number in range(1, 9)]
    assert done.stdout.splitlines()[-1].startswith("COMPLETE")
    assert "\r" not in done.stdout


def test_what_pip_installed_names_no_script_of_the_checkout(repository, tmp_path):
    shutil.copytree(COMMAND.parent / "effectiveness", tmp_path / "site/effectiveness")
    installed = shutil.copy(COMMAND, tmp_path / "site")
    flags = ("--tokenizer", "local", "--max-tokens", "64", "--output", tmp_path / "dataset")
    done = subprocess.run(
        [sys.executable, installed, repository, *flags], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"  Train: effectiveness train --sequences {tmp_path / 'dataset'}" in done.stdout
    assert "effectiveness serve --dataset" in done.stdout and "python3" not in done.stdout


def test_what_there_is_one_of_is_told_in_the_singular(tmp_path):
    for number in range(3):
        text = "".join(f"def f{number}_{line}(x):\n    return x + {line * number}\n" for line in range(9))
        (tmp_path / f"a{number}.py").write_text(text)
    done = run(
        tmp_path, "--output", tmp_path.with_name("one"), "--tokenizer", "local", "--max-tokens", "1024"
    )
    checker = Path(__file__).with_name("test_dataset_effectiveness.py")
    checked = subprocess.run(
        [sys.executable, checker, tmp_path.with_name("one")], capture_output=True, text=True
    )
    assert done.returncode == checked.returncode == 0
    said = done.stdout + checked.stdout
    assert "1 row" in said and not re.findall(r"(?<![\d.,/:-])1 [a-z]+s\b(?! is)", said)


def test_a_c_locale_degrades_the_marks(repository, tmp_path):
    env = environment(LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    flags = ("--tokenizer", "local", "--max-tokens", "128")
    done = run(repository, "--output", tmp_path / "dataset", *flags, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_the_build_and_leaves_the_old_dataset(number, code, repository, tmp_path):
    output = build_dataset(repository, tmp_path / "dataset", "--augmentations", "none")
    before = (output / "dataset_metadata.json").read_bytes()
    command = [sys.executable, str(COMMAND), str(repository), "--output", str(output), "--tokenizer", "local"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".dataset.staging-*")) and running.poll() is None:
        time.sleep(0.002)
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == code
    assert (output / "dataset_metadata.json").read_bytes() == before
    assert not list(tmp_path.glob(".dataset.staging-*"))
