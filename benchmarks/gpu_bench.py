"""What the sections of benchmarks/gpu.py share: runs of the product's own trainer, and what is read off the device."""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from effectiveness.common import programs
from effectiveness.trainer import devices, models, setup, starting
from effectiveness.trainer.adapters import adapt, lower_frozen
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.evaluate import EvaluationScores, Score
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.steps import Hooks, State

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "training_config_metal_cuda_universal.yaml"
QWEN2 = {  # hidden, feed-forward, layers, heads, key heads, vocabulary: the released shapes, and one for a CPU
    "0.5B": (896, 4864, 24, 14, 2, 151_936),
    "1.5B": (1536, 8960, 28, 12, 2, 151_936),
    "small": (64, 128, 2, 4, 2, 2048),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Steps of a trainer as they were made."""

    tokens_per_s: float
    step_ms: float
    mfu: float  # only what documents need
    mfu_whole_window: (
        float  # 6 N + 6 x layers x width x window a token, as if every document filled its window
    )
    data_wait: float
    peak_gib: float
    planned_gib: float | None
    micro_batch: int
    last_loss: float

    def values(self) -> dict:
        planned = {} if self.planned_gib is None else {"planned_GiB": self.planned_gib}
        return {
            "tokens/s": round(self.tokens_per_s),
            "ms_a_step": self.step_ms,
            "MFU_%": 100 * self.mfu,
            "MFU_whole_window_%": 100 * self.mfu_whole_window,
            "data_wait_%": 100 * self.data_wait,
            "peak_GiB": self.peak_gib,
            **planned,
            "micro_batch": self.micro_batch,
            "loss": self.last_loss,
        }


class Bench:
    """The kit, the device, and runs over both."""

    def __init__(self, *, kit: Path, work: Path, is_small: bool) -> None:
        self.kit, self.work, self.is_small = kit, work, is_small
        self.device = torch.device("cpu" if is_small else "cuda")
        self.sequences = kit / "data" / "training_data_train.jsonl"
        self.said: list[str] = []
        torch.set_num_threads(1 if is_small else torch.get_num_threads())

    # --- runs --------------------------------------------------------------------------------------------

    def open_run(self, *overrides: str) -> setup.Run:
        wide = ["training.num_epochs=200", "output.directory=" + str(self.work / "run")]
        device = [f"device_backend.device={self.device.type}"]
        run = setup.open_run(
            load_config(CONFIG, [*device, *wide, *overrides]),
            argparse.Namespace(sequences=self.sequences, checkpoint=None),
        )
        run.console.say = self.said.append
        return run

    def preset(self, run: setup.Run, name: str, *, num_heads: int | None = None) -> nn.Module:
        """A preset's model on the device, fresh; `num_heads` instead of its own."""
        name = "nano" if self.is_small else name
        kept = models.PRESETS[name]
        if num_heads and not self.is_small:
            models.PRESETS[name] = replace(kept, num_heads=num_heads)
        try:
            built = models.build_preset(
                name,
                vocab_size=run.dataset.vocab_size,
                max_positions=run.dataset.window,
                control=run.vocabulary.control,
                seed=1,
            )
        finally:
            models.PRESETS[name] = kept
        return built.to(self.device)

    def qwen2(self, run: setup.Run, size: str, *, adapters: bool) -> nn.Module:
        """A model of a released shape with random bfloat16 weights, as the product loads and adapts it."""
        from transformers import Qwen2Config, Qwen2ForCausalLM

        hidden, wide, layers, heads, keys, vocabulary = QWEN2["small" if self.is_small else size]
        vocabulary = max(vocabulary, run.dataset.vocab_size)
        config = Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=wide,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=keys,
            max_position_embeddings=32_768,
            tie_word_embeddings=True,
            attn_implementation="sdpa",
        )
        with torch.device(self.device):
            model = Qwen2ForCausalLM(config)
        for p in model.parameters():
            p.data = p.data.bfloat16().float()
        if adapters:
            adapt(model, run.config.quantization, 1)
            if run.precision == torch.bfloat16:
                lower_frozen(model)
        model.to(self.device)
        self.free()
        return model

    def trainer(self, run: setup.Run, model: nn.Module) -> Trainer:
        rows = setup.open_training_rows(run)
        run = setup.with_defaults(run, rows)
        batches = setup.make_batches(run, rows)
        return starting.make_trainer(run, model, batches, State())

    def hooks(self) -> Hooks:
        nothing = EvaluationScores(headline=Score(nats=1.0, num_tokens=1, num_bytes=1))
        return Hooks(
            evaluate=lambda: nothing,
            save=lambda: None,
            save_best=lambda evaluation: None,
            report=lambda event, values: None,
            say=self.said.append,
            must_stop=lambda: False,
        )

    def advance(self, trainer: Trainer, count: int, must_stop: Callable[[], bool] = lambda: False) -> None:
        """`count` more steps, as the loop makes them, none of them logged; `must_stop` is asked before each."""
        last = trainer.state.step + count
        trainer.limits = replace(
            trainer.limits, max_steps=last, logging_steps=10**9, save_steps=10**9, eval_steps=None
        )
        trainer.train(replace(self.hooks(), must_stop=must_stop))
        self.wait()

    def measure(self, trainer: Trainer, *, warm: int = 3, count: int = 12) -> Seen:
        """Steps after `warm` others."""
        if self.is_small:
            warm, count = 1, 2
        self.advance(trainer, warm)
        before = replace(trainer.log_period)
        first_wait_s = []  # nobody foresaw the first batch of a call

        def see_first_wait() -> bool:
            waited_s = trainer.log_period.data_wait_s
            if waited_s > before.data_wait_s and not first_wait_s:
                first_wait_s.append(waited_s)
            return False

        started_at = time.perf_counter()
        self.advance(trainer, count, see_first_wait)
        elapsed_s = time.perf_counter() - started_at
        period = trainer.log_period
        tokens, flops = period.num_tokens - before.num_tokens, period.flops - before.flops
        whole = tokens * (trainer.flops.per_token + trainer.flops.per_pair * trainer.batches.rows.window / 2)
        peak = devices.peak_flops(self.device) or 1e12
        return Seen(
            tokens_per_s=tokens / elapsed_s,
            step_ms=1e3 * elapsed_s / count,
            mfu=flops / elapsed_s / peak,
            mfu_whole_window=whole / elapsed_s / peak,
            data_wait=(period.data_wait_s - (first_wait_s or [before.data_wait_s])[0]) / elapsed_s,
            peak_gib=devices.peak_memory_bytes(self.device) / devices.GIB,
            planned_gib=None if trainer.memory is None else trainer.memory.peak / devices.GIB,
            micro_batch=trainer.state.micro_batch_size,
            last_loss=(period.nats - before.nats) / max(period.weight - before.weight, 1e-9),
        )

    def command(self, *arguments: str, timeout_s: float = 200) -> tuple[int, str]:
        """The trainer as a user starts it."""
        common = ["--config", str(CONFIG), "--sequences", str(self.sequences), "--device", self.device.type]
        code, said, told = self.script(
            "training.model_trainer_unified", *common, *arguments, timeout_s=timeout_s
        )
        return code, said + told

    def script(
        self, module: str, *arguments: str, text: str = "", timeout_s: float = 120
    ) -> tuple[int, str, str]:
        """(exit code, output, errors) of a script that is given `text`; in the small form within this process."""
        if self.is_small:
            said, told = io.StringIO(), io.StringIO()
            with mock.patch.multiple("sys", stdin=io.StringIO(text), stdout=said, stderr=told):
                code = importlib.import_module(module).main(list(arguments))
            return code, said.getvalue(), told.getvalue()
        line = [sys.executable, ROOT / f"{module.replace('.', '/')}.py", *arguments]
        done = programs.run(
            line, input=text, capture_output=True, text=True, timeout=timeout_s, env=os.environ
        )
        return done.returncode, done.stdout, done.stderr

    # --- the device --------------------------------------------------------------------------------------

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def time_ms(self, work, count: int = 10) -> float:
        """Milliseconds of `work()`, the mean of `count` after three that warm up."""
        for _ in range(1 if self.is_small else 3):
            work()
        self.wait()
        count = 1 if self.is_small else count
        started_at = time.perf_counter()
        for _ in range(count):
            work()
        self.wait()
        return 1e3 * (time.perf_counter() - started_at) / count

    def clean(self) -> None:
        """Give memory back, forget peaks and compiled code, lift the limit."""
        torch._dynamo.reset()
        devices.limit_memory(self.device, None)
        self.free()
        shutil.rmtree(self.work, ignore_errors=True)
        self.said.clear()

    def free(self) -> None:
        """Give back what nobody holds, and forget peaks."""
        if not self.is_small:
            gc.collect()
        devices.free_cached_memory()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def syncs(self, work) -> list[str]:
        """Places where `work()` waits for the device."""
        if self.device.type != "cuda":
            work()
            return []
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return [f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchron" in str(w.message)]

    def parts(self, trainer: Trainer, count: int) -> dict[str, float]:
        """Milliseconds of a step's parts, the mean over `count` steps of one micro-batch each."""
        objective, marks = trainer.objective, []
        kept = objective._hidden, objective.forward, trainer._apply

        def mark() -> None:
            if self.device.type == "cuda":
                marks.append(torch.cuda.Event(enable_timing=True))
                marks[-1].record()
            else:
                marks.append(time.perf_counter())

        def marked(work, *, before: bool):
            def run(*args, **kwargs):
                if before:
                    mark()
                found = work(*args, **kwargs)
                mark()
                return found

            return run

        objective._hidden, objective.forward = marked(kept[0], before=True), marked(kept[1], before=False)
        trainer._apply = marked(kept[2], before=True)
        try:
            self.advance(trainer, count)
        finally:
            objective._hidden, objective.forward, trainer._apply = kept
        names = "backbone_ms", "loss_ms", "backward_ms", "update_ms"
        steps = [marks[at : at + 5] for at in range(0, len(marks), 5)]
        return {
            name: sum(_elapsed_ms(step[n], step[n + 1]) for step in steps) / len(steps)
            for n, name in enumerate(names)
        }

    def profile(self, work, *, longest: int = 10) -> tuple[list[str], float]:
        """(the kernels that take longest, with their shares; share of the time in which the device has no work)."""
        from torch.profiler import ProfilerActivity, profile

        kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if self.device.type == "cuda" else [])
        self.wait()
        started_at = time.perf_counter()
        with profile(activities=kinds) as taken:
            work()
            self.wait()
            elapsed_us = 1e6 * (time.perf_counter() - started_at)
        on_gpu = self.device.type == "cuda"
        spent = {}
        for event in taken.events():
            is_kernel = event.device_type == torch.autograd.DeviceType.CUDA
            is_mark = event.name.startswith(("Optimizer.", "ProfilerStep"))  # spans over others
            if (is_kernel or not on_gpu) and not is_mark:
                length = event.self_device_time_total if on_gpu else event.self_cpu_time_total
                before = spent.get(event.name, (0, 0))
                spent[event.name] = before[0] + length, before[1] + 1
        total = sum(length for length, _ in spent.values()) or 1
        entries = sorted(spent.items(), key=lambda entry: -entry[1][0])[:longest]
        lines = [
            f"{100 * us / total:.1f} % {us / 1e3:.2f} ms in {count}: {name[:100]}"
            for name, (us, count) in entries
        ]
        return lines, max(0.0, 1 - total / elapsed_us) if on_gpu else 0.0


def _elapsed_ms(first, second) -> float:
    return 1e3 * (second - first) if isinstance(first, float) else first.elapsed_time(second)


def num_graphs() -> int:
    """Graphs that were compiled in this process since the last reset."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]
