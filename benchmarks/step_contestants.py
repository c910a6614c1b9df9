"""One contestant of benchmarks/train_step.py in a process of its own: makes a round for every line on stdin.

    python3 benchmarks/step_contestants.py NAME OPTIONS_AS_JSON

Ours is the trainer's own loop. `bare` is the loop everybody writes first, over batches made beforehand; `hf_trainer` is
transformers' Trainer over the rows as they are, one to a sequence. Tokens are useful ones: targets, no padding.
MFU counts 6 x parameters (without input embeddings) + 6 x layers x hidden x context operations a token.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.common.records import ROLES, VARIANTS
from effectiveness.trainer import devices
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config import Training
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.engines import SingleProcess
from effectiveness.trainer.epochs import Pacing
from effectiveness.trainer.evaluate import EvaluationScores, Score
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.models import build_preset, flops_of
from effectiveness.trainer.objective import DOCUMENTS, Objective
from effectiveness.trainer.optimizers import make_optimizers, make_schedule
from effectiveness.trainer.rows import MICRO, ROW_DTYPE, Rows, open_dataset, open_rows
from effectiveness.trainer.steps import Hooks, State
from effectiveness.trainer.vocabulary import Vocabulary

CONTROL = ControlTokens(begin=0, end=0, pad=1)
PREPARED_STEPS = 16  # batches the bare loop cycles through


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all contestants of a run share. Rows: of `sequences`, or random ones of `vocab_size` and `window`."""

    sequences: str | None = None
    vocab_size: int = 0
    window: int = 0
    preset: str = "tiny"
    batch_size: int = 8
    steps: int = 4  # a round
    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 2


# --- a contestant ----------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    """Make a round for every line on stdin; print what it took."""
    name, described = sys.argv[1:] if argv is None else argv
    options = Options(**json.loads(described))
    torch.set_num_threads(options.threads)
    make_step = CONTESTANTS[name]
    rows, control = load_rows(options)
    device = devices.choose_device(options.device)
    batches = make_batches(rows, control, options)
    model = make_model(rows, control, options).to(device)
    waits = [0.0]
    steps = make_step(model, rows, batches, options, device, waits)
    for _ in sys.stdin:
        print(json.dumps(one_round(steps, options, model, device, rows, waits)), flush=True)
    return 0


def one_round(
    steps: Iterator[int], options: Options, model: nn.Module, device: torch.device, rows: Rows, waits
) -> dict:
    waits[0] = 0.0
    wait_for(device)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    tokens = sum(next(steps) for _ in range(options.steps))
    wait_for(device)
    return {
        "tokens": tokens,
        "wall_s": time.perf_counter() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "wait_s": waits[0],
        "peak_bytes": peak_bytes(device),
        "flops_per_token": flops_per_token(model, rows.window),
        "peak_flops": devices.peak_flops(device) or 0.0,
    }


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def flops_per_token(model: nn.Module, window: int) -> float:
    flops = flops_of(model)
    return flops.per_token + flops.per_pair * window / 2


def precision_of(options: Options) -> torch.dtype:
    return torch.bfloat16 if options.precision == "bf16" else torch.float32


def load_rows(options: Options) -> tuple[Rows, ControlTokens]:
    if options.sequences:
        dataset = open_dataset(Path(options.sequences))
        return open_rows(dataset, "train"), Vocabulary(dataset.tokenizer).control
    return synthetic_rows(options.vocab_size, options.window), CONTROL


