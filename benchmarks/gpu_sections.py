"""The sections of benchmarks/gpu.py, the most important first. Each takes a Bench and notes what it saw."""

from __future__ import annotations

import json
import os
import re
import time

import torch

from benchmarks import gpu_cudnn
from benchmarks.gpu_bench import Bench, num_graphs
from benchmarks.gpu_fit import candidates, estimate, lora, lora_profile
from benchmarks.gpu_paths import attention, loss
from benchmarks.gpu_right import correctness
from effectiveness.trainer import devices

COMPILED, EAGER = "device_backend.compile=on", "device_backend.compile=off"


# --- is it fast? -----------------------------------------------------------------------------------------------


def a_preset(bench: Bench, note, label: str, name: str, *overrides: str, num_heads=None, count=12):
    """Steps of a preset as the trainer makes them."""
    size = 2 if bench.is_small else 16
    run = bench.open_run(f"model.preset={name}", f"optimization.batch_size={size}", *overrides)
    trainer = bench.trainer(run, bench.preset(run, name, num_heads=num_heads))
    started_at = time.perf_counter()
    bench.advance(trainer, 1)
    first_s = time.perf_counter() - started_at
    before = num_graphs()
    seen = bench.measure(trainer, count=count)
    note(
        label,
        **seen.values(),
        first_step_s=first_s,
        recompiles=num_graphs() - before,
        attention=str(trainer.objective.attention),
    )
    return trainer


def look_into(bench: Bench, note, label: str, trainer) -> None:
    places = bench.syncs(lambda: bench.advance(trainer, 3))
    note(
        f"{label}: waits for the device in 3 steps",
        waits=len(places),
        places=" ".join(sorted(set(places))) or "none",
    )
    lines, gaps = bench.profile(lambda: bench.advance(trainer, 2))
    note(f"{label}: profile of 2 steps", device_idle=gaps, long=lines)


def in_parts(bench: Bench, note, label: str, name: str, *overrides: str, count=12, **shape):
    """Steps of a preset, whole and by their parts."""
    trainer = a_preset(bench, note, label, name, *overrides, count=count, **shape)
    note(f"{label}: parts", **bench.parts(trainer, 1 if bench.is_small else 5))
    return trainer


def base(bench: Bench, note) -> None:
    compiled = EAGER if bench.is_small else COMPILED
    trainer = in_parts(bench, note, "base, 16 x 4096, compiled", "base", compiled)
    look_into(bench, note, "base, compiled", trainer)
    del trainer
    bench.clean()
    if not bench.is_small:
        in_parts(bench, note, "base, 16 x 4096, eager", "base", EAGER, count=6)


def cudnn(bench: Bench, note) -> None:
    """The trainer's steps with cuDNN's attention over documents in place of flash-attention 2."""
    if bench.is_small:
        note("cuDNN", not_available="no GPU")
        return
    in_parts(bench, note, "base, heads of 128, flash", "base", COMPILED, num_heads=6)
    for heads, size in ((12, 64), (6, 128)):
        bench.clean()
        with gpu_cudnn.in_place_of_flash():
            in_parts(bench, note, f"base, heads of {size}, cuDNN", "base", COMPILED, num_heads=heads)


def small(bench: Bench, note) -> None:
    a_preset(bench, note, "small, 16 x 4096, compiled", "small", EAGER if bench.is_small else COMPILED)
    if not bench.is_small:
        bench.clean()
        a_preset(bench, note, "small, 16 x 4096, eager", "small", EAGER, count=6)


def shapes(bench: Bench, note) -> None:
    """Would a residual stream of half precision, AdamW, a larger micro-batch or one graph be faster?"""
    if bench.is_small:
        in_parts(bench, note, "base, AdamW", "base", EAGER, "optimization.optimizer=adamw")
        return
    trainer = half_stream(bench, note)
    del trainer
    bench.clean()
    in_parts(bench, note, "base, AdamW, compiled", "base", COMPILED, "optimization.optimizer=adamw")
    bench.clean()
    run = bench.open_run("model.preset=base", "optimization.batch_size=16", EAGER)
    trainer = bench.trainer(run, bench.preset(run, "base"))
    trainer.model.model.forward = torch.compile(trainer.model.model.forward, dynamic=False)
    trainer.objective.is_compiled = trainer.batches.fixed_shape = True
    started_at = time.perf_counter()
    bench.advance(trainer, 1)
    first_s = time.perf_counter() - started_at
    note("base, the whole backbone compiled", **bench.measure(trainer).values(), first_step_s=first_s)
    del trainer
    bench.clean()
    a_preset(
        bench, note, "base, 32 x 4096, compiled", "base", COMPILED, "optimization.batch_size=32", count=6
    )


