"""The loop: it learns, it counts, and what is not finite or does not fit leaves no trace in the weights."""

import math

import numpy as np
import pytest
import torch
from training_fixtures import (
    SmallFile,
    command,
    exact_metrics,
    losses,
    open_trainer,
    quiet_hooks,
    weights_of,
    write_dataset,
)

from effectiveness.common.records import UserError
from effectiveness.trainer.metrics import read_metrics
from effectiveness.trainer.optimizers import Schedule, make_schedule
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

GOLDEN = (
    *(5.72937, 5.70149, 5.68405, 5.61903, 5.59725, 5.53775, 5.49355, 5.44771, 5.40599, 5.33838),
    *(5.28941, 5.2516, 5.20997, 5.14735, 5.1054, 5.08081, 5.01012, 5.00656, 4.96811, 4.96457),
)


def test_a_tiny_model_learns_two_files_by_heart_below_5_hundredths_of_a_nat(tmp_path):
    text = "def total(count):\n    return count + 1\n\nclass Row:\n    shape = (3, 4)\n"
    files = [SmallFile(f"{s}.py", "util", s, text + s) for s in ("train", "val", "test")]
    sequences = write_dataset(tmp_path / "d", window=64, files=files, masked=False)
    flags = (
        "--epochs",
        "120",
        "--set",
        "optimization.learning_rate=0.004",  # Muon: 20 times that
        "--set",
        "optimization.warmup_steps=5",
        "--set",
        "objectives.fim_rate=0",
    )
    assert main(command(sequences, tmp_path / "m", *flags, "--set", "optimization.beta2=0.95")) == 0
    assert losses(tmp_path / "m")[-1] < 0.05


def test_the_curve_of_twenty_steps_is_the_golden_one(sequences, tmp_path):
    """A refactoring must give the same losses; after a deliberate change, put the new ones here."""
    flags = ("--set", "training.max_steps=20", "--set", "training.logging_steps=1", "--seed", "7")
    flags += ("--set", "optimization.optimizer=adamw", "--set", "optimization.learning_rate=0.001")
    flags += ("--set", "objectives.fim_rate=0")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    curve = losses(tmp_path / "m")
    assert len(curve) == 20
    assert curve == pytest.approx(GOLDEN, abs=2e-4)


def test_two_equal_runs_write_equal_metrics_and_another_seed_others(sequences, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(command(sequences, tmp_path / name, "--epochs", "1", "--seed", seed)) == 0
    assert exact_metrics(tmp_path / "a") == exact_metrics(tmp_path / "b") != exact_metrics(tmp_path / "c")


def test_epochs_are_exact(sequences, tmp_path, capsys):
    assert main(command(sequences, tmp_path / "m", "--epochs", "2")) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if "Train Loss:" in line and "Val Loss:" in line]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert printed[-1] == "COMPLETE"


def test_an_evaluation_within_an_epoch_is_a_line_and_its_end_is_no_second_one(sequences, tmp_path, capsys):
    flags = ("--set", "training.max_steps=6", "--set", "training.eval_steps=2")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    found = [
        line.split("Val Loss")[0].split()
        for line in capsys.readouterr().out.splitlines()
        if "Val Loss" in line
    ]
    assert [words[:2] for words in found] == [
        ["before", "training"],
        ["step", "2"],
        ["step", "4"],
        ["Epoch", "1/3"],
    ]


def test_the_train_loss_of_an_epoch_is_the_token_mean_of_its_steps(sequences, tmp_path):
    """The founding system's was too small by the accumulation factor."""
    for accumulation in ("1", "3"):
        output = tmp_path / accumulation
        flags = (
            "--epochs",
            "1",
            "--set",
            "training.logging_steps=1",
            "--set",
            "optimization.learning_rate=1e-9",
        )
        flags += ("--set", f"optimization.gradient_accumulation_steps={accumulation}")
        assert main(command(sequences, output, *flags)) == 0
        records = read_metrics(output / "training_metrics.jsonl")
        steps = [r for r in records if r["event"] == "step"]
        (epoch,) = [r for r in records if r["event"] == "epoch"]
        mean = sum(r["train_loss_nats"] * r["num_tokens"] for r in steps) / sum(
            r["num_tokens"] for r in steps
        )
        assert epoch["train_loss_nats"] == pytest.approx(mean, rel=1e-9)
        assert epoch["train_loss_nats"] == pytest.approx(math.log(300), abs=0.1)  # untrained: the uniform one


