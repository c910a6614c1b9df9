"""The loss: what it is worth in nats, whatever the chunks, micro-batches, packing and padding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from training_fixtures import model_of, open_trainer, quiet_hooks

from effectiveness.trainer import objective as objective_module
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.objective import DOCUMENTS, Objective, weighted_nats

pytestmark = pytest.mark.usefixtures("tiny")

ARCHITECTURES = ("llama", "qwen2", "qwen3", "starcoder2", "gpt2", "gpt_bigcode", "gpt_neox", "mistral")


def random_documents(lengths=(20, 9, 1, 14)) -> list:
    rng = np.random.default_rng(0)
    weights = (1.0, 0.3, 3.0, 1.0)
    sequences = [rng.integers(2, 97, n + 1) for n in lengths]
    return [(i, s[:-1], s[1:], w) for i, (s, w) in enumerate(zip(sequences, weights, strict=True))]


def packed(*packs, fixed: bool = False):
    return collate([list(p) for p in packs], window=64, pad=1, num_lines=len(packs) if fixed else 0)


def loss_and_gradients(model, batches) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    objective = Objective(model)
    loss = sum(objective(batch) for batch in batches)
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_close(first, second, tolerance=1e-5):
    assert first[0] == pytest.approx(second[0], rel=tolerance)
    assert set(first[1]) == set(second[1])
    for name, gradient in first[1].items():
        assert torch.allclose(gradient, second[1][name], atol=tolerance * 10, rtol=1e-3), name


# --- chunked cross-entropy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("with_bias", [False, True])
def test_chunked_loss_and_gradients_equal_plain_cross_entropy(monkeypatch, with_bias):
    monkeypatch.setitem(
        objective_module.CHUNK_ELEMENTS, "cpu", 97 * 5
    )  # 5 tokens a chunk, the last one ragged
    torch.manual_seed(0)
    hidden, weight = torch.randn(23, 16, requires_grad=True), torch.randn(97, 16, requires_grad=True)
    bias = torch.randn(97, requires_grad=True) if with_bias else None
    labels, weights = torch.randint(0, 97, (23,)), torch.rand(23)
    inputs = [t for t in (hidden, weight, bias) if t is not None]
    ours = weighted_nats(hidden, weight, bias, labels, weights)
    plain = (F.cross_entropy(F.linear(hidden, weight, bias), labels, reduction="none") * weights).sum()
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    for a, b in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * plain, inputs), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-5)


def test_under_autocast_the_head_runs_in_bf16_and_the_loss_stays_float32():
    torch.manual_seed(0)
    hidden, weight = torch.randn(8, 16, requires_grad=True), torch.randn(97, 16, requires_grad=True)
    labels, weights = torch.randint(0, 97, (8,)), torch.ones(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = weighted_nats(hidden, weight, None, labels, weights)
    loss.backward()
    plain = F.cross_entropy(F.linear(hidden, weight), labels, reduction="sum")
    assert loss.dtype == hidden.grad.dtype == weight.grad.dtype == torch.float32
    assert loss.item() == pytest.approx(plain.item(), rel=2e-2) and loss.item() != plain.item()


# --- packing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_packed_documents_give_the_loss_and_gradients_of_separate_ones(architecture):
    model, documents = model_of(architecture), random_documents()
    together = loss_and_gradients(model, [packed(documents)])
    apart = loss_and_gradients(model, [packed([document]) for document in documents])
    assert_close(together, apart)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_later_token_or_another_document_changes_no_earlier_logit(architecture):
    model = model_of(architecture).eval()
    documents = random_documents()
    batch = packed(documents)

    def logits(ids):
        return model(input_ids=ids, position_ids=batch.position_ids, **DOCUMENTS).logits[0]

    before = logits(batch.input_ids)
    other = batch.input_ids.clone()
    other[0, :20] = (other[0, :20] + 1) % 97  # the first document
    assert torch.equal(before[20:], logits(other)[20:])
    later = batch.input_ids.clone()
    later[0, 25] = (later[0, 25] + 1) % 97  # within the second document
    after = logits(later)
    assert torch.equal(before[:25], after[:25])
    assert torch.equal(before[29:], after[29:])
    assert not torch.equal(before[25:29], after[25:29])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_fast_head_gives_the_loss_of_the_whole_model(architecture):
    model, batch = model_of(architecture), packed(random_documents())
    objective = Objective(model)
    assert objective.has_plain_head
    fast = objective(batch).item()
    objective.has_plain_head = False
    assert objective(batch).item() == pytest.approx(fast, rel=1e-5)


def test_a_model_that_caps_its_logits_is_noticed_and_run_whole():
    model = model_of("llama")
    plain = model.forward

    def capped(**inputs):
        outputs = plain(**inputs)
        outputs.logits = torch.tanh(outputs.logits)
        return outputs

    model.forward = capped
    assert not Objective(model).has_plain_head


def test_extra_padding_changes_nothing():
    model, documents = model_of("llama"), random_documents()
    short = loss_and_gradients(model, [packed(documents[:2])])
    long = loss_and_gradients(model, [packed(documents[:2], fixed=True)])
    wider = loss_and_gradients(model, [packed(documents[:2], [])])
    assert_close(short, long)
    assert_close(short, wider)


def test_per_token_nats_add_up_to_the_loss():
    model, batch = model_of("llama"), packed(random_documents())
    objective = Objective(model)
    total = (objective(batch, per_token=True) * batch.weights).sum()
    assert total.item() == pytest.approx(objective(batch).item(), rel=1e-6)


# --- accumulation ------------------------------------------------------------------------------------------


def one_step(sequences, tmp_path, sizes: int | list[int]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one step of eight sequences with unequal weights, cut into micro-batches of `sizes`."""
    _, trainer = open_trainer(sequences, tmp_path, "optimization.batch_size=8", "data.weighting=loss")
    batches = trainer.batches.micro_batches(0, 0, size=sizes if isinstance(sizes, int) else 1)
    if isinstance(sizes, list):
        batches = cut_raggedly(batches, sizes)
    denominator = trainer.batches.step_weight(trainer.batches.epoch(0), 0)
    losses = trainer._accumulate(batches, denominator, quiet_hooks())
    nats = torch.stack(losses).sum().item() / denominator
    return nats, {name: p.grad.clone() for name, p in trainer.model.named_parameters()}


