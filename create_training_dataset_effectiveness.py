#!/usr/bin/env python3
"""Turn a git repository into a leak-free, weighted, curriculum-ordered dataset of token windows.

python3 create_training_dataset_effectiveness.py path/to/repository
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
    from effectiveness.isolation import isolate

    isolate()

import signal

# Ctrl-C while modules are read: there is nothing to undo and nothing to tell.
if __name__ in ("__main__", "__mp_main__") and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# numpy starts a thread a core for linear algebra, of which there is none here, and they spin before they sleep.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from effectiveness.common.console import Console
from effectiveness.common.endings import (
    QUOTES,
    OneLineParser,
    Publication,
    claim_standard_streams,
    ending_of,
    fail,
)
from effectiveness.common.hardware import DEVICES
from effectiveness.common.paths import display, path_of, require_utf8, require_working_directory
from effectiveness.common.recipes import MEASURED, RECIPES
from effectiveness.common.records import AUGMENTATION_KINDS, SPLITS, BuildOptions, UserError
from effectiveness.common.workers import available_cores
from effectiveness.isolation import distrust

DEFAULT_OUTPUT = "training_data_effectiveness"
DEFAULT_REPOSITORY = "~/projects/the-block"
REPOSITORY_VARIABLE = "EFFECTIVENESS_REPO"
SOME_UNREADABLE = 3  # exit code: done, but some files could not be read
MAX_WORKERS = 256  # each takes some 50 MB


def parse_kinds(text: str) -> tuple[str, ...]:
    """ "all", "none" or a comma-separated list of kinds, in the table's order."""
    if text in ("all", "none"):
        return AUGMENTATION_KINDS if text == "all" else ()
    asked = {kind.strip() for kind in text.split(",")}
    if unknown := sorted(asked - set(AUGMENTATION_KINDS)):
        raise UserError(
            f"--augmentations: unknown kind {unknown[0]!r}; "
            f"expected all, none, or some of {', '.join(AUGMENTATION_KINDS)}"
        )
    return tuple(kind for kind in AUGMENTATION_KINDS if kind in asked)


# The window in tokens, whatever the hardware, e.g. 2048; None lets the hardware decide.
# The flag --max-tokens goes before both.
MAX_TOKENS: int | None = None


def find_repository(asked: str | None, if_a_file: str = "") -> Path:
    """REPO, else the environment's, else the default place, else the git repository one stands in."""
    from effectiveness.corpus.scan.gitplace import is_bare, is_git_directory, work_tree_of

    asked = asked or os.environ.get(REPOSITORY_VARIABLE)
    if asked:
        root = path_of("the repository", asked)
        if root.is_file():
            raise UserError(
                f"{display(root)} is a file, and a repository is a directory; name the one it lies in: "
                f"{display(root.parent)}{if_a_file}"
            )
        if not root.is_dir():
            raise FileNotFoundError(
                f"{display(root)} is no directory; name a repository, or: git clone https://example.com/you/repository "
                f"{display(root)}"
            )
        if is_git_directory(root) and not (root / ".git").exists() and (top := work_tree_of(root)):
            raise UserError(
                f"{display(root)} is the git directory of a work tree; name the work tree itself: {display(top)}"
            )
        return root
    default = Path(DEFAULT_REPOSITORY).expanduser()
    around = (here for here in (Path.cwd(), *Path.cwd().parents) if (here / ".git").exists() or is_bare(here))
    found = default if default.is_dir() else next(around, None)
    if found is None:
        raise FileNotFoundError(
            f"no repository: none named, {REPOSITORY_VARIABLE} is not set, {DEFAULT_REPOSITORY} is not there and this "
            f"is no git repository; name one, or: git clone https://example.com/you/the-block {DEFAULT_REPOSITORY}"
        )
    return found


EXAMPLES = """examples:
  %(prog)s ~/projects/the-block
  %(prog)s . --output /data/mine --max-tokens 2048
  %(prog)s . --recipe founding
  %(prog)s . --recipe founding --augmentations variable_renaming,token_masking --seed 7
  %(prog)s . --until 2024-12-31
  %(prog)s . --tokenizer microsoft/codebert-base --core 'engine/**' --test 'checks/**'

exit codes: 0 done, 1 failed and nothing changed, 2 usage or missing input,
            3 done but some files could not be read (they are listed), 130/143 stopped by a signal (129: hung up);
            then, too, the last lines say whether the dataset was replaced
"""


def arguments() -> argparse.ArgumentParser:
    """The command line. A test freezes the set of flags."""
    parser = OneLineParser(
        description="From a git repository to a leak-free dataset of token windows.",
        epilog=EXAMPLES,
    )
    parser.add_argument("repo", nargs="?", metavar="REPO", help=f"the repository; else ${REPOSITORY_VARIABLE}, "
                        f"{DEFAULT_REPOSITORY}, or the git repository around the current directory")  # fmt: skip
    _add_what_is_read(parser.add_argument_group("what is read").add_argument)
    _add_what_is_made(parser.add_argument_group("what is made of it").add_argument)
    _add_how(parser.add_argument_group("how").add_argument)
    return parser


