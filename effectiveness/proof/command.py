"""What a training bought: the proof card of a model on its dataset's held-out files. See --help."""

import argparse
from pathlib import Path

from effectiveness.common.hardware import DEVICES
from effectiveness.common.ownership import output_directory
from effectiveness.common.records import UserError
from effectiveness.isolation import distrust
from effectiveness.trainer.command_line import Parser, Standing, ending_of
from effectiveness.trainer.model_files import refuse_unless_finished
from effectiveness.trainer.rows import open_dataset

EXAMPLES = """examples:
  effectiveness proof --dataset training_data_effectiveness --model models/mine
  ... --control-repository ~/other/project        unrelated code of your choice for the control
  ... --control models/mine/control/model         a control that was trained before
  ... --model models/seed-1 --model models/seed-2 several seeds of one model: the interval covers them, too
  ... --max-windows 1000 --prompts 400            a larger sample of the held-out files

exit codes: 0 done, 1 many test files stand in train (the card says which) or it failed, 2 usage or missing input"""


def make_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = Parser(
        description="Compare a trained model with a control, an n-gram and its own start on held-out files.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("--dataset", type=Path, required=True, metavar="DIR", help="the dataset the model was trained on")
    add("--model", type=Path, required=True, action="append", metavar="DIR",
        help="the --output of its training; repeatable for several seeds")  # fmt: skip
    add("--control", type=Path, metavar="DIR", help="a control model that stands; else one is trained, once")
    add("--control-repository", type=Path, metavar="PATH",
        help="unrelated code for it; else the standard library or the environment")  # fmt: skip
    add("--output", type=output_directory, metavar="DIR", help="where the card goes, default: MODEL/proof")
    add("--max-windows", type=int, default=200, metavar="N", help="held-out windows scored; 0: all of them")
    add("--prompts", type=int, default=64, metavar="N", help="questions of each kind; 0: none")
    add("--seed", type=int, default=42, metavar="N", help="of the choice of questions and unrelated files")
    add("--device", default="auto", choices=DEVICES, help="e.g. --device cpu")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def command(standing: Standing) -> int:
        arguments = make_parser().parse_args(argv)
        _check_flags(arguments)
        if arguments.control_repository is not None:
            distrust(arguments.control_repository)
        open_dataset(arguments.dataset)
        for model in arguments.model:
            refuse_unless_finished(model, "--model ")
        from effectiveness.proof.prove import prove  # what was mistyped is told without torch

        return prove(arguments, standing)

    return ending_of(command, Standing(lambda: "the card of before, if there was one, is unchanged"))


def _check_flags(arguments: argparse.Namespace) -> None:
    if arguments.control is not None and arguments.control_repository is not None:
        raise UserError(
            "--control names a model that stands, --control-repository code to train one on; keep one"
        )
    for name in ("max_windows", "prompts"):
        if getattr(arguments, name) < 0:
            raise UserError(f"--{name.replace('_', '-')} must be at least 0, got {getattr(arguments, name)}")
