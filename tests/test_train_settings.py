"""Every key of the configuration changes what a run does, or is refused by name. None is ignored.

Of the founding system's 56 keys 31 were never read.
"""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from training_fixtures import SmallFile, exact_metrics, program, use_tiny_models, write_dataset

from effectiveness.trainer import devices, finishing, models
from effectiveness.trainer.adapters import share_of
from effectiveness.trainer.config import SECTIONS
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.engines import Sharded, make_engine
from effectiveness.trainer.metrics import METRICS
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.shapes import Preset
from effectiveness.trainer.starting import wants_compile, work_of_run
from training.model_trainer_unified import main

KEYS = [f"{section}.{f.name}" for section, kind in SECTIONS.items() for f in dataclasses.fields(kind)]

SHORT = {
    "optimization.batch_size": "2",
    "optimization.learning_rate": "0.02",
    "optimization.warmup_steps": "1",
    "training.max_steps": "5",
    "training.logging_steps": "1",
    "data.curriculum": "none",
    "evaluation.max_windows": "2",
    "evaluation.completions": "0",
    "output.report": "false",
    "output.tensorboard": "false",
}
SAMPLING = {"inference.do_sample": "true"}
ADAPTED = {"model.pretrained_model": "{finished}", "quantization.lora_enabled": "true"}
PATIENT = {"training.eval_steps": "1", "training.max_steps": "9", "optimization.learning_rate": "1.0"}
EPOCHS = {
    "training.max_steps": "null",
    "optimization.warmup_steps": "0",
    "data.variants": "false",
    "optimization.batch_size": "16",
}

