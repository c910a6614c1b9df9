"""The training command: config -> device -> model -> batches -> loop -> evaluate. See --help."""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
from pathlib import Path

from effectiveness.common.hardware import DEVICES
from effectiveness.common.invocation import nearest, typed
from effectiveness.common.ownership import output_directory
from effectiveness.common.records import UserError
from effectiveness.trainer.command_line import (
    Parser,
    Standing,
    check_paths,
    check_texts,
    ending_of,
    read_prompt,
)

PATHS = ("config", "sequences", "output", "checkpoint")

EXAMPLES = """examples:
  {train} \\
     --sequences training_data_effectiveness/training_data_train.jsonl --epochs 3 --output models/mine
  ... --dry-run                                   print the plan and train nothing
  ... --resume                                    go on where an interrupted run stopped
  ... --overwrite                                 delete the run that --output holds, start anew
  ... --checkpoint models/mine --output models/second   go on from finished weights
  ... --checkpoint models/mine --eval_only        evaluate, change nothing
  ... --set optimization.batch_size=8 --set data.curriculum=none
  ... --complete "fn calculate(" --checkpoint models/mine
  torchrun --nproc_per_node 2 {script} ...

exit codes: 0 done, 1 failed, 2 usage, config or missing input, 129/130/143 stopped by a signal (saved)"""


def make_parser() -> argparse.ArgumentParser:
    """All flags; frozen by a test."""
    parser = Parser(
        description="Train a causal language model on a dataset of token windows, and evaluate it on held-out files.",
        epilog=EXAMPLES.format(train=typed("train"), script=nearest(Path(__file__).resolve())),
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings; without it the defaults")
    parser.add_argument(
        "--sequences",
        type=Path,
        metavar="JSONL",
        default=Path("training_data_effectiveness/training_data_train.jsonl"),
        help="training rows, with val and test rows beside them, e.g. --sequences DATASET/training_data_train.jsonl",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the rows, e.g. --epochs 300")
    parser.add_argument(
        "--output",
        type=output_directory,
        metavar="DIR",
        help="where the model goes, e.g. --output models/mine",
    )
    parser.add_argument("--device", choices=DEVICES, help="e.g. --device cuda")
    parser.add_argument(
        "--eval_only",
        "--eval-only",
        action="store_true",
        help="evaluate --checkpoint (or --output), change nothing",
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="start from the weights in DIR, which stays as it was"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --output")
    parser.add_argument(
        "--overwrite", action="store_true", help="delete the run that --output holds, and start anew there"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of every random choice, e.g. --seed 7")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="override one setting, e.g. --set optimization.batch_size=8 (repeatable)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and train nothing")
    parser.add_argument(
        "--complete",
        metavar="TEXT",
        help='print a completion, e.g. --complete "fn calculate(" (-: of what standard input holds)',
    )
    parser.add_argument(
        "--prompt",
        metavar="FILE",
        help="as --complete, of a file's text, e.g. --prompt draft.py (-: standard input)",
    )
    parser.add_argument(
        "--suffix", metavar="TEXT", help="with --complete or --prompt: what comes after the gap"
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="same bits every time, also on a GPU; slower"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def command(standing: Standing) -> int:
        arguments = make_parser().parse_args(argv)
        _check_flags(arguments)
        return _run(arguments, standing)

    return ending_of(command)


def _check_flags(arguments: argparse.Namespace) -> None:
    check_texts(arguments)
    check_paths(arguments, PATHS)
    arguments.complete = read_prompt(arguments.complete, arguments.prompt)
    if arguments.suffix is not None and arguments.complete is None:
        raise UserError("--suffix needs the text before the gap: --complete TEXT or --prompt FILE")
    if arguments.resume and arguments.checkpoint is not None:
        raise UserError(
            "--resume goes on in --output, --checkpoint starts a new run from other weights; keep one"
        )
    if arguments.resume and arguments.overwrite:
        raise UserError("--resume goes on with the run in --output, --overwrite deletes it; keep one")
    if arguments.complete is not None and arguments.checkpoint is None and arguments.output is None:
        flag = "--complete" if arguments.prompt is None else "--prompt"
        raise UserError(f"{flag} needs a trained model: --checkpoint DIR")


def _run(arguments: argparse.Namespace, standing: Standing) -> int:
    from effectiveness.trainer.config_file import load_config
    from effectiveness.trainer.model_files import refuse_unless_finished
    from effectiveness.trainer.rows import open_dataset, recipe_of_dataset

    built_for = recipe_of_dataset(arguments.sequences)
    config = load_config(arguments.config, arguments.overrides, _settings(arguments), built_for)
    if arguments.complete is not None:
        refuse_unless_finished(arguments.checkpoint or Path(config.output.directory))
    else:
        open_dataset(arguments.sequences)
    # After flags, settings and paths: what was mistyped is told without torch.
    from effectiveness.trainer import training, without_training

    if arguments.complete is not None:
        return without_training.complete(config, arguments)
    if arguments.dry_run:
        return without_training.show_plan(config, arguments)
    if arguments.eval_only:
        return without_training.evaluate_only(config, arguments)
    return training.train(config, arguments, standing)


def _settings(arguments: argparse.Namespace) -> dict[str, tuple[str, object]]:
    """Flags that name a setting: flag -> (setting, value or None)."""
    return {
        "--epochs": ("training.num_epochs", arguments.epochs),
        "--seed": ("training.seed", arguments.seed),
        "--device": ("device_backend.device", arguments.device),
        "--output": ("output.directory", arguments.output),
        "--deterministic": ("device_backend.deterministic", "true" if arguments.deterministic else None),
    }


if __name__ == "__main__":
    sys.exit(main())
