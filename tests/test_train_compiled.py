"""Compiled blocks over the kernel for documents: nothing is compiled twice, nothing changes but rounding."""

import pytest
import torch
from training_fixtures import open_trainer, quiet_hooks, use_tiny_models, weights_of, write_dataset
from transformers import Qwen2Config, Qwen2ForCausalLM
from varlen_on_cpu import use_kernel_on_cpu

from effectiveness.trainer import attention
from effectiveness.trainer.adapters import add_adapters
from effectiveness.trainer.attention import MASKED, NAME, choose_attention, model_inputs
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.objective import Objective, _nats_and_gradient, _nats_and_gradient_in_one

POSITIONS = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 0, 0, 1, 2, 3]])


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "d", window=64)


@pytest.fixture
def kernel(monkeypatch):
    """The kernel on a CPU, and graphs that are traced and run without a compiler."""
    use_tiny_models(monkeypatch)
    use_kernel_on_cpu(monkeypatch)
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: real(f, **options | {"backend": "aot_eager"}))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def num_graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_equal_blocks_are_compiled_once_and_never_again(sequences, tmp_path, kernel, checkpointing):
    nats = {}
    for choice in ("off", "on"):
        _, trainer = open_trainer(
            sequences,
            tmp_path,
            "optimization.mixed_precision=bf16",
            f"device_backend.compile={choice}",
            f"optimization.gradient_checkpointing={checkpointing}",
        )
        assert trainer.objective.attention == NAME
        trainer._one_step(quiet_hooks())
        graphs = num_graphs()
        for _ in range(5):
            trainer._one_step(quiet_hooks())
        assert num_graphs() == graphs  # other documents, as many lines: no new shapes
        nats[choice] = trainer.epoch_period.nats
    assert graphs == 2  # a block, and the loss
    assert not torch._dynamo.utils.counters["graph_break"]
    assert nats["on"] == pytest.approx(nats["off"], rel=1e-3)


@pytest.mark.parametrize("shares_keys", [True, False])
def test_queries_that_share_keys_get_what_the_mask_gives(kernel, monkeypatch, shares_keys):
    """torch 2.11 has no `enable_gqa`: keys are repeated there."""
    if not shares_keys:
        monkeypatch.setattr(attention, "_shares_keys", lambda: False)
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2}
    model = Qwen2ForCausalLM(Qwen2Config(**sizes, num_attention_heads=4, num_key_value_heads=2))
    inputs = {"input_ids": torch.randint(50, POSITIONS.shape), "position_ids": POSITIONS}
    batch = MicroBatch(labels=None, weights=None, rows=(), **inputs)
    found = {}
    for name in (MASKED, NAME):
        if name == NAME:
            assert choose_attention(model, torch.bfloat16) == NAME
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(**model_inputs(batch, name)).logits
        model.zero_grad()
        logits.float().square().sum().backward()
        found[name] = torch.cat([logits.detach().flatten(), *(p.grad.flatten() for p in model.parameters())])
    assert float((found[NAME] - found[MASKED]).norm() / found[MASKED].norm()) < 2e-2


def test_adapted_blocks_are_compiled_without_a_break(kernel):
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 3}
    model = Qwen2ForCausalLM(Qwen2Config(**sizes, num_attention_heads=4, num_key_value_heads=2)).train()
    add_adapters(model, rank=2, alpha=4.0, dropout=0.1, targets=["all-linear"])
    objective = Objective(model, torch.bfloat16)
    objective.compile_blocks()
    objective.checkpoint_blocks()
    ids = torch.randint(50, POSITIONS.shape)
    bounds = torch.tensor([0, 8, 11, 12, 16, 16], dtype=torch.int32)
    ones = torch.ones(POSITIONS.shape)
    batch = MicroBatch(
        input_ids=ids, labels=ids, position_ids=POSITIONS, weights=ones, rows=(), bounds=bounds, longest=8
    )
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            objective(batch).backward()
    assert not torch._dynamo.utils.counters["graph_break"]
    assert num_graphs() <= 3  # the first block's input needs no gradient


def test_the_compiled_loss_is_the_other_one_in_fewer_kernels():
    logits = torch.randn(7, 64)
    labels = torch.randint(60, (7,))
    nats, gradient = _nats_and_gradient_in_one(logits.clone(), labels, 60)
    expected_nats, expected = _nats_and_gradient(logits.clone(), labels, 60)
    assert torch.allclose(nats, expected_nats, atol=1e-6)
    assert torch.allclose(gradient, expected, atol=1e-6) and not gradient[:, 60:].any()


# --- steps whose verdict is read late, as on a GPU ----------------------------------------------------------


def test_reading_late_changes_nothing(sequences, tmp_path, monkeypatch):
    use_tiny_models(monkeypatch)
    trainers = [open_trainer(sequences, tmp_path, "optimization.warmup_steps=2")[1] for _ in range(2)]
    trainers[1].reads_late = True
    for trainer in trainers:
        for _ in range(4):
            trainer._one_step(quiet_hooks())
        trainer._read(quiet_hooks())
    ours, late = map(weights_of, trainers)
    assert all(torch.equal(ours[name], late[name]) for name in ours)
    assert trainers[0].epoch_period.exact() == trainers[1].epoch_period.exact()


def test_a_bad_step_that_is_read_late_leaves_no_trace_either(sequences, tmp_path, monkeypatch):
    use_tiny_models(monkeypatch)
    _, trainer = open_trainer(sequences, tmp_path, "optimization.warmup_steps=2")
    trainer.reads_late = True
    said: list[str] = []
    hooks = quiet_hooks(said)
    for _ in range(2):
        trainer._one_step(hooks)
    trainer._read(hooks)
    before, whole = weights_of(trainer), trainer.batches.micro_batches

    def poisoned(*where, **options):
        batches = whole(*where, **options)
        batches[0].weights[0, 0] = torch.nan
        return batches

    monkeypatch.setattr(trainer.batches, "micro_batches", poisoned)
    trainer._one_step(hooks)
    assert said == [] and trainer.state.num_updates == 3  # nobody knows yet
    trainer._read(hooks)
    assert len(said) == 1 and "step 2: loss is not finite, not applied; seq_ids" in said[0]
    assert trainer.state.num_updates == 2
    after = weights_of(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before)
    moments = [value for o in trainer.optimizers for s in o.state.values() for value in s.values()]
    assert all(torch.isfinite(value).all() for value in moments)
