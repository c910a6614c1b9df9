"""`effectiveness complete MODEL TEXT`: the trainer's --complete, with a model and a text instead of flags."""

import argparse

from corpus.endings import OneLineParser

EXAMPLES = """examples:
  effectiveness complete models/mine "fn calculate("
  effectiveness complete models/mine "fn calculate(" --suffix "}"

exit codes: 0 done, 1 failed, 2 usage or missing input"""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    from training import model_trainer_unified

    flags = _parser().parse_args(arguments)
    asked = [
        f"--checkpoint={flags.model}",
        f"--complete={flags.text}",
        *(f"--set={s}" for s in flags.overrides),
    ]
    more = {name: getattr(flags, name) for name in ("suffix", "config", "device", "seed")}
    asked += [f"--{name}={value}" for name, value in more.items() if value is not None]
    return model_trainer_unified.main(asked)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="effectiveness complete",
        description="Print what a trained model writes after TEXT, or between TEXT and --suffix.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the --output of a training, e.g. models/mine")
    add("text", metavar="TEXT", help='what stands before, e.g. "fn calculate("')
    add("--suffix", metavar="TEXT", help='what comes after the gap, e.g. --suffix "}"')
    add("--config", metavar="YAML", help="settings; without it the defaults")
    add("--device", choices=("auto", "cuda", "mps", "cpu"), help="e.g. --device cpu")
    add("--seed", metavar="N", help="of every random choice, e.g. --seed 7")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="override one setting, e.g. --set inference.temperature=0 (repeatable)")  # fmt: skip
    return parser
