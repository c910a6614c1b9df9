"""The model a run starts from: a preset of fresh weights, a named model, or the weights of an earlier run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from effectiveness.common.records import UserError
from effectiveness.trainer import checkpoint, devices, models
from effectiveness.trainer.adapters import lower_frozen
from effectiveness.trainer.context_record import name_of, record_context
from effectiveness.trainer.fitting import one_line_where_memory_ends
from effectiveness.trainer.gap_record import CAN_FILL, can_fill, record_gaps
from effectiveness.trainer.setup import CHECKPOINTS, Run, finished_model
from effectiveness.trainer.tokenizer_match import compare_tokenizers


def build_model(run: Run, num_train_tokens: int) -> tuple[nn.Module, str]:
    """(model on the device, what it is in words). Weights are float32; frozen ones bfloat16 where no bit is lost."""
    settings = run.config.model
    name = finished_model(run.source) or settings.pretrained_model
    new_ids: frozenset[int] = frozenset()
    if name is None:
        preset = models.choose_preset(
            settings.preset, num_train_tokens, run.device, devices.memory_bytes(run.device)
        )
        model = _build_preset(run, preset)
        setattr(model.config, CAN_FILL, False)
        what = f"preset {preset}, from scratch"
    else:
        model, new_ids = _load_model(run, name)
        what = f"{name}"
    if run.source is not None and not finished_model(run.source):
        _load_step_checkpoint(run.source, model)
        what = f"{what}, weights of {run.source}"
    if run.config.objectives.fim_rate:
        record_gaps(model, run.config.objectives.fim_rate)
    if run.config.data.repository_context:
        record_context(model, run.config.data.repository_context, name_of(run.dataset))
    if run.config.quantization.lora_enabled:
        count = models.adapt(model, run.config.quantization, run.config.training.seed, new_ids)
        what = f"{what}, LoRA on {count} layers"
        what += f" and {len(new_ids)} new tokens" if new_ids else ""
        what += f", its weights in {bits} bits" if (bits := run.config.quantization.bits) else ""
        if run.precision == torch.bfloat16:
            lower_frozen(model)
    size = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())) / devices.GIB
    with one_line_where_memory_ends(
        lambda: (
            f"out of memory: the weights of {what} alone need {size:.1f} GiB of {devices.describe(run.device)}; "
            "take a smaller model"
        )
    ):
        return model.to(run.device), what


def _build_preset(run: Run, preset: str) -> nn.Module:
    settings, window = run.config.model, run.dataset.window
    positions = settings.max_position_embeddings or window
    models.check_positions("model.max_position_embeddings", positions, window)
    return models.build_preset(
        preset,
        vocab_size=run.dataset.vocab_size,
        max_positions=positions,
        control=run.vocabulary.control,
        seed=run.config.training.seed,
        dropout=settings.dropout or 0.0,
    )


def _load_model(run: Run, name: str) -> tuple[nn.Module, frozenset[int]]:
    """(the model, new tokens that a frozen one must learn). Rows of all that are new to it are drawn."""
    if run.config.model.max_position_embeddings is not None:
        raise UserError(f"model.max_position_embeddings is for models from scratch; {name} has its own")
    model = models.load_pretrained(
        name,
        window=run.dataset.window,
        vocab_size=run.dataset.vocab_size,
        seed=run.config.training.seed,
    )
    added: frozenset[int] = frozenset()
    if run.source is None:
        added = compare_tokenizers(f"model.pretrained_model: {name}", name, run.vocabulary)
    models.draw_rows(model, added, run.config.training.seed)
    directory = Path(name) if Path(name).is_dir() else None
    setattr(model.config, CAN_FILL, can_fill(model, run.vocabulary, directory, added))
    if run.config.model.dropout:
        models.add_dropout(model, run.config.model.dropout)
    return model, _to_learn(run, added)


def _to_learn(run: Run, added: frozenset[int]) -> frozenset[int]:
    """All of `added`, if the task needs one of them."""
    control, objectives = run.vocabulary.control, run.config.objectives
    needed: set[int | None] = {control.begin, control.end}
    needed |= {control.fim_prefix, control.fim_middle, control.fim_suffix} if objectives.fim_rate else set()
    quoting = control.context if run.config.data.repository_context else None
    needed |= set(quoting.ids) if quoting else set()
    needed |= {control.mask} if objectives.mask_rate else set()
    return added if needed & added else frozenset()


def _load_step_checkpoint(source: Path, model: nn.Module) -> None:
    """Weights of an interrupted run: of the newest whole checkpoint under `source`, or of `source` itself."""
    notes: list[str] = []
    try:
        if (source / checkpoint.MANIFEST).is_file():
            found: checkpoint.Checkpoint | None = checkpoint.read(source)
        else:
            found = checkpoint.newest(source / CHECKPOINTS, notes.append)
        if found is None:
            why = f": {notes[-1].partition(';')[0]}" if notes else ""
            raise UserError(
                f"--checkpoint {source} holds neither a finished model nor a whole checkpoint{why}"
            )
        checkpoint.load_model_tensors(model, found.tensors["model"])
        setattr(model.config, CAN_FILL, bool(found.facts["config"]["objectives"]["fim_rate"]))
    except checkpoint.DamagedCheckpoint as error:
        raise UserError(f"--checkpoint {source} cannot be used: {error}") from error
