"""Apple's Metal as torch shows it, on a CPU: tensors that say "mps", and what raises there raises here.

Every function of torch goes through a mode that knows which storages are on the device. It raises, in the words of
torch, for float64, memory that is pinned, `foreach=True`, bfloat16 on old systems, and for tensors of a CPU and of the
device in one operation. Dropout on the device draws from a generator of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_flatten, tree_map

METAL, CPU = torch.device("mps", 0), torch.device("cpu")
GIB = 1 << 30
NO_FLOAT64 = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)
TO_HOST = {torch.Tensor.tolist, torch.Tensor.item, torch.Tensor.numpy}
DROPOUT = {torch.nn.functional.dropout, torch.dropout}
MOVES = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.copy_, torch.Tensor.data.__set__}
MOVES |= {torch._has_compatible_shallow_copy_type}
CREATED_ON_HOST = {
    torch.tensor,
    torch.as_tensor,
    torch.from_numpy,
    torch.zeros,
    torch.ones,
    torch.empty,
    torch.full,
}
CREATED_ON_HOST |= {torch.arange, torch.rand, torch.randn, torch.randint}


class FakeMetal(TorchFunctionMode):
    """The device, while it is entered. `log` holds what was asked of it."""

    def __init__(self, *, macos: int = 15, memory_gib: float = 8) -> None:
        super().__init__()
        self.macos, self.memory_bytes = macos, int(memory_gib * GIB)
        self._known: dict[int, tuple[StorageWeakRef, bool]] = {}  # storage -> whether it is on the device
        self.generator = torch.Generator().manual_seed(0)
        self.driver_bytes = 0
        self.log: set[str] = set()

    # --- where tensors are ---------------------------------------------------------------------------------

    def place(self, tensor: torch.Tensor) -> bool | None:
        """Whether it is on the device; None where nobody said: what autograd makes."""
        with torch._C.DisableTorchFunction():
            found = self._known.get(tensor.untyped_storage()._cdata)
        return None if found is None else found[1]

    def _mark(self, tree: Any, on_device: bool) -> Any:
        for leaf in tree_flatten(tree)[0]:
            if isinstance(leaf, torch.Tensor):
                with torch._C.DisableTorchFunction():
                    storage = leaf.untyped_storage()
                    self._known[storage._cdata] = StorageWeakRef(storage), on_device
                if on_device:
                    self._check(leaf)
        return tree

    def _check(self, tensor: torch.Tensor) -> None:
        with torch._C.DisableTorchFunction():
            if tensor.dtype in (torch.float64, torch.complex128):
                raise TypeError(NO_FLOAT64)
            if tensor.dtype == torch.bfloat16 and self.macos < 14:
                raise TypeError("BFloat16 is not supported on MPS")  # of macOS 13
            self.driver_bytes = max(self.driver_bytes, 2 * tensor.untyped_storage().nbytes())

    # --- what is called ------------------------------------------------------------------------------------

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func == torch.Tensor.device.__get__:
            return METAL if self.place(args[0]) else func(*args)
        if func == torch.Tensor.is_mps.__get__:
            return bool(self.place(args[0]))
        if func is torch.Tensor.pin_memory:
            raise RuntimeError(
                'Attempted to set the storage of a tensor on device "cpu" to a storage on device "mps:0"'
            )
        if func == torch.Tensor.grad.__get__:
            grad = func(*args)
            return grad if grad is None else self._mark(grad, bool(self.place(args[0])))
        leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
        places = {self.place(leaf) for leaf in leaves}
        target, args, kwargs = self._target(func, args, kwargs, places)
        self._refuse_two_devices(func, leaves, target)
        if func in TO_HOST:
            return func(*args, **kwargs)
        if target is True and func in DROPOUT:
            found = self._drawn_here(func, args, kwargs)
        else:
            found = func(*args, **kwargs)
        if func in (torch.Tensor.to, torch.Tensor.cpu) and target != self.place(args[0]):
            found = self._moved(found, args[0])
        return found if target is None else self._mark(found, target)

    def _target(self, func, args, kwargs, places) -> tuple[bool | None, tuple, dict]:
        """Whether the result is on the device, and the arguments as a CPU takes them."""
        asked: list[bool] = []

        def on_host(leaf: Any) -> Any:
            is_device = isinstance(leaf, torch.device) or (
                isinstance(leaf, str) and leaf.partition(":")[0] == "mps"
            )
            if not is_device or func in (torch.device, torch._C._nn._parse_to):
                return leaf
            if (
                torch.device(leaf).type == "meta"
            ):  # no memory: what is made there is written to elsewhere, later
                return leaf
            asked.append(torch.device(leaf).type == "mps")
            return CPU

        if func in (torch.Tensor.cpu,):
            return False, args, kwargs
        args, kwargs = tree_map(on_host, (args, kwargs))
        if asked:
            return asked[-1], args, kwargs
        if func is torch.Tensor.copy_:
            return self.place(args[0]), args, kwargs
        if True in places:
            return True, args, kwargs
        return (False if func in CREATED_ON_HOST or False in places else None), args, kwargs

    def _refuse_two_devices(self, func, leaves, target) -> None:
        is_move = func in MOVES
        with torch._C.DisableTorchFunction():
            on_host = [leaf for leaf in leaves if leaf.ndim and self.place(leaf) is False]
        if target and on_host and not is_move and any(self.place(leaf) for leaf in leaves):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found mps:0 and cpu! ({func})"
            )

    def _moved(self, found, source):
        """A move makes a tensor of its own."""
        with torch._C.DisableTorchFunction():
            is_same = isinstance(found, torch.Tensor) and found.data_ptr() == source.data_ptr()
            return found.clone() if is_same else found

    def entering(self, forward: Callable) -> Callable:
        """`forward`, on the device also when autograd calls it again: its engine enters no mode."""

        def called(*args, **kwargs):
            with nullcontext() if self in _get_current_function_mode_stack() else self:
                return forward(*args, **kwargs)

        return called

    def _drawn_here(self, func, args, kwargs):
        host = torch.get_rng_state()
        torch.set_rng_state(self.generator.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            self.generator.set_state(torch.get_rng_state())
            torch.set_rng_state(host)


@contextmanager
def fake_metal(**settings) -> Iterator[FakeMetal]:
    """The device in place, and all that `torch.mps` and `torch.backends.mps` say of it."""
    device = FakeMetal(**settings)

    def seed(number: int):
        device.generator.manual_seed(number)
        return real_seed(number)

    def autocast(device_type: str, *args, **kwargs):
        """What is computed on the fake is computed by a CPU's kernels."""
        if device_type != "mps":
            return real_autocast(device_type, *args, **kwargs)
        both = ExitStack()
        for kind in ("mps", "cpu"):
            both.enter_context(real_autocast(kind, *args, **kwargs))
        return both

    class Generator(torch.Generator):
        def __new__(cls, _device=None):
            return super().__new__(cls)

    real_seed, real_autocast = torch.manual_seed, torch.autocast
    answers = {
        "torch.backends.mps.is_available": lambda: True,
        "torch.backends.mps.is_macos_or_newer": lambda major, minor: (device.macos, 0) >= (major, minor),
        "torch.backends.mps.get_name": lambda: "Apple M0",
        "torch.mps.recommended_max_memory": lambda: device.memory_bytes,
        "torch.mps.driver_allocated_memory": lambda: device.driver_bytes,
        "torch.mps.current_allocated_memory": lambda: device.driver_bytes // 2,
        "torch.mps.empty_cache": lambda: device.log.add("empty_cache"),
        "torch.mps.synchronize": lambda: None,
        "torch.mps.get_rng_state": lambda device_=None: device.generator.get_state(),
        "torch.mps.set_rng_state": lambda state, device_=None: device.generator.set_state(state),
        "torch.manual_seed": seed,
        "torch.Event": mock.MagicMock,
        "torch.Generator": Generator,
        "torch.autocast": autocast,
        "torch.nn.utils.clip_grad._has_foreach_support": lambda tensors, device_: False,
        "torch.nn.utils.clip_grad._device_has_foreach_support": lambda device_: False,
    }
    with ExitStack() as stack, warnings.catch_warnings():
        for name, answer in answers.items():
            stack.enter_context(mock.patch(name, answer))
        stack.enter_context(device)
        yield device