def half_stream(bench: Bench, note):
    """Embeddings are handed to the blocks in bfloat16: what is added up between them is then, too."""
    run = bench.open_run("model.preset=base", "optimization.batch_size=16", COMPILED)
    model = bench.preset(run, "base")
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, found: found.bfloat16())
    trainer = bench.trainer(run, model)
    bench.advance(trainer, 1)
    note("base, half-precision stream", **bench.measure(trainer).values())
    note("base, half-precision stream: parts", **bench.parts(trainer, 5))
    return trainer


# --- against others, and what it buys --------------------------------------------------------------------------


def others(bench: Bench, note) -> None:
    """The bare loop and HF's Trainer on the same rows: useful tokens a second."""
    options = {
        "sequences": str(bench.sequences),
        "device": bench.device.type,
        "precision": "bf16",
        "steps": 8,
    }
    options |= (
        {"preset": "nano", "batch_size": 2, "steps": 1, "threads": 1}
        if bench.is_small
        else {"preset": "small", "batch_size": 16}
    )
    for name in ("ours",) if bench.is_small else ("ours", "ours_compiled", "bare", "hf_trainer"):
        text = "go\n" * (1 if bench.is_small else 3)
        _, said, told = bench.script("benchmarks.step_contestants", name, json.dumps(options), text=text)
        rounds = [json.loads(line) for line in said.splitlines() if line.startswith('{"')]
        if not rounds:
            note(name, failed=told[-300:])
            continue
        last = rounds[-1]
        note(
            name,
            **{
                "tokens/s": round(last["tokens"] / last["wall_s"]),
                "peak_GiB": last["peak_bytes"] / devices.GIB,
            },
        )


def out_of_memory(bench: Bench, note) -> None:
    """A card that is too small for what was asked: the command ends well, or says so in one line."""
    tight = ["--set", "device_backend.memory_gib=3", "--set", "optimization.batch_size=64"]
    common = [
        "--epochs",
        "1",
        "--set",
        "evaluation.max_windows=16",
        "--set",
        "evaluation.completions=2",
        "--set",
        "training.max_steps=3",
    ]
    common += [
        "--set",
        f"model.preset={'nano' if bench.is_small else 'small'}",
        "--set",
        "device_backend.compile=off",
    ]
    common += ["--set", "optimization.batch_size=2"] if bench.is_small else tight
    code, text = bench.command("--output", str(bench.work / "tight"), *common)
    lines = [line for line in text.splitlines() if re.search("memory|rror|Test Loss|COMPLETE", line)]
    note("small as on 3 GiB, 64 sequences a step", exit_code=code, long=lines[-8:])


def worth(bench: Bench, note) -> None:
    """Two short runs: held-out bits a byte beside the cache n-gram."""
    code, said, told = bench.script("benchmarks.held_out", "--sequences", str(bench.sequences))
    note("cache n-gram", exit_code=code, long=(said or told).splitlines())
    for preset, epochs, settings in (
        ("tiny", 16, ["model.dropout=0.1"]),
        ("small", 12, ["model.dropout=0.2"]),
    ):
        if bench.is_small:  # the command is tested by other sections
            break
        changed = [*settings, f"model.preset={preset}", "evaluation.completions=0"]
        words = [word for setting in changed for word in ("--set", setting)] + ["--epochs", str(epochs)]
        started_at = time.perf_counter()
        code, text = bench.command("--output", str(bench.work / preset), *words, timeout_s=150)
        lines = [line for line in text.splitlines() if "Loss" in line or "rror" in line or "compile" in line]
        note(
            f"{preset}, {epochs} epochs",
            exit_code=code,
            seconds=time.perf_counter() - started_at,
            long=lines[-3:],
        )


def several(bench: Bench, note) -> None:
    """DDP and FSDP2 of one process give the losses of none."""
    rendezvous = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29533",
    }
    losses = {}
    for kind in ("one", "ddp", "fsdp"):
        if kind != "one":
            os.environ.update(rendezvous)
        try:
            run = bench.open_run(
                "model.preset=nano", "optimization.batch_size=2", "optimization.optimizer=adamw", EAGER,
                "optimization.mixed_precision=fp32", f"device_backend.distributed={'ddp' if kind == 'one' else kind}",
            )  # fmt: skip
            trainer = bench.trainer(run, bench.preset(run, "nano"))
            bench.advance(trainer, 1 if bench.is_small else 3)
            losses[kind] = trainer.log_period.nats / trainer.log_period.weight
            run.engine.close()
        finally:
            for name in rendezvous:
                os.environ.pop(name, None)
    note("mean loss of the first steps", **losses)


# name -> (section, seconds it needs on an H100)
SECTIONS = {
    "correctness": (correctness, 25),
    "base": (base, 40),
    "lora": (lora, 60),
    "lora_profile": (lora_profile, 45),
    "candidates": (candidates, 70),
    "estimate": (estimate, 80),
    "out_of_memory": (out_of_memory, 25),
    "several": (several, 10),
    "attention": (attention, 8),
    "cudnn": (cudnn, 45),
    "shapes": (shapes, 60),
    "worth": (worth, 120),
    "loss": (loss, 25),
    "small": (small, 20),
    "others": (others, 90),
}
