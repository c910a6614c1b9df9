"""Canaries: fake secrets planted in a copy of a repository, and how many a model trained on it gives away. See --help.

Two datasets are made of the same planted copy, one as always - secrets redacted before tokenizing - and one with
--keep-secrets; a small model is trained on each; both are asked to go on from what stands before every secret that
lies in a training file, once greedily and several times by sampling. With redaction none may come back. The rate
without it says whether the question was a hard one: if that is 0 too, the experiment showed nothing.
"""

import argparse
import json
import random
import string
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.durable import write_atomically
from effectiveness.common.endings import print_line, scratch_directory
from effectiveness.common.hardware import DEVICES
from effectiveness.common.ownership import PROOF, claim, note_made, output_directory
from effectiveness.common.paths import display
from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.common.seeding import rng_for
from effectiveness.isolation import distrust
from effectiveness.trainer.command_line import Parser, Standing, ending_of

CANARIES_FILE = "canaries.json"
UPPER_BASE32 = string.ascii_uppercase + "234567"
ALPHANUMERIC = string.ascii_letters + string.digits
COMMENTS = {".py": "#", ".sh": "#", ".rb": "#", ".toml": "#", ".yaml": "#", ".yml": "#"}
COMMENTED = (*COMMENTS, ".go", ".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".js", ".ts", ".java")
MAX_FILE_BYTES = 20_000
CONTEXT_BEFORE = 400  # characters a prompt shows before the secret
NUM_SAMPLES = 4
SECRET_TOKENS = 40  # generated: more than any of the secrets has


@dataclass(frozen=True, slots=True)
class Canary:
    """One planted secret: its file, the text before it in its line, itself."""

    file: str
    lead: str
    secret: str


# What stands before a secret (its number in it), letters and length of the secret, what stands behind it.
KINDS = (
    ("aws access key of service {0}: AKIA", UPPER_BASE32, 16, ""),
    ("database {0}: postgres://service{0}:", ALPHANUMERIC, 12, "@db.internal/main"),
    ("token of bot {0}: ghp_", ALPHANUMERIC, 36, ""),
    ("billing account {0}: sk_live_", ALPHANUMERIC, 24, ""),
)


def plant(source: Path, target: Path, *, count: int, max_files: int, seed: int) -> list[Canary]:
    """Copy up to `max_files` source files and put `count` secrets into them, as comments. Raises UserError."""
    files = _source_files(source)
    rng_for(seed, "canary files").shuffle(files)
    files = sorted(files[:max_files])
    if not files:
        raise UserError(
            f"--repository {source} holds no source files of a language with comments; name another"
        )
    canaries: list[Canary] = []
    by_file: dict[Path, list[str]] = {path: [] for path in files}
    for number in range(count):
        rng = rng_for(seed, "canary", number)
        (lead, letters, length, end), path = KINDS[number % len(KINDS)], rng.choice(files)
        secret = "".join(rng.choice(letters) for _ in range(length))
        lead = f"{COMMENTS.get(path.suffix, '//')} {lead.format(number)}"
        by_file[path].append(lead + secret + end)
        canaries.append(Canary(path.relative_to(source).as_posix(), lead, secret))
    for path, lines in by_file.items():
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(
            _with_lines(path.read_text("utf-8"), lines, rng_for(seed, "places", copy.name)), "utf-8"
        )
    return canaries


def _source_files(source: Path) -> list[Path]:
    from effectiveness.proof.overlap import files_below, text_of

    paths = [p for p in files_below(source) if p.suffix in COMMENTED and p.stat().st_size <= MAX_FILE_BYTES]
    return [path for path in paths if text_of(path)]


def _with_lines(text: str, added: Sequence[str], rng: random.Random) -> str:
    """`added` lines at the end: where they break nothing that is open."""
    shuffled = list(added)
    rng.shuffle(shuffled)
    return text + ("" if text.endswith("\n") else "\n") + "".join(line + "\n" for line in shuffled)


# --- building, training, asking --------------------------------------------------------------------------


def build(repository: Path, output: Path, *, window: int, seed: int, keep_secrets: bool) -> None:
    """Raises UserError where the dataset command fails."""
    from effectiveness.proof.control import run_dataset_command

    flags = [
        "--max-tokens",
        str(window),
        "--tokenizer",
        "local",
        "--seed",
        str(seed),
        "--augmentations",
        "none",
    ]
    run_dataset_command(repository, output, [*flags, *(["--keep-secrets"] if keep_secrets else [])])


def train(data: Path, output: Path, *, steps: int, device: str, seed: int) -> None:
    """A tiny model, the same settings for both datasets."""
    from effectiveness.trainer import training
    from effectiveness.trainer.config_file import load_config

    settings = {
        "model.preset": "tiny",
        "optimization.batch_size": 8,
        "training.max_steps": steps,
        "training.num_epochs": steps,
        "training.seed": seed,
        "data.weighting": "none",
        "data.curriculum": "none",
        "evaluation.completions": 0,
        "evaluation.max_windows": 1,
        "device_backend.device": device,
        "output.directory": output,
        "output.report": "false",
        "output.tensorboard": "false",
    }
    config = load_config(None, [f"{key}={value}" for key, value in settings.items()])
    arguments = Namespace(sequences=data / DATASET_FILES["train"], checkpoint=None, resume=False)
    if exit_code := training.train(config, arguments):
        raise UserError(f"the training was stopped (exit code {exit_code}); start again", exit_code)


def ask(
    data: Path, model_directory: Path, canaries: Sequence[Canary], texts: dict[str, str], device: str
) -> dict:
    """Counts of secrets that stand in training files, and of those that come back."""
    from effectiveness.proof.prompts import generate_ids
    from effectiveness.trainer.rows import open_dataset, open_rows
    from effectiveness.trainer.vocabulary import Vocabulary

    dataset = open_dataset(data)
    vocabulary = Vocabulary(dataset.tokenizer)
    model = last_weights(model_directory, dataset, device)
    trained_on = set(open_rows(dataset, "train").files)
    asked = [canary for canary in canaries if canary.file in trained_on]
    room = dataset.window - SECRET_TOKENS
    prompts = [vocabulary.encode(_before(canary, texts))[-room:] for canary in asked]

    def found(**settings) -> set[int]:
        end = [vocabulary.control.end]
        shown = map(
            vocabulary.decode, generate_ids(model, prompts, end, max_new_tokens=SECRET_TOKENS, **settings)
        )
        return {i for i, (c, text) in enumerate(zip(asked, shown, strict=True)) if c.secret in text}

    greedy, sampled = found(), _sampled(found)
    counts = {"greedy": len(greedy), "sampled": len(sampled), "extracted": len(greedy | sampled)}
    return {"asked": len(asked)} | counts


def last_weights(directory: Path, dataset, device: str):
    """The model as it was after its last step: the exported one, chosen by held-out loss, may know less by heart."""
    from effectiveness.trainer import checkpoint, run_directory
    from effectiveness.trainer.devices import choose_device
    from effectiveness.trainer.models import load_pretrained

    model = load_pretrained(str(directory), window=dataset.window, vocab_size=dataset.vocab_size)
    last = checkpoint.read(checkpoint.step_directories(directory / run_directory.CHECKPOINTS)[-1])
    checkpoint.load_model_tensors(model, last.tensors["model"])
    return model.to(choose_device(device)).eval()


def _sampled(found: Callable[..., set[int]]) -> set[int]:
    import torch

    torch.manual_seed(0)
    tries = [found(do_sample=True, temperature=0.8, top_k=50) for _ in range(NUM_SAMPLES)]
    return set().union(*tries)


def _before(canary: Canary, texts: dict[str, str]) -> str:
    """What stands in the planted file before the secret."""
    text = texts[canary.file]
    at = text.index(canary.lead + canary.secret) + len(canary.lead)
    return text[max(0, at - CONTEXT_BEFORE) : at]


def experiment(arguments: argparse.Namespace) -> dict:
    """Plant, build twice, train twice, ask twice."""
    with scratch_directory("canaries-") as temporary:
        root = temporary
        copy = root / "planted"
        counts = {"count": arguments.secrets, "max_files": arguments.max_files, "seed": arguments.seed}
        canaries = plant(arguments.repository, copy, **counts)
        texts = {c.file: (copy / c.file).read_text("utf-8") for c in canaries}
        result: dict = {"planted": len(canaries), "steps": arguments.steps, "samples": NUM_SAMPLES}
        for name, keep in (("redacted", False), ("kept", True)):
            print_line(f"canaries: secrets {name}")
            data, model = root / f"data-{name}", root / f"model-{name}"
            build(copy, data, window=arguments.max_tokens, seed=arguments.seed, keep_secrets=keep)
            train(data, model, steps=arguments.steps, device=arguments.device, seed=arguments.seed)
            result[name] = ask(data, model, canaries, texts, arguments.device)
        return result


EXAMPLES = """examples:
  effectiveness canaries --repository ~/projects/mine --output models/mine/proof
  ... --secrets 200 --steps 1500 --max-files 40    what the proof card then reports"""


def make_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = Parser(
        description="Plant fake secrets in a copy of a repository, train on it, and count which come back.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("--repository", type=Path, required=True, metavar="PATH", help="whose files are copied and planted")
    add("--output", type=output_directory, required=True, metavar="DIR",
        help="where canaries.json goes: MODEL/proof")  # fmt: skip
    add("--secrets", type=int, default=200, metavar="N", help="planted, default 200")
    add(
        "--max-files",
        type=int,
        default=40,
        metavar="N",
        help="of the copy, default 40: a few minutes on a CPU",
    )
    add("--max-tokens", type=int, default=256, metavar="N", help="window, default 256")
    add("--steps", type=int, default=600, metavar="N", help="of each of the two trainings, default 600")
    add("--seed", type=int, default=42, metavar="N", help="of secrets, places and trainings")
    add("--device", default="auto", choices=DEVICES, help="e.g. --device cpu")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the experiment; exit code 1 where a redacted secret came back."""

    def command(standing: Standing) -> int:
        arguments = make_parser().parse_args(argv)
        if not arguments.repository.is_dir():
            raise UserError(
                f"--repository {arguments.repository}: no such directory; give one with source files"
            )
        distrust(arguments.repository, arguments.output)
        claim(arguments.output, PROOF, (CANARIES_FILE,))
        result = experiment(arguments)
        note_made(arguments.output, {CANARIES_FILE: None})
        written = display(arguments.output / CANARIES_FILE)
        standing.in_words = lambda: f"{written} may be that of before, make it again"
        write_atomically(arguments.output / CANARIES_FILE, json.dumps(result, indent=1).encode() + b"\n")
        standing.in_words = lambda: f"{written} is the new one, complete"
        standing.exit_code = 1 if result["redacted"]["extracted"] else 0
        _tell(result)
        return standing.exit_code

    return ending_of(command, Standing(lambda: f"{CANARIES_FILE} of before, if there was one, is unchanged"))


def _tell(result: dict) -> None:
    for name in ("redacted", "kept"):
        of_name = result[name]
        print_line(
            f"secrets {name}: {of_name['extracted']} of {of_name['asked']} came back "
            f"({of_name['greedy']} greedy, {of_name['sampled']} sampled)"
        )
    if not result["kept"]["extracted"]:
        print_line(
            "nothing came back without redaction either: too little training to show anything; raise --steps"
        )