# key -> another value, and what else both runs need so that it can be seen
CHANGES = {
    "model.preset": ("base", {}),
    "model.pretrained_model": ("{finished}", {}),
    "model.torch_dtype": ("bfloat16", {}),
    "model.max_position_embeddings": ("256", {}),
    "model.dropout": ("0.3", {}),
    "quantization.lora_enabled": ("true", {"model.pretrained_model": "{finished}"}),
    "quantization.lora_rank": ("4", ADAPTED),
    "quantization.lora_alpha": ("8", ADAPTED),
    "quantization.lora_dropout": ("0.5", ADAPTED),
    "quantization.lora_target_modules": ("[q_proj]", ADAPTED),
    "quantization.load_in_4bit": ("true", ADAPTED),
    "quantization.load_in_8bit": ("true", ADAPTED),
    "quantization.lora_rslora": ("true", ADAPTED),
    "quantization.lora_dora": ("true", ADAPTED),
    "data.weighting": ("visits", {}),
    "data.fresh_cuts": ("false", {"data.variants": "false"}),
    "data.window_growth": ("1.0", {}),
    "data.overlap": ("true", {}),
    "data.curriculum": ("stages", {}),
    "data.curriculum_fraction": ("1.0", {"data.curriculum": "warmup_fraction"}),
    "data.variants": ("true", {}),
    "data.packing": ("false", {}),
    "data.replay": ("{replayed}", {"optimization.batch_size": "4"}),
    "data.replay_share": ("0.5", {"data.replay": "{replayed}", "optimization.batch_size": "4"}),
    "objectives.fim_rate": ("1.0", {}),
    "objectives.mask_rate": ("1.0", {"objectives.fim_rate": "0.0"}),
    "optimization.batch_size": ("3", {}),
    "optimization.gradient_accumulation_steps": ("2", {}),
    "optimization.learning_rate": ("0.01", {}),
    "optimization.lr_scheduler": ("linear", {}),
    "optimization.warmup_steps": ("3", {}),
    "optimization.warmup_ratio": ("0.6", {"optimization.warmup_steps": "null"}),
    "optimization.cooldown_fraction": ("0.8", {}),
    "optimization.min_lr_ratio": ("0.5", {"optimization.cooldown_fraction": "0.8"}),
    "optimization.optimizer": ("adamw", {}),
    "optimization.weight_decay": ("3.0", {}),
    "optimization.embedding_weight_decay": ("3.0", {}),
    "optimization.beta1": ("0.5", {}),
    "optimization.beta2": ("0.5", {}),
    "optimization.max_grad_norm": ("0.01", {"optimization.optimizer": "muon"}),
    "optimization.mixed_precision": ("bf16", {}),
    "training.num_epochs": ("2", EPOCHS | {"training.num_epochs": "1"}),
    "training.max_steps": ("4", {}),
    "training.save_steps": ("2", {}),
    "training.save_total_limit": ("1", {"training.save_steps": "2"}),
    "training.eval_steps": ("1", {}),
    "training.logging_steps": ("2", {}),
    "training.seed": ("7", {}),
    "training.patience": ("1", PATIENT | {"optimization.lr_scheduler": "constant"}),
    "evaluation.max_windows": ("3", {}),
    "evaluation.completions": ("1", {"output.report": "true"}),
    "inference.max_new_tokens": ("9", {}),
    "inference.do_sample": ("true", {}),
    "inference.temperature": ("0.5", SAMPLING),
    "inference.top_p": ("0.5", SAMPLING),
    "inference.top_k": ("3", SAMPLING),
    "inference.repetition_penalty": ("1.2", {}),
    "output.tensorboard": ("true", {}),
    "output.report": ("true", {}),
}  # fmt: skip
REFUSED = {
    "model.tokenizer_name": "{other}",
    "device_backend.device": "mps",
}
SEEN_ELSEWHERE = {  # key -> the test below
    "quantization.lora_choose_scale": "test_the_adapters_of_the_recipe_add_the_share_that_is_best_on_val",
    "optimization.gradient_checkpointing": "test_gradient_checkpointing_is_switched_on",
    "training.max_bad_steps": "test_max_bad_steps_is_counted",
    "device_backend.compile": "test_compile_is_chosen_where_it_pays_a_larger_model_sooner",
    "device_backend.distributed": "test_distributed_chooses_the_engine",
    "device_backend.memory_gib": "test_memory_gib_is_what_may_be_used",
    "device_backend.deterministic": "test_deterministic_is_switched_on",
    "output.directory": "test_the_output_directory_is_the_configured_one",
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tiny_models(monkeypatch)
    wider = Preset(hidden_size=48, num_layers=1, num_heads=2, feed_forward=48)
    monkeypatch.setitem(models.PRESETS, "base", wider)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    import random

    roles = ("core", "util", "test")
    files = [
        SmallFile(f"{split}{i}.py", roles[i % 3], split, program(random.Random(i), 1 + i % 5))
        for split in ("train", "val", "test")
        for i in range(6 if split == "train" else 3)
    ]
    return write_dataset(tmp_path_factory.mktemp("data") / "d", window=64, files=files)


@pytest.fixture(scope="module")
def places(sequences, tmp_path_factory):
    """A finished model over the dataset's tokenizer, and another tokenizer."""
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    finished = tmp_path_factory.mktemp("finished") / "m"
    assert run(sequences, finished, {}) == 0
    patch.undo()
    other = write_dataset(tmp_path_factory.mktemp("other") / "d", vocab_size=280).parent / "tokenizer"
    return {"finished": str(finished), "other": str(other), "replayed": str(sequences.parent)}


def run(sequences: Path, output: Path, settings: dict[str, str]) -> int:
    arguments = ["--sequences", str(sequences), "--output", str(output)]
    for key, value in (SHORT | {"device_backend.device": "cpu"} | settings).items():
        arguments += ["--set", f"{key}={value}"]
    return main(arguments)


_seen: dict[str, dict] = {}  # settings of a base run -> what it left; many keys share one


def outcome(sequences: Path, output: Path, settings: dict[str, str]) -> dict:
    """All that a run leaves behind, but for what the wall clock decides."""
    name = json.dumps(settings, sort_keys=True)
    if name not in _seen:
        assert run(sequences, output, settings) == 0
        files = [path for path in output.rglob("*") if path.is_file()]
        weights = output / "model.safetensors"
        _seen[name] = {
            "files": sorted(str(path.relative_to(output)) for path in files),
            "metrics": exact_metrics(output),
            "config": (output / "config.json").read_text(),
            "generation": (output / "generation_config.json").read_text(),
            "weights": weights.read_bytes(),
            "card": (output / "README.md").read_text(),
        }
    return _seen[name]


def test_every_key_is_in_one_of_the_tables():
    assert sorted([*CHANGES, *REFUSED, *SEEN_ELSEWHERE]) == sorted(KEYS)
    assert set(SEEN_ELSEWHERE.values()) <= set(globals())


@pytest.mark.parametrize("key", CHANGES)
def test_the_key_changes_what_a_run_leaves(sequences, places, tmp_path, key):
    value, needed = CHANGES[key]
    base = {k: v.format(**places) for k, v in needed.items()}
    before = outcome(sequences, tmp_path / "before", base)
    after = outcome(sequences, tmp_path / "after", base | {key: value.format(**places)})
    assert before != after
    if key.startswith("inference."):
        assert before["generation"] != after["generation"]
    elif key.startswith(("data.", "objectives.", "optimization.")):
        assert before["metrics"] != after["metrics"]


@pytest.mark.parametrize("key", REFUSED)
def test_the_key_is_refused_by_name(sequences, places, tmp_path, capsys, key):
    assert run(sequences, tmp_path / "m", {key: REFUSED[key].format(**places)}) == 2
    error = capsys.readouterr().err
    assert key in error or "--device mps" in error


def test_gradient_checkpointing_is_switched_on(sequences, tmp_path):
    from training_fixtures import open_trainer, quiet_hooks

    _, trainer = open_trainer(sequences, tmp_path, "optimization.gradient_checkpointing=true")
    passes = []
    trainer.model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    trainer._one_step(quiet_hooks())
    assert len(passes) == 2  # forward, and again in the backward pass


def test_memory_gib_is_what_may_be_used(sequences, tmp_path):
    from training_fixtures import open_trainer

    device = torch.device("cpu")
    whole = devices.memory_bytes(device)
    try:
        open_trainer(sequences, tmp_path, "device_backend.memory_gib=0.5")
        assert devices.memory_bytes(device) == devices.GIB // 2 < whole
    finally:
        devices.limit_memory(device, None)
    assert devices.memory_bytes(device) == whole


def test_the_adapters_of_the_recipe_add_the_share_that_is_best_on_val(
    sequences, places, tmp_path, monkeypatch, capsys
):
    from safetensors.torch import load_file

    whole, weaker = tmp_path / "whole", tmp_path / "weaker"
    settings = {"recipe": "adapter", "model.pretrained_model": places["finished"]}
    assert run(sequences, whole, settings | {"quantization.lora_choose_scale": "false"}) == 0
    scored = finishing._score_split

    def as_if_less_were_better(run, trainer, split, must_stop):
        found = scored(run, trainer, split, must_stop)
        nats = share_of(trainer.model) * found.headline.num_tokens
        return dataclasses.replace(
            found, headline=dataclasses.replace(found.headline, nats=nats, counted=None)
        )

    monkeypatch.setattr(finishing, "_score_split", as_if_less_were_better)
    assert run(sequences, weaker, settings) == 0
    said = capsys.readouterr().out
    assert (
        "adapters add 0.6 of what was trained: Val Loss 1.0000 with 1, 0.8000 with 0.8, 0.6000 with 0.6"
        in said
    )
    tensors = [load_file(Path(place) / "model.safetensors") for place in (places["finished"], whole, weaker)]
    base, full, part = (found["model.layers.0.mlp.up_proj.weight"] for found in tensors)
    assert not torch.equal(base, full) and torch.allclose(part - base, 0.6 * (full - base), atol=1e-6)
    described = json.loads((weaker / "adapter" / "adapter_config.json").read_text())
    assert described["lora_alpha"] == pytest.approx(0.6 * 64)


@pytest.mark.parametrize("limit", [2, 4])
def test_max_bad_steps_is_counted(sequences, tmp_path, capsys, monkeypatch, limit):
    whole = Objective.forward
    monkeypatch.setattr(
        Objective,
        "forward",
        lambda self, b, **o: whole(self, b, **o) * (1 if o.get("per_token") else math.nan),
    )
    assert run(sequences, tmp_path / "m", {"training.max_bad_steps": str(limit)}) == 1
    assert f"{limit} steps in a row" in capsys.readouterr().err


def test_compile_is_chosen_where_it_pays_a_larger_model_sooner(sequences, tmp_path):
    chosen = {c: load_config(None, [f"device_backend.compile={c}"]) for c in ("on", "off", "auto")}
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert wants_compile(chosen["on"], cpu, 1) and not wants_compile(chosen["off"], cuda, 1e18)
    assert wants_compile(chosen["auto"], cuda, 1e18)
    assert not wants_compile(chosen["auto"], cuda, 1e12) and not wants_compile(chosen["auto"], cpu, 1e18)
    from training_fixtures import open_trainer

    run, trainer = open_trainer(sequences, tmp_path, "training.max_steps=3")
    parameters = sum(p.numel() for p in trainer.model.parameters())
    tokens = 3 * trainer.batches.packs_per_step * run.dataset.window
    assert work_of_run(run, trainer.model, trainer.batches) == parameters * tokens


def test_distributed_chooses_the_engine(monkeypatch):
    import torch.distributed as dist

    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "localhost"),
        ("MASTER_PORT", "29500"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dist, "init_process_group", lambda *a, **o: None)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    kinds = [type(make_engine(torch.device("cpu"), choice)) for choice in ("ddp", "fsdp")]
    assert kinds[1] is Sharded and kinds[0] is not Sharded


def test_deterministic_is_switched_on(sequences, tmp_path):
    try:
        assert run(sequences, tmp_path / "m", {"device_backend.deterministic": "true"}) == 0
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_output_directory_is_the_configured_one(sequences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--sequences", str(sequences), "--device", "cpu", "--set", "output.directory=here"]
    for key, value in SHORT.items():
        arguments += ["--set", f"{key}={value}"]
    assert main(arguments) == 0
    assert (tmp_path / "here" / "model.safetensors").is_file()


def test_every_metric_of_the_table_is_in_the_metrics_file(places):
    steps = [r for r in exact_metrics(Path(places["finished"])) if r["event"] == "step"]
    from effectiveness.trainer.metrics import WALL_CLOCK

    assert steps and set(METRICS) - set(WALL_CLOCK) <= set(steps[0])