def synthetic_rows(vocab_size: int, window: int, count: int = 2000) -> Rows:
    """Rows of files with log-normal lengths: about half of them full windows, the rest short files."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.lognormal(np.log(window), 1.0, count), window).astype(int).clip(4)
    table = np.zeros(count, dtype=ROW_DTYPE)
    table["length"], table["offset"] = lengths, np.cumsum(lengths) - lengths
    table["label_offset"], table["weight_micro"], table["is_last"] = -1, MICRO, True
    table["seq_id"] = table["file"] = np.arange(count)
    table["role"], table["variant"] = ROLES.index("util"), VARIANTS.index("original")
    tokens = rng.integers(2, vocab_size, lengths.sum()).astype(np.uint32)
    tokens[-1] = vocab_size - 1
    return Rows(
        path=Path("synthetic"),
        sha256="",
        window=window,
        tokens=tokens,
        labels=tokens[:0],
        table=table,
        files=tuple(map(str, range(count))),
        languages=("none",),
    )


def make_batches(rows: Rows, control: ControlTokens, options: Options) -> Batches:
    pacing = Pacing(curriculum="none", fraction=0.0, num_epochs=1)
    return Batches(rows, control, pacing, seed=1, packs_per_step=options.batch_size, weighting="none")


def make_model(rows: Rows, control: ControlTokens, options: Options) -> nn.Module:
    vocab_size = max(int(rows.tokens.max()), control.begin, control.end, control.pad) + 1
    return build_preset(
        options.preset, vocab_size=vocab_size, max_positions=rows.window, control=control, seed=1
    )


# --- contestants: each yields the useful tokens of one step after another ----------------------------------


def ours(model, rows, batches: Batches, options, device, waits, *, whole_logits=False, compiled=False):
    objective = Objective(model, precision_of(options))
    objective.has_plain_head = objective.has_plain_head and not whole_logits
    if compiled:
        objective.compile_blocks()
        batches.fixed_shape = True
    optimization = load_config(None).optimization
    trainer = Trainer(
        objective=objective,
        wrapped=objective,
        engine=SingleProcess(device),
        batches=batches,
        optimizers=make_optimizers(model, optimization, kind="adamw", learning_rate=1e-4, beta2=0.99),
        schedule=make_schedule(optimization, 1_000_000),
        limits=Training(num_epochs=10**6, save_steps=10**9, max_bad_steps=1),
        max_grad_norm=1.0,
        state=State(micro_batch_size=options.batch_size, evaluation_is_due=False),
        seed=1,
        precision=precision_of(options),
    )
    nothing = EvaluationScores(headline=Score(nats=1.0, num_tokens=1, num_bytes=1))
    hooks = Hooks(
        evaluate=lambda: nothing,
        save=lambda: None,
        save_best=lambda evaluation: None,
        report=lambda event, values: None,
        say=lambda line: None,
        must_stop=lambda: False,
    )
    while True:
        if trainer.state.evaluation_is_due:
            trainer._evaluate(hooks)
        period = trainer.epoch_period
        before, waited = period.num_tokens, period.data_wait_s
        trainer._one_step(hooks)
        waits[0] += period.data_wait_s - waited
        yield period.num_tokens - before


def bare(model, rows, batches: Batches, options, device, waits, *, chunked=False):
    """The loop everybody writes first: whole logits, cross-entropy, clip, AdamW. Batches are there already."""
    prepared = [
        batches.micro_batches(0, step, size=options.batch_size)[0].to(device)
        for step in range(min(PREPARED_STEPS, batches.epoch(0).num_steps))
    ]
    weights = [float(batch.weights.sum()) for batch in prepared]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    loss_of = Objective(model, precision_of(options)) if chunked else (lambda batch: whole_loss(model, batch))
    precision = precision_of(options)
    model.train()
    while True:
        for batch, weight in zip(prepared, weights, strict=True):
            with devices.autocast(device, precision):
                loss = loss_of(batch) / weight
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            yield round(weight)


def whole_loss(model: nn.Module, batch: MicroBatch) -> torch.Tensor:
    logits = model(input_ids=batch.input_ids, position_ids=batch.position_ids, **DOCUMENTS).logits
    nats = F.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), reduction="none")
    return (nats * batch.weights.flatten()).sum()


def hf_trainer(model, rows: Rows, batches, options, device, waits):
    """transformers.Trainer on the rows as they are: one to a sequence, padded to the window, padding masked.

    Runs in a thread that makes one step whenever the caller asks for one.
    """
    import queue
    import threading

    from transformers import Trainer as HFTrainer
    from transformers import TrainerCallback, TrainingArguments

    asked, made = queue.Queue(), queue.Queue()
    examples = padded_examples(rows, PREPARED_STEPS * options.batch_size)
    useful = [int((example["labels"][1:] != -100).sum()) for example in examples]

    class Gate(TrainerCallback):
        def on_step_begin(self, *_, **__):
            asked.get()

        def on_step_end(self, *_, **__):
            made.put(None)

    settings = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=options.batch_size,
        max_steps=10**6,
        learning_rate=1e-4,
        bf16=options.precision == "bf16",
        use_cpu=device.type == "cpu",
        report_to=[],
        save_strategy="no",
        logging_steps=10,
        disable_tqdm=True,
    )
    trainer = HFTrainer(model=model, args=settings, train_dataset=examples, callbacks=[Gate()])
    threading.Thread(target=trainer.train, daemon=True).start()
    mean = sum(useful) / len(useful) * options.batch_size
    while True:
        asked.put(None)
        made.get()
        yield round(mean)


def padded_examples(rows: Rows, count: int) -> list[dict]:
    examples = []
    for index in np.linspace(0, len(rows) - 1, count).astype(int).tolist():
        tokens = rows.tokens_of(index).astype(np.int64)
        padding = (0, rows.window - len(tokens))
        examples.append(
            {
                "input_ids": torch.from_numpy(np.pad(tokens, padding)),
                "attention_mask": torch.from_numpy(np.pad(np.ones(len(tokens), dtype=np.int64), padding)),
                "labels": torch.from_numpy(np.pad(tokens, padding, constant_values=-100)),
            }
        )
    return examples


CONTESTANTS = {
    "ours": ours,
    "ours_whole": lambda *a: ours(*a, whole_logits=True),
    "ours_compiled": lambda *a: ours(*a, compiled=True),
    "bare": bare,
    "bare_chunked": lambda *a: bare(*a, chunked=True),
    "hf_trainer": hf_trainer,
}

if __name__ == "__main__":
    sys.exit(main())
