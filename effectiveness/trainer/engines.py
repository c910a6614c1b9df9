"""One process, or several under torchrun: how gradients meet. The loop sees one small class and no world sizes.

Losses come to the loop divided by the target weight of the whole step over all processes; DDP and FSDP2 average
gradients over processes, so the loss is multiplied by their number before the backward pass.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn

from effectiveness.common.boundary import reason
from effectiveness.common.records import UserError
from effectiveness.trainer.command_line import ending_at_once, fail

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule


class SingleProcess:
    """Everything on one device."""

    rank, world_size = 0, 1
    shards_weights = False  # no process holds the whole model

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The module whose forward is called; parameters keep their names in `objective`."""
        return objective

    def accumulating(self, module: nn.Module, is_last: bool):
        """A context for one micro-batch's forward and backward."""
        return contextlib.nullcontext()

    def clip(self, parameters: list[nn.Parameter], max_norm: float) -> torch.Tensor:
        """Scale gradients down to `max_norm` (0: leave them) and return their norm before that."""
        limit = max_norm if max_norm > 0 else float("inf")
        return whole(nn.utils.clip_grad_norm_(parameters, limit))  # many at once where the device can

    def settle(self, module: nn.Module) -> None:
        """After forward passes without a backward pass: weights are again what the optimizer knows."""

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values` summed over processes, on every one."""
        return values

    def largest(self, number: int) -> int:
        """The largest that any process gives."""
        return number

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return bool(self.largest(int(flag)))

    def barrier(self) -> None:
        """Wait until every process is here."""

    def close(self) -> None:
        """Leave the process group."""


class DataParallel(SingleProcess):
    """Every process holds the model; gradients are averaged while the backward pass runs (DDP)."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            with ending_at_once("nothing was changed"):  # one that never comes is waited for
                dist.init_process_group(backend, timeout=timedelta(minutes=30))
        except dist.DistError as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise UserError(
                f"the processes of this run cannot meet at {place}: {reason(error)}; start all of them again, or "
                "give another --master_port",
                exit_code=1,
            ) from error
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()

    def wrap(self, objective: nn.Module) -> nn.Module:
        device_ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(objective, device_ids=device_ids)

    def accumulating(self, module: nn.Module, is_last: bool):
        assert isinstance(module, nn.parallel.DistributedDataParallel)
        return contextlib.nullcontext() if is_last else module.no_sync()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        placed = values.to(self.device)  # NCCL adds up GPU tensors only
        dist.all_reduce(placed)
        return placed.to(values.device)

    def largest(self, number: int) -> int:
        placed = torch.tensor(number, device=self.device)
        dist.all_reduce(placed, dist.ReduceOp.MAX)
        return int(placed.item())

    def barrier(self) -> None:
        dist.barrier()

    def close(self) -> None:
        dist.destroy_process_group()


class Sharded(DataParallel):
    """Every process holds a share of weights, gradients and optimizer state (FSDP2)."""

    shards_weights = True

    def wrap(self, objective: nn.Module) -> nn.Module:
        from torch.distributed.fsdp import fully_shard

        mesh = dist.device_mesh.init_device_mesh(self.device.type, (self.world_size,))
        for block in blocks(objective):
            fully_shard(block, mesh=mesh)
        fully_shard(objective, mesh=mesh)  # the same module, of another class
        return objective

    def accumulating(self, module: nn.Module, is_last: bool):
        _sharded(module).set_requires_gradient_sync(is_last)
        return contextlib.nullcontext()

    def settle(self, module: nn.Module) -> None:
        _sharded(module).reshard()  # the root's weights stay gathered until a backward pass


def _sharded(module: nn.Module) -> FSDPModule:
    """`module` by the class that `fully_shard` gave it."""
    from torch.distributed.fsdp import FSDPModule

    assert isinstance(module, FSDPModule)
    return module


def make_engine(device: torch.device, distributed: str) -> SingleProcess:
    """Without torchrun's environment one process, else `distributed` ("ddp" | "fsdp"), also over a single one."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys():
        return SingleProcess(device)
    _refuse_an_odd_place()
    if device.type == "mps":
        raise UserError("torchrun with several processes needs --device cuda or cpu, not mps")
    return Sharded(device) if distributed == "fsdp" else DataParallel(device)


def _refuse_an_odd_place() -> None:
    """The others would wait for a process that is none of theirs."""
    for name, least, below in (
        ("WORLD_SIZE", 1, 1_000_000),
        ("RANK", 0, int(os.environ["WORLD_SIZE"]) if os.environ["WORLD_SIZE"].isdecimal() else 1),
        ("MASTER_PORT", 1, 65_536),
    ):
        text = os.environ.get(name, "")
        if not (text.isascii() and text.isdecimal() and least <= int(text) < below):
            raise UserError(
                f"{name} of the environment must be a number in [{least}, {below}), got {text!r}; "
                "start the processes with torchrun, or unset RANK for one process"
            )


@contextlib.contextmanager
def joined(
    engine: SingleProcess, in_words: Callable[[], str] = lambda: "nothing was changed"
) -> Iterator[None]:
    """The work of the processes together; each leaves at its end, or with one line where another is gone.

    `in_words`: what stands on the disk then.
    """
    try:
        yield
    except RuntimeError as error:
        if engine.world_size == 1 or not is_lost_process(error):
            raise
        line = f"another process of this run has ended, or does not answer; {in_words()}"
        # Here and now: gloo's destructors wait for who is gone, half an hour long.
        os._exit(fail(line, 1))
    finally:
        engine.close()


def is_lost_process(error: RuntimeError) -> bool:
    """Whether the others cannot be reached: gloo says so in a RuntimeError without a class of its own."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor that may be sharded. Every process must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def shard_like(tensor: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """`tensor` on the device of `reference`, and sharded as it is."""
    tensor = tensor.to(reference.device)
    if not hasattr(reference, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(reference, DTensor)
    return distribute_tensor(tensor, reference.device_mesh, reference.placements)


def blocks(objective: nn.Module) -> list[nn.Module]:
    """The repeated blocks of a transformer: the longest module list that lies in no other (experts lie in blocks)."""
    lists = {name: m for name, m in objective.named_modules() if isinstance(m, nn.ModuleList)}
    outer = [m for name, m in lists.items() if not any(name.startswith(f"{other}.") for other in lists)]
    return list(max(outer, key=len, default=[]))
