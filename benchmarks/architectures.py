"""Every family of causal models through the whole command: a table of what is trained, packed, resumed and exported.

    python3 benchmarks/architectures.py --sequences DATASET/training_data_train.jsonl [FAMILY ...]

Models have two layers and random weights (benchmarks/architecture_shapes.py); windows of 128 tokens and less fit them.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.architecture_shapes import known_families, model_of
from effectiveness.common.jsonl import read_metadata
from effectiveness.common.records import METADATA_FILE
from effectiveness.trainer.attention import MASKED, NAME
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.models import load_pretrained, silence_transformers
from effectiveness.trainer.objective import Objective
from training.model_trainer_unified import main as train

COLUMNS = ("packed", "packed - alone, nats", "full", "fill in the middle", "resume", "export", "LoRA")
HOW = {NAME: "by bounds", MASKED: "by a mask", None: "no, said"}
FAST = ("optimization.batch_size=2", "training.logging_steps=1", "training.save_steps=2", "output.report=false",
        "output.tensorboard=false", "evaluation.completions=1", "evaluation.max_windows=4", "data.curriculum=none",
        "optimization.lr_scheduler=constant", "optimization.warmup_steps=1")  # fmt: skip
LONGEST_LINE = 90


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the runs of one family go, and what all of them are asked."""

    sequences: Path
    base: Path  # the model with random weights
    output: Path

    def run(self, name: str, steps: int, *settings: str, flags: tuple[str, ...] = ()) -> str:
        """ "" for a run that is complete, else what it said."""
        pairs = (f"model.pretrained_model={self.base}", f"training.max_steps={steps}", *FAST, *settings)
        arguments = [
            "--sequences",
            str(self.sequences),
            "--output",
            str(self.output / name),
            "--device",
            "cpu",
            *flags,
        ]
        told = io.StringIO()
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            try:
                exit_code = train([*arguments, *(word for pair in pairs for word in ("--set", pair))])
            except Exception as error:  # noqa: BLE001 - told in the table
                return f"TRACEBACK {type(error).__name__}: {error}"[:LONGEST_LINE].replace("\n", " ")
        if exit_code == 0:
            return ""
        line = next((line for line in told.getvalue().splitlines() if line.startswith("error")), "no word")
        return line.replace(str(self.base), "it").removeprefix("error: ")[:LONGEST_LINE]

    def weights(self, name: str, file: str = "model.safetensors") -> dict[str, torch.Tensor]:
        return load_file(self.output / name / file)


def isolation(base: Path, window: int, vocab_size: int) -> tuple[str, str]:
    """(how documents are packed, the largest difference of a token's nats)."""
    objective = Objective(load_pretrained(str(base), window=window, vocab_size=vocab_size)).eval()
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(3, vocab_size, (n,), generator=generator).numpy() for n in (17, 9, window - 30)]
    documents = [(row, text[:-1], text[1:], 1.0) for row, text in enumerate(texts)]
    together, *apart = (
        objective(collate([pack], window=window, pad=0), per_token=True)[0, : sum(len(d[1]) for d in pack)]
        for pack in (documents, *([document] for document in documents))
    )
    difference = float((together - torch.cat(apart)).abs().max())
    return HOW[objective.attention], f"{difference:.1g}" if objective.attention else "-"


def resumes(bench: Bench) -> str:
    """A run of three steps against one of two that went on: the same bits."""
    shutil.copytree(bench.output / "full", bench.output / "resumed")
    for gone in (bench.output / "resumed" / "checkpoints").glob("step-00000003"):
        shutil.rmtree(gone)
    if problem := bench.run("resumed", 3, "objectives.fim_rate=0", flags=("--resume",)):
        return problem
    last = "checkpoints/step-00000003/model.safetensors"
    one, two = bench.weights("full", last), bench.weights("resumed", last)
    return "bit for bit" if all(torch.equal(one[name], two[name]) for name in one) else "other bits"


@torch.no_grad()
def loads(output: Path, window: int, vocab_size: int) -> str:
    """Whether transformers, which knows nothing of us, reads the export as the same model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoTokenizer.from_pretrained(output)
    theirs, ours = (
        AutoModelForCausalLM.from_pretrained(output),
        load_pretrained(str(output), window=window, vocab_size=vocab_size),
    )
    ids = torch.arange(3, 15)[None]
    logits = [model.eval()(input_ids=ids, use_cache=False).logits for model in (theirs, ours)]
    return "same logits" if torch.allclose(*logits, atol=1e-4) else "other logits"


def row_of(family: str, sequences: Path, scratch: Path) -> dict[str, str]:
    """The cells of one family."""
    metadata = read_metadata(sequences.parent / METADATA_FILE)
    window, vocab_size = metadata["max_tokens_per_sequence"], metadata["vocab_size"]
    bench = Bench(sequences, scratch / "base", scratch)
    model_of(family, vocab_size=vocab_size, strength=1.0).save_pretrained(bench.base)
    for file in (sequences.parent / "tokenizer").iterdir():
        shutil.copyfile(file, bench.base / file.name)
    try:
        packed, difference = isolation(bench.base, window, vocab_size)
    except Exception as error:  # noqa: BLE001 - told in the table
        packed, difference = f"{type(error).__name__}: {error}"[:LONGEST_LINE], "-"
    full = bench.run("full", 3, "objectives.fim_rate=0")
    row = {"packed": packed, "packed - alone, nats": difference, "full": full or "trained"}
    row["fill in the middle"] = bench.run("fim", 2, "objectives.fim_rate=0.5") or "trained"
    row["resume"] = "-" if full else resumes(bench)
    row["export"] = "-" if full else loads(bench.output / "full", window, vocab_size)
    row["LoRA"] = (
        bench.run("lora", 2, "quantization.lora_enabled=true", "objectives.fim_rate=0.5") or "trained"
    )
    return row


def rows(families: list[str], sequences: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for family in families:
        with tempfile.TemporaryDirectory() as scratch:
            yield family, row_of(family, sequences, Path(scratch))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=Path, required=True, metavar="JSONL")
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    arguments = parser.parse_args()
    silence_transformers()
    print("| family | " + " | ".join(COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 1), sep="\n")
    for family, row in rows(arguments.families or known_families(), arguments.sequences):
        print(f"| {family} | " + " | ".join(row[column] for column in COLUMNS) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