def cut_raggedly(ones: list, sizes: list[int]) -> list:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [join(ones[start : start + size]) for start, size in zip(starts, sizes, strict=True)]


def join(batches):
    """Several one-line batches as one."""
    length = max(b.input_ids.shape[1] for b in batches)

    def cat(name, value):
        tensors = [getattr(b, name) for b in batches]
        return torch.cat([F.pad(t, (0, length - t.shape[1]), value=value) for t in tensors])

    positions = cat("position_ids", 0)
    return replace(
        batches[0],
        input_ids=cat("input_ids", 1),
        labels=cat("labels", 0),
        position_ids=positions,
        weights=cat("weights", 0.0),
        rows=tuple(row for b in batches for row in b.rows),
        bounds=None,  # found from the positions
    )


def test_accumulation_1x8_equals_8x1_equals_ragged_3_and_5(sequences, tmp_path):
    nats, whole = one_step(sequences, tmp_path, 8)
    for sizes in (1, [3, 5], 3):
        other_nats, gradients = one_step(sequences, tmp_path, sizes)
        assert other_nats == pytest.approx(nats, rel=1e-6)
        for name, value in whole.items():
            assert torch.allclose(value, gradients[name], atol=1e-6, rtol=0), (sizes, name)


def test_the_step_is_the_gradient_of_the_weighted_mean_over_its_tokens(sequences, tmp_path):
    """Against a denominator per micro-batch, or over rows, this differs."""
    _, trainer = open_trainer(sequences, tmp_path, "data.weighting=loss", "optimization.batch_size=3")
    batches = trainer.batches.micro_batches(0, 0, size=1)
    documents = [model_loss(trainer.model, batch) for batch in batches]
    mean = sum(loss for loss, _ in documents) / sum(weight for _, weight in documents)
    expected = torch.autograd.grad(mean, list(trainer.model.parameters()))
    trainer.model.train()
    denominator = trainer.batches.step_weight(trainer.batches.epoch(0), 0)
    trainer._accumulate(batches, denominator, quiet_hooks())
    for a, p in zip(expected, trainer.model.parameters(), strict=True):
        assert torch.allclose(a, p.grad, atol=1e-6)


def model_loss(model, batch):
    """Plain cross-entropy of one batch by the whole model: (weighted nats, weight)."""
    logits = model(input_ids=batch.input_ids, position_ids=batch.position_ids, **DOCUMENTS).logits
    nats = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="none")
    return (nats * batch.weights.flatten()).sum(), batch.weights.sum()