# fmt: off
def _add_what_is_read(add: Callable[..., object]) -> None:
    globs: dict[str, Any] = {"action": "append", "default": [], "metavar": "GLOB"}
    add("--core", **globs, help="files that count as core, e.g. 'engine/**'")
    add("--test", **globs, help="files that count as tests, e.g. 'checks/**'")
    add("--include", **globs, help="text that is read whatever rule leaves it out, e.g. '*.csv' or 'vendor/mine/'")
    add("--exclude", **globs, help="files that are not read, e.g. 'docs/' or '*.min.*'")
    add("--submodules", action="store_true",
        help="read the submodules that are checked out as parts of the tree, e.g. after a clone --recurse-submodules")
    add("--until", metavar="DATE",
        help="as the history stood then, UTC; what came later is a held-out set of its own, e.g. 2024-12-31")
    add("--keep-secrets", action="store_true",
        help="do not redact keys, tokens and passwords, e.g. for a public repo")
    add("--report-secrets", action="store_true",
        help="list file, line and rule of what was redacted, never the value, e.g. before a repo goes public")
    add("--languages", action="store_true",
        help="list the languages and what each gets, and end, e.g. piped to grep")


def _add_what_is_made(add: Callable[..., object]) -> None:
    add("--recipe", choices=tuple(RECIPES), default=MEASURED,
        help="what is built, and what the trainer reads of it, e.g. --recipe founding: overlap, variants, weights, "
        "curriculum")
    add("--tokenizer", default="auto", metavar="auto|local|NAME|PATH",
        help="auto: microsoft/codebert-base if at hand, else local: trained here; e.g. --tokenizer local")
    add("--max-tokens", type=int, metavar="N", help="tokens in a window instead of what the GPU suggests, e.g. 2048")
    add("--device", default="auto", choices=DEVICES, help="whose memory decides the window, e.g. --device cpu")
    add("--overlap", type=float, metavar="SHARE",
        help="of a window repeated by the next, instead of the recipe's, e.g. 0.75")
    add("--augmentations", metavar="all|none|KIND,KIND",
        help=f"instead of the recipe's, of {', '.join(AUGMENTATION_KINDS)}; e.g. --augmentations token_masking")
    add("--splits-of", metavar="DIR",
        help="an older dataset: what it held out stays so, what it trained on is never held out, e.g. --splits-of data")
    add("--seed", type=int, default=42, metavar="N", help="of every random choice, e.g. --seed 7")


def _add_how(add: Callable[..., object]) -> None:
    add("--output", default=DEFAULT_OUTPUT, metavar="DIR", help="where the dataset goes, e.g. --output /data/mine")
    add("--workers", type=int, metavar="N", help="processes, default: the cores, e.g. --workers 4")
    add("--quiet", action="store_true", help="print the result only, e.g. in a script")
# fmt: on


def options_from(flags: argparse.Namespace) -> BuildOptions:
    """Check every flag. Raises UserError (what, where, expected, way out) or FileNotFoundError (no repository)."""
    max_tokens = MAX_TOKENS if flags.max_tokens is None else flags.max_tokens
    if max_tokens is not None and not 8 <= max_tokens <= 1 << 20:
        raise UserError(
            f"--max-tokens must be in [8, {1 << 20}], got {max_tokens}; windows of 512 to 4096 are usual"
        )
    recipe = RECIPES[flags.recipe]
    overlap = recipe.overlap if flags.overlap is None else flags.overlap
    if not 0.0 <= overlap <= 0.95:
        raise UserError(
            f"--overlap must be in [0, 0.95], got {overlap}; 0.75 repeats three quarters of a window"
        )
    if flags.workers is not None and not 1 <= flags.workers <= MAX_WORKERS:
        raise UserError(f"--workers must be in [1, {MAX_WORKERS}], got {flags.workers}; the cores are enough")
    if not -(1 << 63) <= flags.seed < 1 << 63:
        raise UserError(f"--seed must fit in 64 bits, got {flags.seed}; any small number will do")
    require_working_directory()
    for flag in ("core", "test", "include", "exclude"):
        globs = getattr(flags, flag)
        require_utf8(f"--{flag}", globs)
        if not all(map(str.strip, globs)):
            raise UserError(
                f"--{flag} '' matches nothing; give a pattern as in a .gitignore, e.g. --{flag} 'docs/'"
            )
    if flags.report_secrets and flags.keep_secrets:
        raise UserError(
            "--report-secrets lists what is redacted and --keep-secrets redacts nothing; drop one of them"
        )
    if flags.submodules and flags.until is not None:
        raise UserError(
            "--submodules reads what is checked out and --until what was committed; drop one of them"
        )
    until = ""
    if flags.until is not None:
        from effectiveness.corpus.history import parse_until

        until = parse_until(flags.until)
    has_pattern = any((flags.core, flags.test, flags.include, flags.exclude))
    return BuildOptions(
        root=find_repository(flags.repo, f"; {QUOTES}" if has_pattern else ""),
        output=path_of("--output", flags.output),
        tokenizer=flags.tokenizer,
        max_tokens=max_tokens,
        recipe=flags.recipe,
        overlap=overlap,
        kinds=recipe.kinds if flags.augmentations is None else parse_kinds(flags.augmentations),
        seed=flags.seed,
        workers=flags.workers or available_cores(),
        core_globs=tuple(flags.core),
        test_globs=tuple(flags.test),
        include=tuple(flags.include),
        exclude=tuple(flags.exclude),
        submodules=flags.submodules,
        keep_secrets=flags.keep_secrets,
        report_secrets=flags.report_secrets,
        device=flags.device,
        until=until,
        splits_of=None if flags.splits_of is None else path_of("--splits-of", flags.splits_of),
    )


