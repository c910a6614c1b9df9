"""`effectiveness COMMAND ...`: every command of this product behind one name."""

import os
import sys
from collections.abc import Callable

from effectiveness.isolation import IS_CHECKOUT, isolate

# Where the trainer's command lies: a checkout has it in training/, which is no name for anybody's environment.
TRAINING = "training" if IS_CHECKOUT else "effectiveness.training"

# Name -> where its `main(arguments)` is, and what it is for. Imported when it is asked for: --help needs no torch.
COMMANDS = {
    "dataset": ("create_training_dataset_effectiveness:main", "a repository -> a dataset of token windows"),
    "train": (f"{TRAINING}.model_trainer_unified:main", "a dataset -> a model"),
    "complete": ("effectiveness.complete:main", "what a model writes after a text, or between two"),
    "serve": ("effectiveness.serve.command:main", "completions for an editor, of a repository or a model"),
    "gguf": ("effectiveness.gguf.command:main", "a model -> one file for llama.cpp, Ollama, LM Studio"),
    "memory": (
        "effectiveness.completion.command:main",
        "what the repository itself says next, on held-out files",
    ),
    "proof": (
        "effectiveness.proof.command:main",
        "what a training bought, beside a control and a table of counts",
    ),
    "canaries": ("effectiveness.proof.canaries:main", "plant secrets, train, and count which come back"),
    "ablate": ("effectiveness.ablation.command:main", "which technique pays, at equal steps and tokens"),
    "augment": ("effectiveness.corpus.augment.command:main", "the proven variants of a file or a tree"),
}
# Their matrices are small: multiplied before a second thread has begun, which spins then and takes a core from others.
NUMPY_COMMANDS = ("complete", "serve", "memory")
HELP_FLAGS = ("-h", "--help")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    if arguments is None:
        isolate()
        arguments = sys.argv[1:]
    name, *rest = arguments or [""]
    if name in HELP_FLAGS:
        from effectiveness.common.endings import ending_of

        return ending_of(_print_help)
    if name not in COMMANDS:
        return _refuse(name)
    if name in NUMPY_COMMANDS:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.argv[:] = [f"effectiveness {name}", *rest]  # as it is named in usage lines
    return main_of(name)(rest)


def main_of(name: str) -> Callable[[list[str]], int]:
    """The `main(arguments)` of a command, imported now."""
    from importlib import import_module

    module, _, function = COMMANDS[name][0].partition(":")
    return getattr(import_module(module), function)


def _print_help(publication: object) -> int:
    from effectiveness.common.endings import print_text

    print_text(_help())
    return 0


def _help() -> str:
    from effectiveness.common.invocation import typed

    rows = [f"  {name:10s}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: effectiveness COMMAND ...",
            "",
            "commands:",
            *rows,
            "",
            f"{typed('COMMAND')} --help lists the flags of one.",
            "exit codes: 0 done, 1 failed, 2 usage or missing input, 3 done but some files could not be read,",
            "            130/143 stopped by a signal",
        ]
    )


def _refuse(name: str) -> int:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(COMMANDS)}"
    said = f"unknown command {name!r}" if name else "no command"
    print(f"error: {said}; {hint}; see --help\nFAILED", file=sys.stderr, flush=True)
    return 2
