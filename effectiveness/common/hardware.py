"""Device and memory -> how many tokens a training window holds. The only module that looks at the machine.

torch is not imported (it costs a second or two, and a CPU build would hide a GPU that the trainer may use
elsewhere): NVIDIA's driver library and Apple's `sysctl` are asked directly.
"""

from __future__ import annotations

import ctypes
import os
import platform

from effectiveness.common.programs import find_program, run
from effectiveness.common.records import ContextPlan, UserError

GIB = 1 << 30

# (nominal GiB, tier, context tokens). A card reports less than its name - 24 GB cards 22.5 to 23.7 GiB, 16 GB
# cards 14.6, 12 GB cards 11.7, 8 GB cards 7.6 - so reporting 90 % of the nominal size counts as having it.
TIERS = (
    (24, "Elite", 4096),
    (16, "High-end", 2048),
    (12, "Mid-range", 1536),
    (8, "Entry", 1024),
    (0, "Limited", 512),
)
NOMINAL_SHARE = 0.90
CONTEXT_TOKENS_WITHOUT_GPU = 1024
DEVICES = ("auto", "cuda", "mps", "cpu")


def plan_context(device: str, max_tokens: int | None, overlap: float) -> ContextPlan:
    """Choose the window for `device` ("auto", "cpu", "cuda" or "mps"); `max_tokens` overrides the tier.

    `overlap` is the share of a window that the next one repeats, in [0, 1).
    Raises UserError when the device that was asked for is not there.
    """
    found, name, memory_bytes = detect(device)
    tier, context_tokens, why = _tier(found, memory_bytes)
    if max_tokens is not None:
        context_tokens, why = max_tokens, f"--max-tokens {max_tokens}"
    return ContextPlan(
        device=found,
        device_name=name,
        memory_bytes=memory_bytes,
        tier=tier,
        context_tokens=context_tokens,
        overlap_tokens=int(context_tokens * overlap),
        reason=why,
    )


def detect(device: str = "auto") -> tuple[str, str, int]:
    """(device, its name, its memory in bytes) of the first accelerator, or of none: ("cpu", ..., RAM)."""
    probes = {"cuda": _nvidia, "mps": _apple}
    for kind, probe in probes.items():
        if device in ("auto", kind) and (found := probe()):
            return (kind, *found)
    if device in probes:
        raise UserError(f"--device {device}: no such device on this machine; use --device cpu or auto")
    return "cpu", platform.machine(), _physical_memory_bytes()  # `platform.processor` starts a program


def _tier(device: str, memory_bytes: int) -> tuple[str, int, str]:
    if device == "cpu":
        return "Limited", CONTEXT_TOKENS_WITHOUT_GPU, "no GPU"
    gib = memory_bytes / GIB
    nominal, tier, tokens = next(row for row in TIERS if gib >= NOMINAL_SHARE * row[0])
    counts_as = f"counts as {nominal} GB" if nominal else "is less than 8 GB"
    return tier, tokens, f"{gib:.1f} GiB {counts_as}"


def _nvidia() -> tuple[str, int] | None:
    """Name and memory of the first visible NVIDIA GPU, through the driver's management library (NVML)."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.split(",")[0].strip().isdigit():
        return None  # "" and "-1" hide every GPU; a UUID is left to the trainer, which asks CUDA itself
    try:
        nvml = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
    except OSError:
        return None  # no NVIDIA driver
    if nvml.nvmlInit_v2() != 0:
        return None  # a driver without a device
    try:
        return _first_nvml_device(nvml, int(visible.split(",")[0]) if visible else 0)
    finally:
        nvml.nvmlShutdown()


def _first_nvml_device(nvml: ctypes.CDLL, index: int) -> tuple[str, int] | None:
    handle = ctypes.c_void_p()
    if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
        return None
    memory = (ctypes.c_ulonglong * 3)()  # total, free, used; bytes
    name = ctypes.create_string_buffer(96)
    if nvml.nvmlDeviceGetMemoryInfo(handle, memory) != 0:
        return None
    nvml.nvmlDeviceGetName(handle, name, ctypes.c_uint(96))
    return name.value.decode("utf-8", "replace"), memory[0]


def _apple() -> tuple[str, int] | None:
    """Apple silicon shares one memory between CPU and GPU, so the machine's memory is the card's."""
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return None
    brand = ""
    if sysctl := find_program("sysctl"):
        command = [sysctl, "-n", "machdep.cpu.brand_string"]
        brand = run(command, capture_output=True, text=True).stdout.strip()
    return brand or "Apple silicon", _physical_memory_bytes()


def _physical_memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0  # not told by this system; nothing depends on it without a GPU
