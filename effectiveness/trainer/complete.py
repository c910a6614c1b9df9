"""Completions: of a text somebody gives, and of held-out files, where they can be compared with the truth."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from effectiveness.common.boundary import reading
from effectiveness.common.records import ORIGINAL, VARIANTS, UserError
from effectiveness.common.seeding import key_for, rng_for
from effectiveness.trainer.devices import autocast
from effectiveness.trainer.model_files import fills_suffix_first
from effectiveness.trainer.rows import Rows
from effectiveness.trainer.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_LINE_TOKENS = 48
NO_COMPLETIONS = "evaluation.completions: 0 asks for none"
MIN_POSITIONS = 8  # for a prompt, its control tokens and something behind it
MIN_PROMPT_CHARACTERS = 40  # less context is a lottery
MIN_TARGET_CHARACTERS = 4  # a lone bracket says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A place in a held-out file: what stands before it, what was there, and (to be filled) what follows."""

    source_file: str
    prefix: str
    truth: str  # a line, or the rest of one, without its line end
    suffix: str | None  # None: the next line is asked for, not a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    gap: Gap
    text: str  # as generated, to the model's own end or MAX_LINE_TOKENS

    @property
    def first_line(self) -> str:
        return self.text.split("\n", 1)[0]


def prompt_ids(
    vocabulary: Vocabulary, text: str, suffix: str | None, room: int, *, suffix_first: bool = False
) -> list[int]:
    """Ids to continue from, at most `room`: the end of `text`, or prefix and suffix of a gap in one of two orders.

    Raises UserError for a suffix without fill-in-the-middle tokens.
    """
    control = vocabulary.control
    prefix = vocabulary.encode(text)
    if suffix is None:
        return [control.begin, *prefix][-room:]
    if not control.can_fill:
        raise UserError("--suffix needs a tokenizer with fill-in-the-middle tokens; this one has none")
    after = vocabulary.encode(suffix)[: (room - 3) // 2]
    before = prefix[-(room - 3 - len(after)) :]
    return control.around(before, after, suffix_first=suffix_first)


@torch.no_grad()
def generate(model: PreTrainedModel, vocabulary: Vocabulary, ids: list[int], **settings) -> str:
    """The text `model` continues `ids` with; `settings` go to transformers' `generate`."""
    device = next(model.parameters()).device
    prompt = torch.tensor([ids], device=device)
    model.eval()
    lowered = torch.bfloat16 if any(p.dtype == torch.bfloat16 for p in model.parameters()) else torch.float32
    # Frozen weights may be kept in bfloat16. What a model cannot, its library tells in many ways.
    with reading(f"{model.config.model_type} cannot write", NO_COMPLETIONS), autocast(device, lowered):
        generated = model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)
    generated = generated[0, len(ids) :].tolist()
    if vocabulary.control.end in generated:
        generated = generated[: generated.index(vocabulary.control.end)]
    return vocabulary.decode(generated)


def num_positions(model: PreTrainedModel) -> int:
    config = model.config
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1024


def check_vocabulary(name: str, model: PreTrainedModel, vocabulary: Vocabulary) -> None:
    """Raises UserError where the tokenizer beside a model gives ids that it has no row for."""
    num_rows, num_ids = model.get_input_embeddings().weight.shape[0], vocabulary.num_bytes.shape[0]
    if num_ids > num_rows:
        raise UserError(f"{name}: its tokenizer has ids up to {num_ids - 1:,}, the model {num_rows:,} rows")


