"""Tiny datasets for the trainer's tests, made at run time, in the format the dataset command writes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
from pathlib import Path

import numpy as np
import torch

from effectiveness.common.jsonl import JsonLinesWriter, write_metadata
from effectiveness.common.records import DATASET_FILES, METADATA_FILE, SPLITS
from effectiveness.corpus.tokenization.source import TokenizerChoice, describe_tokenizer, train_bpe
from effectiveness.trainer import defaults, devices, models, setup, starting
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.evaluate import EvaluationScores, Score
from effectiveness.trainer.journal import METRICS_FILE
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.metrics import WALL_CLOCK, read_metrics
from effectiveness.trainer.model_files import SPLITS_CONTROL_TEXTS
from effectiveness.trainer.shapes import Preset
from effectiveness.trainer.steps import Hooks, State

VOCAB_SIZE = 300
WEIGHTS = {"core": (3.0, "high"), "util": (1.0, "medium"), "test": (0.3, "low")}
WORDS = ("total", "count", "name", "value", "index", "row", "shape", "cache")


def program(rng: random.Random, num_functions: int) -> str:
    """A small Python-like text with enough regularity to be learnt."""
    lines = []
    for _ in range(num_functions):
        a, b = rng.sample(WORDS, 2)
        lines += [f"def {a}_{b}({a}, {b}):", f"    {a} = {a} + {b}", f"    return {a}", ""]
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class SmallFile:
    path: str
    role: str
    split: str
    text: str
    language: str = "python"


def small_files(seed: int = 0, *, per_split: dict[str, int] | None = None) -> list[SmallFile]:
    """Files of all roles in every split; some shorter than a window, some much longer."""
    rng = random.Random(seed)
    counts = per_split or {"train": 9, "val": 3, "test": 3}
    roles = ("core", "util", "test")
    return [
        SmallFile(
            path=f"{split}/{roles[i % 3]}_{i}.py",
            role=roles[i % 3],
            split=split,
            text=program(rng, rng.choice((1, 2, 4))),
            language="python" if i % 2 else "rust",
        )
        for split in SPLITS
        for i in range(counts[split])
    ]


def write_dataset(
    directory: Path,
    *,
    window: int = 32,
    files: list[SmallFile] | None = None,
    masked: bool = True,
    vocab_size: int = VOCAB_SIZE,
) -> Path:
    """A complete dataset directory; returns the training JSONL."""
    files = small_files() if files is None else files
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _write_tokenizer(directory, files, vocab_size)
    rows = {split: [] for split in SPLITS}
    for file in files:
        rows[file.split] += list(_rows_of(file, tokenizer, window, masked))
    seq_id, digests = 0, {}
    for split, name in DATASET_FILES.items():
        ordered = sorted(rows[split], key=lambda row: row[1]["complexity"])
        with JsonLinesWriter(directory / name) as writer:
            for tokens, metadata, labels in ordered:
                writer.write_row(tokens, metadata | {"seq_id": seq_id}, labels)
                seq_id += 1
        digests[name] = {"sha256": writer.digest.sha256, "bytes": writer.digest.num_bytes}
    write_metadata(directory / METADATA_FILE, _metadata(tokenizer, window, rows, digests))
    return directory / DATASET_FILES["train"]


def _write_tokenizer(directory: Path, files: list[SmallFile], vocab_size: int):
    target = directory / "tokenizer"
    target.mkdir()
    train_bpe(iter([f.text for f in files if f.split == "train"]), vocab_size, target / "tokenizer.json")
    end = "<|endoftext|>"
    names = {"bos": end, "eos": end, "unk": end, "pad": "<|pad|>", "mask": "<mask>"}
    return describe_tokenizer(TokenizerChoice("local", "made for a test", None), target, names)


def _rows_of(file: SmallFile, tokenizer, window: int, masked: bool):
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(str(Path(tokenizer.directory) / "tokenizer.json"))
    ids = np.array(encoder.encode(file.text, add_special_tokens=False).ids, dtype=np.uint16)
    stride = window // 4
    starts = list(range(0, max(len(ids) - window, 0), stride)) + [max(len(ids) - window, 0)]
    for index, start in enumerate(starts):
        part = ids[start : start + window]
        described = _row_metadata(file, index, len(starts), start, len(part))
        yield _padded(part, window, tokenizer.pad_id), described, None
        if masked:
            hidden = part.copy()
            hidden[1::3] = tokenizer.mask_id
            described = described | {"augmentation_type": "token_masking"}
            originals = _padded(part, window, tokenizer.pad_id)
            yield _padded(hidden, window, tokenizer.pad_id), described, originals


def _row_metadata(file: SmallFile, index: int, total: int, start: int, length: int) -> dict:
    weight, priority = WEIGHTS[file.role]
    return {
        "source_file": file.path,
        "directory": file.path.rpartition("/")[0],
        "file_extension": ".py",
        "language": file.language,
        "chunk_index": index,
        "total_chunks": total,
        "start_token": start,
        "length": length,
        "complexity": round(length / 7 + total, 6),
        "is_core": file.role == "core",
        "is_test": file.role == "test",
        "priority": priority,
        "weight": weight,
        "augmentation_type": "original",
    }


def _padded(ids: np.ndarray, window: int, pad: int) -> np.ndarray:
    padded = np.full(window, pad, dtype=np.uint16)
    padded[: len(ids)] = ids
    return padded


def _metadata(tokenizer, window: int, rows: dict, digests: dict) -> dict:
    return {
        "total_sequences": sum(map(len, rows.values())),
        "tokenizer": tokenizer.name,
        "tokenizer_sha256": tokenizer.sha256,
        "vocab_size": tokenizer.vocab_size,
        "pad_token_id": tokenizer.pad_id,
        "mask_token_id": tokenizer.mask_id,
        "max_tokens_per_sequence": window,
        "overlap_tokens": 3 * window // 4,
        "source_repo": "toy",
        "options": {"recipe": "measured", "overlap": 0.75, "augmentations": _kinds(rows)},
        "repository_commit": "0" * 40,
        "seed": 42,
        "files": digests,
    }


def _kinds(rows: dict) -> str:
    kinds = {metadata["augmentation_type"] for of_split in rows.values() for _, metadata, _ in of_split}
    return ",".join(kinds - {"original"}) or "none"


TINY = Preset(hidden_size=32, num_layers=2, num_heads=2, feed_forward=64)


def use_tiny_models(monkeypatch) -> None:
    """Every preset becomes a model of some 20,000 parameters, on one thread, trained for three epochs unless told.

    In float32 on every CPU: the first product of each shape in bfloat16 takes longer than such a model's step.
    """
    torch.set_num_threads(1)
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(defaults, "MOST_EPOCHS", 3)
    monkeypatch.setattr(defaults, "HELD_BACK_FROM", float("inf"))
    for name in models.PRESETS:
        monkeypatch.setitem(models.PRESETS, name, TINY)


# The rows a run can be asked for at most: all windows and variants, weighted and paced.
EVERYTHING = (
    "data.weighting=visits",
    "data.curriculum=warmup_fraction",
    "data.overlap=true",
    "data.variants=true",
    "data.window_growth=0",
)


def command(sequences: Path, output: Path, *flags: str) -> list[str]:
    """Arguments of the training command: CPU, small steps, no extras that cost time."""
    return [
        *("--sequences", str(sequences), "--output", str(output), "--device", "cpu"),
        *("--set", "optimization.batch_size=4", "--set", "evaluation.completions=0"),
        *("--set", "evaluation.max_windows=0", "--set", "optimization.mixed_precision=fp32"),
        *("--set", "output.report=false", "--set", "output.tensorboard=false"),
        *(word for setting in EVERYTHING for word in ("--set", setting)),
        *flags,
    ]


def losses(output: Path) -> list[float]:
    """Training losses of all logged steps."""
    return [r["train_loss_nats"] for r in read_metrics(output / METRICS_FILE) if r["event"] == "step"]


def exact_metrics(output: Path) -> list[dict]:
    """All records without what the wall clock decides."""
    records = read_metrics(output / METRICS_FILE)
    return [{key: value for key, value in record.items() if key not in WALL_CLOCK} for record in records]


def open_trainer(sequences: Path, output: Path, *overrides: str) -> tuple[setup.Run, Trainer]:
    """A run and its trainer, before the first step, without a command around it."""
    flags = [
        *EVERYTHING,
        "optimization.batch_size=4",
        "device_backend.device=cpu",
        f"output.directory={output}",
        *overrides,
    ]
    run = setup.open_run(load_config(None, flags), argparse.Namespace(sequences=sequences, checkpoint=None))
    rows = setup.open_training_rows(run)
    run = setup.with_defaults(run, rows)
    batches = setup.make_batches(run, rows)
    model, _ = starting.build_model(run, 0)
    return run, starting.make_trainer(run, model, batches, State())


def quiet_hooks(said: list[str] | None = None, must_stop=lambda: False) -> Hooks:
    """Hooks that evaluate and save nothing; what is said goes to `said`."""
    nothing = EvaluationScores(headline=Score(nats=0.0, num_tokens=0, num_bytes=0))
    return Hooks(
        evaluate=lambda: nothing,
        save=lambda: None,
        save_best=lambda evaluation: None,
        report=lambda event, values: None,
        say=(said if said is not None else []).append,
        must_stop=must_stop,
    )


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def model_of(architecture: str) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": 97,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 1,
    }
    if architecture in ("gpt2", "gpt_bigcode"):
        old = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
        sizes = {"vocab_size": 97, "bos_token_id": 0, "eos_token_id": 0} | old
    if architecture in ("qwen3", "mistral"):
        sizes["head_dim"] = 8
    config = AutoConfig.for_model(architecture, **sizes)
    for name in (
        "resid_pdrop",
        "embd_pdrop",
        "attn_pdrop",
        "attention_dropout",
        "hidden_dropout",
        "residual_dropout",
    ):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").train()


def llama(directory: Path, tokenizer: Path, *, positions: int = 64) -> Path:
    """A small causal model of others: the ids of the dataset's tokenizer beside it, but no file of ours."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=300, max_position_embeddings=positions, **sizes)
    LlamaForCausalLM(config).save_pretrained(directory)
    for file in tokenizer.iterdir():
        shutil.copy(file, directory)
    names = directory / "tokenizer_config.json"
    described = json.loads(names.read_text("utf-8"))
    names.write_text(json.dumps({k: v for k, v in described.items() if k != SPLITS_CONTROL_TEXTS}), "utf-8")
    return directory