# --- steps that are not applied ----------------------------------------------------------------------------


def poison(trainer, step_with_nan: int) -> list[int]:
    """Make one step's loss NaN; returns (filled later) the seq_ids of its rows."""
    ids: list[int] = []
    whole = trainer.batches.micro_batches

    def poisoned(epoch, step, **options):
        batches = whole(epoch, step, **options)
        if trainer.state.step == step_with_nan:
            batches[0].weights[0, 0] = math.nan
            ids.extend(trainer.batches.rows.table["seq_id"][list(batches[0].rows)].tolist())
        return batches

    trainer.batches.micro_batches = poisoned
    return ids


def test_a_nan_batch_leaves_weights_optimizer_and_schedule_and_names_its_rows(sequences, tmp_path):
    _, trainer = open_trainer(sequences, tmp_path, "optimization.warmup_steps=5")
    said: list[str] = []
    ids = poison(trainer, step_with_nan=2)
    hooks = quiet_hooks(said)
    for _ in range(2):
        trainer._one_step(hooks)
    before, moments = weights_of(trainer), optimizer_state(trainer)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    trainer._one_step(hooks)
    assert trainer.state.num_updates == 2 and trainer.state.step == 3
    assert trainer.optimizers[0].param_groups[0]["lr"] == rate
    for name, weight in weights_of(trainer).items():
        assert torch.equal(before[name], weight)
    for a, b in zip(moments, optimizer_state(trainer), strict=True):
        assert torch.equal(a, b)
    (line,) = said
    assert line.startswith("step 2: loss is not finite, not applied; seq_ids ")
    assert all(str(seq_id) in line for seq_id in sorted(set(ids))[:16]) and ids
    trainer._one_step(hooks)
    assert trainer.state.num_updates == 3 and trainer.state.num_bad_in_a_row == 0


def optimizer_state(trainer) -> list[torch.Tensor]:
    states = [s for optimizer in trainer.optimizers for s in optimizer.state.values()]
    return [value.clone() for state in states for value in state.values() if isinstance(value, torch.Tensor)]


def test_a_nan_step_is_no_part_of_the_train_loss(sequences, tmp_path):
    _, trainer = open_trainer(sequences, tmp_path)
    poison(trainer, step_with_nan=1)
    for _ in range(3):
        trainer._one_step(quiet_hooks())
    assert math.isfinite(trainer.epoch_period.nats) and trainer.epoch_period.num_steps == 2


def test_too_many_bad_steps_in_a_row_stop_the_run(sequences, tmp_path, monkeypatch, capsys):
    from effectiveness.trainer.objective import Objective

    whole = Objective.forward
    monkeypatch.setattr(
        Objective,
        "forward",
        lambda self, b, **o: whole(self, b, **o) * (1 if o.get("per_token") else math.nan),
    )
    assert main(command(sequences, tmp_path / "m", "--set", "training.max_bad_steps=3")) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: stopped at step 2: 3 steps in a row were not finite")
    assert captured.out.splitlines()[-1] == "FAILED"


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_effective_batch(sequences, tmp_path):
    _, plain = open_trainer(sequences, tmp_path / "a", "optimization.batch_size=8")
    _, short = open_trainer(sequences, tmp_path / "b", "optimization.batch_size=8")
    fit_at_most(short, 3)
    said: list[str] = []
    for trainer in (plain, short):
        for _ in range(2):
            trainer._one_step(quiet_hooks(said))
    assert short.state.micro_batch_size == 2 and plain.state.micro_batch_size == 8
    assert said == [
        "out of memory: micro-batches of 4 instead of 8, the same effective batch",
        "out of memory: micro-batches of 2 instead of 4, the same effective batch",
    ]
    assert short.epoch_period.nats == pytest.approx(plain.epoch_period.nats, rel=1e-5)
    assert short.epoch_period.num_tokens == plain.epoch_period.num_tokens