def main(argv: list[str] | None = None) -> int:
    claim_standard_streams()
    flags = arguments().parse_args(argv)
    return ending_of(partial(run, flags))


def run(flags: argparse.Namespace, publication: Publication) -> int:
    if flags.languages:
        return list_languages()
    try:
        options = options_from(flags)
        distrust(options.root, options.output)
    except FileNotFoundError as error:
        return fail(f"FileNotFoundError: {error}", 2)
    build(options, Console(flags.quiet), publication)
    return publication.exit_code


def list_languages() -> int:
    """What is known of each language, one a line."""
    from effectiveness.corpus.known_languages import lines

    print("\n".join(lines()), flush=True)
    return 0


def build(options: BuildOptions, console: Console, publication: Publication) -> dict:
    """Build and publish the dataset, in eight steps; returns its metadata.

    Raises UserError, then nothing has changed; CannotPrint, and `publication` says whether the dataset was replaced.
    """
    # After the flags: a typo is told in a tenth of a second.
    from effectiveness.common.hardware import plan_context
    from effectiveness.common.publish import SCRATCH, publishing
    from effectiveness.common.workers import WorkerPool
    from effectiveness.corpus.build import in_order, install, make_rows, scan, train_on
    from effectiveness.corpus.build_log import BuildLog
    from effectiveness.corpus.file_splits import read_splits
    from effectiveness.corpus.rows.writing import BuiltDataset, drop_duplicates
    from effectiveness.corpus.save import save
    from effectiveness.corpus.scan.gitplace import is_bare
    from effectiveness.corpus.tokenization.source import choose_tokenizer

    log = BuildLog(console)
    log.recipe(options)
    choice = choose_tokenizer(options.tokenizer)
    with (
        publishing(options.output, say=log.note, publication=publication) as staging,
        WorkerPool(options.workers) as pool,
    ):
        scratch = staging / SCRATCH
        scratch.mkdir()
        older = read_splits(options.splits_of) if options.splits_of else None
        # Told in 2, but the splits are made of windows, too.
        plan = plan_context(options.device, options.max_tokens, options.overlap)
        past = None
        if options.until or is_bare(options.root):
            from effectiveness.corpus.history import read_past

            past = log.past(read_past(options.root, options.until, scratch), options.until)
        given = install(choice, staging / "tokenizer") if choice.files else None
        # 1  Every directory entry is a file that was read or a counted reason; alike files are one group in one split.
        corpus, history = scan(options, plan, past, given, older, staging, pool)
        log.replaced(options, log.scan(options, corpus))
        # 2  The memory of the device decides the window.
        log.plan(plan)
        # 3  A tokenizer, of the training files alone where none was given.
        tokenizer = given or train_on(corpus, choice, staging / "tokenizer")
        # 3, 4  Windows of every file, and of its variants that are proven to mean the same.
        made = make_rows(options, plan, corpus, tokenizer, scratch, pool)
        made = log.rows(plan, tokenizer, options, made)
        # 5  Of equal rows one is left, train's before a held-out one; the role of its file is its weight.
        table = log.weights(corpus, drop_duplicates(made, corpus.split))
        # 6  Simple first, by syntax.
        order = log.curriculum(table, {name: in_order(table, split) for split, name in enumerate(SPLITS)})
        # 7  Told only: the splits were decided in 1, and what stands in two of them is looked for in 8.
        log.split(corpus, table, order)
        # 8  Written, reported, and shown in one step at the end of this block.
        dataset = BuiltDataset(
            options=options,
            plan=plan,
            corpus=corpus,
            tokenizer=tokenizer,
            made=made,
            table=table,
            order=order,
        )
        metadata = save(dataset, staging, pool, history)
        publication.exit_code = SOME_UNREADABLE if metadata["unreadable"] else 0
    log.saved(options, metadata)
    return metadata


if __name__ == "__main__":
    sys.exit(main())
