"""`effectiveness gguf`: a finished model as one GGUF file, and a Modelfile beside it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.boundary import read_head
from effectiveness.common.durable import BAD_PLACE, WRITE_FAILED, one_line_for
from effectiveness.common.endings import OneLineParser, Publication, ending_of, identity, print_line
from effectiveness.common.invocation import interpreter, typed
from effectiveness.common.paths import display, path_of, require_utf8, require_working_directory
from effectiveness.common.records import UserError

if TYPE_CHECKING:
    from effectiveness.gguf.writing import Source

TYPES = ("f32", "f16", "q8_0")
PIN = "gguf==0.19.0"
MAGIC = b"GGUF"
EXAMPLES = """examples:
  effectiveness gguf models/mine                      models/mine-f16.gguf and models/mine-f16.Modelfile
  effectiveness gguf models/mine --type q8_0 --output mine.gguf
  effectiveness gguf models/mine/adapter              the LoRA adapter alone, for llama-server --lora
  llama-server -m models/mine-f16.gguf -c 1024 -b 512 --port 8012        then llama.vim finds it
  ollama create mine -f models/mine-f16.Modelfile

exit codes: 0 done, 1 failed, nothing changed, 2 usage or missing input"""


def make_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = OneLineParser(
        prog="effectiveness gguf",
        description="Write a finished model, or its adapter, as one file for llama.cpp, Ollama and LM Studio.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add(
        "model",
        type=Path,
        metavar="MODEL",
        help="the --output of a training, or the adapter in it, e.g. models/mine/adapter",
    )
    add("--type", choices=TYPES, default="f16", help="of the weights; q8_0 is half of f16, default: f16")
    add("--output", type=Path, metavar="FILE", help="default: MODEL-TYPE.gguf, beside the model's directory")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    written = _Written()
    return ending_of(lambda _: _run(make_parser().parse_args(argv), written), written)


class _Written(Publication):
    """Which of the two files took the place of what was there: asked of the disk, as a signal may come at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[Path, tuple[int, int] | None] = {}

    def expect_files(self, *files: Path) -> None:
        """From now on a file counts as written when another one is called so than now."""
        self._before = {file: identity(file) for file in files}

    @property
    def is_done(self) -> bool:
        return bool(self._before) and len(self._new()) == len(self._before)

    def in_words(self) -> str:
        new = self._new()
        if not new:
            return "nothing was changed"
        return f"{' and '.join(map(display, new))} {'are' if len(new) > 1 else 'is'} new and complete"

    def _new(self) -> list[Path]:
        return [file for file, before in self._before.items() if identity(file) != before]


def _run(arguments: argparse.Namespace, written: _Written) -> int:
    require_working_directory()
    for what in ("model", "output"):
        if (given := getattr(arguments, what)) is not None:
            setattr(arguments, what, path_of(f"--{what}" if what == "output" else "MODEL", str(given)))
    if arguments.output is not None:
        _check_file_name(arguments.output)
    gguf = _package()
    from effectiveness.gguf.adapter import is_adapter

    write = _write_adapter if is_adapter(arguments.model) else _write_model
    write(arguments, written, gguf)
    print_line("COMPLETE")
    return 0


def _write_model(arguments: argparse.Namespace, written: _Written, gguf) -> None:
    source = _open(arguments.model)
    output = arguments.output or _beside(arguments.model, arguments.type)
    recipe = _recipe_beside(output, written)

    from effectiveness.common.durable import write_atomically
    from effectiveness.gguf.writing import modelfile, write_gguf

    with one_line_for(output, BAD_PLACE | WRITE_FAILED):
        num_bytes = write_gguf(source, output, arguments.type, gguf)
        write_atomically(recipe, modelfile(source, output.name).encode())
    gaps = "fills gaps" if source.can_fill else "never learnt to fill gaps, and does not offer it"
    print_line(f"gguf    {display(output)}: {num_bytes:,} bytes, {arguments.type}, {gaps}")
    print_line(f"ollama  {display(recipe)}")


def _write_adapter(arguments: argparse.Namespace, written: _Written, gguf) -> None:
    from effectiveness.common.durable import write_atomically
    from effectiveness.gguf.adapter import open_adapter, write_adapter
    from effectiveness.gguf.writing import modelfile

    if arguments.type == "q8_0":
        raise UserError("--type q8_0 is for models; an adapter's rows are too short for it: take f16 or f32")
    adapter = open_adapter(arguments.model)
    output = arguments.output or _beside(arguments.model, arguments.type)
    recipe, base = _recipe_beside(output, written), f"{adapter.base_name}-{arguments.type}.gguf"
    with one_line_for(output, BAD_PLACE | WRITE_FAILED):
        num_bytes = write_adapter(adapter, output, arguments.type, gguf)
        write_atomically(recipe, modelfile(adapter.base, base, output.name).encode())
    print_line(
        f"gguf    {display(output)}: {num_bytes:,} bytes, {arguments.type}, an adapter for {adapter.base_name}"
    )
    print_line(
        f"ollama  {display(recipe)}, which wants {base} beside it: {typed('gguf')} with the base's directory"
    )


def _check_file_name(output: Path) -> None:
    """Raises UserError for a name that no file can have, or that its Modelfile could not tell."""
    if output.name in ("", "..") or output.is_dir():
        raise UserError(f"--output {display(output)} is no name of a file; give one, e.g. mine.gguf")
    require_utf8("--output", [output.name], "give another name")


def _recipe_beside(output: Path, written: _Written) -> Path:
    """The Modelfile's place; both must be free, or ours."""
    recipe = output.with_name(f"{output.name.removesuffix('.gguf')}.Modelfile")
    _refuse_foreign(output, recipe)
    written.expect_files(output, recipe)
    return recipe


def _package():
    try:
        import gguf
    except ImportError as error:
        raise UserError(
            f'writing GGUF needs the package gguf ({error}); {interpreter()} -m pip install "{PIN}"'
        ) from None
    return gguf


def _open(directory: Path) -> Source:
    from effectiveness.gguf.writing import open_source
    from effectiveness.trainer.model_files import refuse_unless_finished

    refuse_unless_finished(directory)
    return open_source(directory)


def _beside(model: Path, kind: str) -> Path:
    directory = model.resolve()
    name = directory.name
    if name == "adapter":  # not into the model's directory, where a training would meet it as somebody else's
        directory, name = directory.parent, f"{directory.parent.name}-adapter"
    return directory.with_name(f"{name}-{kind}.gguf")


def _refuse_foreign(output: Path, recipe: Path) -> None:
    """What is replaced is a GGUF file and a Modelfile of ours."""
    from effectiveness.gguf.writing import WRITTEN_BY

    for path, beginning in ((output, MAGIC), (recipe, WRITTEN_BY.encode())):
        if not os.path.lexists(path):
            continue
        is_ours = path.is_file() and not path.is_symlink() and read_head(path, len(beginning)) == beginning
        if not is_ours:
            raise UserError(
                f"{display(path)} is there and not of this command; move it away or give another --output"
            )