def fit_at_most(trainer, num_sequences: int) -> None:
    whole = trainer.wrapped.forward

    def forward(batch, **options):
        if len(batch.input_ids) > num_sequences:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
            )
        return whole(batch, **options)

    trainer.wrapped.forward = forward


def test_memory_that_never_suffices_is_one_line_with_two_remedies(sequences, tmp_path):
    _, trainer = open_trainer(sequences, tmp_path)
    fit_at_most(trainer, 0)
    with pytest.raises(
        UserError, match=r"gradient_checkpointing: true, or build .* smaller --max-tokens"
    ) as caught:
        trainer._one_step(quiet_hooks())
    assert caught.value.exit_code == 1


def test_an_error_that_is_not_about_memory_is_not_retried(sequences, tmp_path):
    _, trainer = open_trainer(sequences, tmp_path)

    def broken(batch, **options):
        raise RuntimeError("shape mismatch")

    trainer.wrapped.forward = broken
    with pytest.raises(RuntimeError, match="shape mismatch"):
        trainer._one_step(quiet_hooks())


# --- schedule, patience ------------------------------------------------------------------------------------


def test_each_schedule_warms_up_and_ends_where_it_should():
    for shape, end in (("flat_cooldown", 0.0), ("cosine", 0.0), ("linear", 0.0), ("constant", 1.0)):
        schedule = Schedule(shape=shape, num_updates=100, warmup_updates=10, cooldown_updates=20)
        factors = [schedule.factor(update) for update in range(101)]
        assert factors[0] == pytest.approx(1 / 11) and factors[10] == pytest.approx(1.0, abs=1e-6)
        assert factors[100] == pytest.approx(end, abs=0.06)
        assert all(0 < f <= 1 for f in factors[:100])
    flat = Schedule(shape="flat_cooldown", num_updates=100, warmup_updates=10, cooldown_updates=20)
    assert {flat.factor(u) for u in range(10, 80)} == {1.0} and flat.factor(85) < 1
    floor = Schedule(shape="cosine", num_updates=100, warmup_updates=0, min_ratio=0.1)
    assert floor.factor(100) == pytest.approx(0.1)


def test_a_warmup_that_was_asked_for_is_honoured_or_refused_never_dropped():
    """Of the founding system's 1500 warm-up steps none was left."""
    from effectiveness.trainer.config import Optimization

    assert make_schedule(Optimization(warmup_steps=15), 100).warmup_updates == 15
    assert make_schedule(Optimization(warmup_ratio=0.3), 100).warmup_updates == 30
    assert make_schedule(Optimization(), 100_000).warmup_updates == 2000
    assert make_schedule(Optimization(), 20).warmup_updates == 2
    with pytest.raises(UserError, match=r"warmup_steps is 1500, but the whole run has 100 updates"):
        make_schedule(Optimization(warmup_steps=1500), 100)


def test_patience_ends_the_run_early_and_says_so(sequences, tmp_path, capsys):
    flags = ("--epochs", "50", "--set", "training.patience=2", "--set", "optimization.lr_scheduler=constant")
    flags += ("--set", "optimization.learning_rate=0.5", "--set", "optimization.warmup_steps=0")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    out = capsys.readouterr().out
    assert "held-out loss has not improved for 2 evaluations (patience): stopping" in out
    epochs = [line for line in out.splitlines() if line.startswith("Epoch")]
    assert 2 <= len(epochs) < 50


