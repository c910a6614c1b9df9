"""Checkpoints: safetensors and JSON, published in one rename, checked by digest when they are read.

    OUTPUT/checkpoints/step-00000500/   model.safetensors   trained weights by name
                                        optimizer.safetensors
                                        checkpoint.json     the loop's state, sha256 of each file; written last
                       best/            model.safetensors and checkpoint.json of the lowest held-out loss

A step's randomness is keyed by (seed, step), so there is no generator state to save.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from effectiveness.common.boundary import is_out_of_memory
from effectiveness.common.jsonl import digest, read_metadata, write_metadata
from effectiveness.common.publish import publishing
from effectiveness.common.records import UserError
from effectiveness.trainer.engines import shard_like, whole

MANIFEST = "checkpoint.json"
FORMAT = 1
OWNED = (
    MANIFEST,
    "model.safetensors",
    "optimizer.safetensors",
    "ema.safetensors",
)  # the last one of older runs
REMOVING = ".removing-"
LEFT_BEHIND = re.compile(r"\.(step-\d{8,}|best)\.(lock|previous|staging-[0-9]+-[0-9a-f]{8})")
STEP_NAME = re.compile(r"step-(\d{8,})")


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read and whose digests are right."""

    path: Path
    state: dict
    facts: dict
    tensors: dict[str, dict[str, torch.Tensor]]  # file stem -> tensors by name


def model_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Trained weights by name, whole and on the CPU. Every process must call it."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return {name: to_save(p) for name, p in named}


def optimizer_tensors(optimizers: list, model: nn.Module) -> dict[str, torch.Tensor]:
    """Optimizer state as "index.key:parameter name" -> tensor. Every process must call it."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        f"{index}.{key}:{names[id(p)]}": to_save(value)
        for index, optimizer in enumerate(optimizers)
        for p, values in optimizer.state.items()
        for key, value in values.items()
        if isinstance(value, torch.Tensor)
    }


def to_save(tensor: torch.Tensor) -> torch.Tensor:
    return whole(tensor.detach()).to("cpu", copy=False).contiguous()


def load_model_tensors(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Put weights back; raises DamagedCheckpoint when names or shapes are of another model."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if set(parameters) != set(tensors):
        odd = sorted(set(parameters) ^ set(tensors))[0]
        raise DamagedCheckpoint(f"it is of another model ({odd} is in one of them only)")
    with torch.no_grad():
        for name, p in parameters.items():
            if p.shape != tensors[name].shape:
                raise DamagedCheckpoint(f"it is of another model ({name} has another shape)")
            if tensors[name].dtype != p.dtype:
                raise DamagedCheckpoint(f"{name} is {tensors[name].dtype}, expected {p.dtype}")
            if not bool(torch.isfinite(tensors[name]).all()):
                raise DamagedCheckpoint(f"{name} holds numbers that are not finite")
            p.copy_(shard_like(tensors[name], p))


def load_optimizer_tensors(optimizers: list, model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Put optimizer state back, where `load_state_dict` expects it; learning rates are the configuration's."""
    parameters = dict(model.named_parameters())
    for index, optimizer in enumerate(optimizers):
        optimizer.state.clear()
        for name, value in tensors.items():
            prefix, _, parameter = name.partition(":")
            number, _, key = prefix.partition(".")
            if int(number) == index:
                p = parameters[parameter]
                placed = shard_like(value, p) if value.shape == p.shape else value.to(p.device)
                optimizer.state[p][key] = placed


def save(path: Path, files: dict[str, dict[str, torch.Tensor]], *, state: dict, facts: dict) -> None:
    """Publish one checkpoint directory: all of it or nothing, whatever is killed when."""
    with publishing(path, manifest=MANIFEST, owned=OWNED, say=lambda note: None) as staging:
        digests = {}
        for stem, tensors in files.items():
            file = staging / f"{stem}.safetensors"
            write_tensors(file, tensors)
            digests[file.name] = digest(file).sha256
        manifest = {"format": FORMAT, "state": state, "facts": facts, "sha256": digests}
        write_metadata(staging / MANIFEST, manifest)