def complete_text(
    model: PreTrainedModel,
    vocabulary: Vocabulary,
    text: str,
    suffix: str | None,
    settings: dict,
    *,
    seed: int,
) -> str:
    """Continue `text` (or fill between it and `suffix`) with `settings` of the configuration's `inference`.

    What is drawn where it samples depends on `seed` and the model alone.
    """
    torch.manual_seed(key_for(seed, "sampling"))
    positions = num_positions(model)
    new_tokens = min(settings["max_new_tokens"], positions // 2)
    suffix_first = fills_suffix_first(model.config.to_dict())
    ids = prompt_ids(vocabulary, text, suffix, positions - new_tokens, suffix_first=suffix_first)
    return generate(model, vocabulary, ids, **(settings | {"max_new_tokens": new_tokens}))


# --- held-out files --------------------------------------------------------------------------------------


def find_gaps(rows: Rows, vocabulary: Vocabulary, count: int, *, fill: bool, seed: int) -> list[Gap]:
    """Up to `count` gaps, at most one a window, drawn by (seed, window): always the same ones."""
    originals = np.flatnonzero(rows.table["variant"] == VARIANTS.index(ORIGINAL)).tolist()
    rng_for(seed, "gaps", rows.sha256).shuffle(originals)
    gaps: list[Gap] = []
    for index in originals:
        if len(gaps) == count:
            break
        gap = _gap_in(rows, index, vocabulary, fill, seed)
        if gap is not None:
            gaps.append(gap)
    return gaps


def _gap_in(rows: Rows, index: int, vocabulary: Vocabulary, fill: bool, seed: int) -> Gap | None:
    text = vocabulary.decode(rows.tokens_of(index))
    row = rows.table[index]
    rng = rng_for(seed, "gap", int(row["seq_id"]))
    place = draw_place(text, rng, fill=fill)
    if place is None:
        return None
    start, end = place
    return Gap(
        source_file=rows.files[row["file"]],
        prefix=text[:start],
        truth=text[start:end],
        suffix=text[end:] if fill else None,
    )


def draw_place(text: str, rng: random.Random, *, fill: bool) -> tuple[int, int] | None:
    """(start, end) of a line worth asking for, or of the rest of one (`fill`); None where there is no such line."""
    lines = [span for span in _lines(text) if _is_worth_asking(text, span)]
    if not lines:
        return None
    start, end = rng.choice(lines)
    if fill:
        indent = len(text[start:end]) - len(text[start:end].lstrip())
        start += indent + rng.randrange(max(1, end - start - indent - MIN_TARGET_CHARACTERS + 1))
    return start, end


def _lines(text: str) -> list[tuple[int, int]]:
    """(start, end) of each whole line but the first; the end is before the line end."""
    spans, start = [], text.find("\n") + 1
    while start and (end := text.find("\n", start)) >= 0:
        spans.append((start, end))
        start = end + 1
    return spans


def _is_worth_asking(text: str, span: tuple[int, int]) -> bool:
    start, end = span
    return start >= MIN_PROMPT_CHARACTERS and len(text[start:end].strip()) >= MIN_TARGET_CHARACTERS


def complete_gaps(model: PreTrainedModel, vocabulary: Vocabulary, gaps: list[Gap]) -> list[Completion]:
    """Greedy completions."""
    room = num_positions(model) - MAX_LINE_TOKENS
    settings = {
        "max_new_tokens": MAX_LINE_TOKENS,
        "do_sample": False,
        "eos_token_id": vocabulary.control.end,
        "pad_token_id": vocabulary.control.pad,
    }
    if room < 8:
        return []
    suffix_first = fills_suffix_first(model.config.to_dict())
    found = []
    for gap in gaps:
        ids = prompt_ids(vocabulary, gap.prefix, gap.suffix, room, suffix_first=suffix_first)
        found.append(Completion(gap=gap, text=generate(model, vocabulary, ids, **settings)))
    return found


def completion_scores(completions: list[Completion]) -> dict[str, float]:
    """Shares in [0, 1]: exact match and mean edit similarity, cut at the first line end and as generated."""
    if not completions:
        return {}
    cut = [(c.first_line.strip(), c.gap.truth.strip()) for c in completions]
    whole = [(c.text.strip(), c.gap.truth.strip()) for c in completions]
    return {
        "num_gaps": len(completions),
        "exact_match_share": sum(a == b for a, b in cut) / len(cut),
        "edit_similarity": sum(edit_similarity(a, b) for a, b in cut) / len(cut),
        "exact_match_share_not_truncated": sum(a == b for a, b in whole) / len(whole),
        "edit_similarity_not_truncated": sum(edit_similarity(a, b) for a, b in whole) / len(whole),
    }


def edit_similarity(a: str, b: str) -> float:
    """1 - Levenshtein distance / length of the longer; 1.0 for two empty texts."""
    if not a and not b:
        return 1.0
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return 1 - previous[-1] / max(len(a), len(b))
