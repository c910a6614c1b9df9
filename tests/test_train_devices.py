"""What the trainer finds a machine able to do."""

import pytest
import torch

from effectiveness.trainer import devices


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        (lambda: {"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        (lambda: {"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        (lambda: {"avx2": True}, torch.float32),
        (None, torch.float32),  # a torch that cannot be asked
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_has_instructions_for_it(monkeypatch, found, precision):
    if found:
        monkeypatch.setattr(torch.cpu, "get_capabilities", found, raising=False)
    else:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert devices.choose_precision("auto", torch.device("cpu")) == precision
    assert devices.choose_precision("fp32", torch.device("cpu")) == torch.float32