def write_tensors(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    """One safetensors file. Raises UserError (exit code 1) when the disk is full or fails."""
    try:
        save_file(tensors, file)
    except SafetensorError as error:  # what the library makes of an OSError
        raise UserError(f"cannot write {file.parent.name}/{file.name}: {error}", exit_code=1) from error


def read(path: Path) -> Checkpoint:
    """Read and verify a checkpoint. Raises DamagedCheckpoint."""
    try:
        manifest = read_metadata(path / MANIFEST)
        if manifest["format"] != FORMAT:
            raise DamagedCheckpoint(f"format {manifest['format']}, this trainer reads {FORMAT}")
        tensors = {}
        for name, expected in manifest["sha256"].items():
            if name not in OWNED or digest(path / name).sha256 != expected:
                raise DamagedCheckpoint(f"{name} is not what was written")
            tensors[name.partition(".")[0]] = load_file(path / name)
        return Checkpoint(path=path, state=manifest["state"], facts=manifest["facts"], tensors=tensors)
    except UserError as error:  # the manifest is missing, torn or edited
        raise DamagedCheckpoint(str(error).partition(";")[0]) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        _raise_if_memory_ended(error)
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from error
    except RuntimeError as error:  # what torch makes of a file that cannot be opened
        _raise_if_memory_ended(error)
        raise DamagedCheckpoint(f"{path.name} cannot be opened: {error}") from OSError(str(error))


def _raise_if_memory_ended(error: Exception) -> None:
    """That says nothing about the file: an older one, taken instead, would lose what was trained."""
    if is_out_of_memory(error):
        raise MemoryError from error


def newest(directory: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint under `directory` that is whole; `say` names each one passed over, and why."""
    for path in reversed(step_directories(directory)):
        try:
            return read(path)
        except DamagedCheckpoint as error:
            say(f"checkpoint {path.name} is damaged ({error}); trying the one before it")
    return None


def step_directories(directory: Path) -> list[Path]:
    """step-* directories, oldest first."""
    found = [
        (int(name[1]), path)
        for path in directory.glob("step-*")
        if (name := STEP_NAME.fullmatch(path.name)) and _is_real(path)
    ]
    return [path for _, path in sorted(found, key=lambda numbered: numbered[0])]


def keep_last(directory: Path, count: int) -> None:
    """Remove all but the newest `count` step checkpoints, and what a kill left of earlier removals."""
    remove(step_directories(directory)[:-count])
    for left in sorted(directory.glob(f"{REMOVING}*")):
        _remove_ours(left)


def recover(directory: Path) -> None:
    """Mend what kills while saving left: put back what was between two renames, remove what was half-written.

    Only for who holds the run's lock: then nobody is writing.
    """
    if not directory.is_dir():
        return
    for name in sorted(os.listdir(directory)):
        if name.startswith(REMOVING):
            _remove_ours(directory / name)
        if not (found := LEFT_BEHIND.fullmatch(name)):
            continue
        path, target = directory / name, directory / found[1]
        if found[2] == "lock":
            path.unlink()
        elif found[2] == "previous" and not target.exists():
            os.rename(path, target)
        else:
            _remove_ours(path)


def remove(checkpoints: Iterable[Path]) -> None:
    """Remove checkpoints, whole ones first out of sight: there is never a half-removed step-*."""
    for path in filter(_is_real, checkpoints):
        doomed = path.with_name(f"{REMOVING}{path.name}")
        _remove_ours(doomed)
        if not doomed.exists():
            os.rename(path, doomed)
            _remove_ours(doomed)


def _remove_ours(directory: Path) -> None:
    """Remove the files of a checkpoint; what else somebody put beside them stays, and the directory with it."""
    if not _is_real(directory):
        return
    for name in OWNED:
        (directory / name).unlink(missing_ok=True)
    if not os.listdir(directory):
        directory.rmdir()


def _is_real(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