def test_patience_counts_only_what_was_read_in_windows_as_long_as_those_that_are_scored(
    sequences, tmp_path, capsys
):
    flags = ("--epochs", "8", "--set", "training.patience=1", "--set", "optimization.lr_scheduler=constant")
    flags += ("--set", "optimization.learning_rate=0.5", "--set", "optimization.warmup_steps=0")
    ended = {}
    for growth in (0, 0.5):
        directory = tmp_path / str(growth)
        assert main(command(sequences, directory, *flags, "--set", f"data.window_growth={growth}")) == 0
        epochs = [r for r in read_metrics(directory / "training_metrics.jsonl") if r["event"] == "epoch"]
        ended[growth] = len(epochs)
    assert ended[0] < 4 and ended[0.5] == 5, "the fifth epoch is the first of whole windows"


def test_patience_with_a_flat_schedule_cools_down_first(sequences, tmp_path, capsys):
    flags = ("--epochs", "40", "--set", "training.patience=1", "--set", "optimization.learning_rate=0.5")
    flags += ("--set", "optimization.warmup_steps=0", "--set", "optimization.cooldown_fraction=0.02")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "(patience)" in line]
    cooldown = int(line.split("cooling down for ")[1].split()[0])
    records = read_metrics(tmp_path / "m" / "training_metrics.jsonl")
    last = records[-1]["step"]
    announced = max(r["step"] for r in records if r["event"] == "epoch" and r["step"] <= last - cooldown)
    assert last == announced + cooldown


def test_the_exported_model_is_the_one_of_the_best_held_out_loss(sequences, tmp_path, capsys):
    flags = (
        "--epochs",
        "6",
        "--set",
        "optimization.learning_rate=0.3",
        "--set",
        "optimization.warmup_steps=0",
    )
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    records = read_metrics(tmp_path / "m" / "training_metrics.jsonl")
    best = min(r["val_loss_nats"] for r in records if r["event"] == "evaluation")
    assert best < records[-1]["val_loss_nats"] or np.isclose(best, records[-1]["val_loss_nats"])
    capsys.readouterr()
    assert main(command(sequences, tmp_path / "m", "--eval_only")) == 0
    printed = float(capsys.readouterr().out.split("Val Loss: ")[1].split()[0])
    assert printed == pytest.approx(best, abs=6e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_optimizer_and_precision_learns_and_keeps_float32_masters(
    sequences, tmp_path, optimizer, precision
):
    _, trainer = open_trainer(
        sequences,
        tmp_path,
        f"optimization.optimizer={optimizer}",
        f"optimization.mixed_precision={precision}",
    )
    for _ in range(12):
        trainer._one_step(quiet_hooks())
    assert trainer.epoch_period.nats / trainer.epoch_period.weight < math.log(300) - 0.05
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}


def test_fp16_skips_steps_until_the_loss_scale_fits_and_then_learns(sequences, tmp_path):
    _, trainer = open_trainer(
        sequences, tmp_path, "optimization.learning_rate=0.01", "training.max_bad_steps=30"
    )
    trainer.precision = torch.float16  # refused on a CPU by name, but its arithmetic works there
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    said: list[str] = []
    for _ in range(32):
        trainer._one_step(quiet_hooks(said))
    assert 5 < trainer.state.num_updates < 20 and trainer.state.step == 32
    assert len(said) == 32 - trainer.state.num_updates and trainer.scaler.get_scale() < 2**40
    assert all("gradient beyond fp16, not applied; the loss scale is now" in line for line in said)
    assert trainer.state_to_save()["loss_scale"]["scale"] == trainer.scaler.get_scale()
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_gradient_checkpointing_changes_no_gradient(sequences, tmp_path):
    runs = []
    for flag in ("false", "true"):
        _, trainer = open_trainer(
            sequences, tmp_path, f"optimization.gradient_checkpointing={flag}", "model.dropout=0.2"
        )
        trainer._one_step(quiet_hooks())
        runs.append(weights_of(trainer))
    for name, weight in runs[0].items():
        assert torch.allclose(weight, runs[1][name], atol=1e-6)
