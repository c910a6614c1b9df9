"""`effectiveness complete MODEL TEXT`: what a model writes, alone or joined to the memory of a repository."""

import argparse
import sys
from pathlib import Path

from effectiveness.common.endings import OneLineParser, ending_of, print_text, tell_on_stderr
from effectiveness.common.hardware import DEVICES
from effectiveness.common.records import UserError
from effectiveness.isolation import distrust

EXAMPLES = """examples:
  effectiveness complete models/mine "fn calculate("
  effectiveness complete models/mine "fn calculate(" --suffix "}"
  effectiveness complete models/mine "fn calculate(" --repository .

exit codes: 0 done, 1 failed, 2 usage or missing input"""


MAX_LINES = 8


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    flags = parser.parse_args(arguments)
    if (flags.text is None) == (flags.prompt is None):
        parser.error("give the text to go on from: TEXT, - for standard input, or --prompt FILE; one of them")
    if flags.repository is None or flags.no_memory:
        return _model_alone(flags)
    return ending_of(lambda publication: _with_memory(flags))


def _model_alone(flags: argparse.Namespace) -> int:
    """The trainer's --complete, with a model and a text instead of flags."""
    from effectiveness.cli import main_of

    asked = [
        f"--checkpoint={flags.model}",
        f"--complete={flags.text}" if flags.prompt is None else f"--prompt={flags.prompt}",
        *(f"--set={s}" for s in flags.overrides),
    ]
    more = {name: getattr(flags, name) for name in ("suffix", "config", "device", "seed")}
    asked += [f"--{name}={value}" for name, value in more.items() if value is not None]
    exit_code = main_of("train")(asked)
    if exit_code == 0:
        tell_on_stderr("answered by the model alone")
    return exit_code


def _with_memory(flags: argparse.Namespace) -> int:
    """The likeliest lines of memory and model together."""
    distrust(flags.repository)
    from effectiveness.completion.at_cursor import Cursor
    from effectiveness.completion.network import open_model
    from effectiveness.serve.knowledge import open_knowledge
    from effectiveness.serve.repository import LiveRepository
    from effectiveness.trainer.command_line import read_prompt

    if flags.overrides or flags.config or flags.seed or flags.device:
        raise UserError(
            "--set, --config, --seed and --device are for the model alone; leave them out, or add --no-memory"
        )
    found = open_model(Path(flags.model))
    if flags.suffix is not None and not found[1].fim:
        raise UserError(
            f"--suffix: {flags.model} never learnt to fill in the middle; train it with --set objectives.fim_rate=0.5, "
            "or leave --suffix out"
        )
    coder, network = found
    knowledge = open_knowledge(
        LiveRepository.open(Path(flags.repository)), None, lambda: network, quiet_below=0.0, coder=coder
    )
    text = read_prompt(flags.text, flags.prompt) or ""  # one of them was given
    answer = knowledge.answer(Cursor(prefix=text, suffix=flags.suffix, max_lines=MAX_LINES, max_tokens=128))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    print_text(text + answer.text + (flags.suffix or ""))
    tell_on_stderr(f"answered by {knowledge.what}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="effectiveness complete",
        description="Print what a model, alone or with a repository, writes after TEXT, or between TEXT and --suffix.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the --output of a training, e.g. models/mine")
    add(
        "text", metavar="TEXT", nargs="?", help='what stands before, e.g. "fn calculate(" (-: standard input)'
    )
    add("--prompt", metavar="FILE", help="instead of TEXT a file that holds it, e.g. --prompt draft.py")
    add("--suffix", metavar="TEXT", help='what comes after the gap, e.g. --suffix "}"')
    add(
        "--repository",
        metavar="PATH",
        help="join its memory: what its files, as they are now, say next, e.g. .",
    )
    add("--no-memory", action="store_true", help="the model alone, also with --repository")
    add("--config", metavar="YAML", help="settings; without it the defaults")
    add("--device", choices=DEVICES, help="e.g. --device cpu")
    add("--seed", metavar="N", help="of every random choice, e.g. --seed 7")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="override one setting, e.g. --set inference.temperature=0 (repeatable)")  # fmt: skip
    return parser
