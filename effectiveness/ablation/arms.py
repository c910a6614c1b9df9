"""What is compared: each arm a set of rows and settings, out of one dataset, at equal steps and tokens.

baseline     what a plain script does: 512-token windows side by side, no variants, AdamW with a cosine
founding     1024-token windows overlapping by 3/4, four augmentations, weights, curriculum by thirds
everything   the same rows and weights with Muon, a flat schedule and a curriculum that only warms up
originals    1024-token windows side by side, Muon, a flat schedule, and nothing else: what levers are added to
recipe       the defaults this project ships, but for gaps (another task: originals-with-fim is what they cost this one)
X-without-Y  one technique of X switched off: what is lost is what it is worth
X-with-Y     one thing more than X
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from effectiveness.common.records import AUGMENTATION_KINDS, ORIGINAL, VARIANTS, UserError
from effectiveness.trainer import recut
from effectiveness.trainer.config import Config
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.rows import Dataset, Rows

# Spelled out: a change of the shipped defaults must not move what they are measured against.
AS_THEY_STAND = (
    *("data.weighting=none", "data.curriculum=none", "data.fresh_cuts=false", "data.window_growth=0.0"),
    *("model.dropout=0.0", "objectives.fim_rate=0.0", "objectives.mask_rate=0.0"),
)
ADAMW = ("optimization.optimizer=adamw", "optimization.lr_scheduler=cosine", "optimization.weight_decay=0.1")
_FLAT = "optimization.lr_scheduler=flat_cooldown"
MUON = ("optimization.optimizer=muon", _FLAT, "optimization.weight_decay=2.0")
FORMAT = 2  # of the records; a change makes earlier ones strangers
HELD_OUT = ("val", "test")  # no arm chooses anything by the validation files, so they are held out, too
CURVE_POINTS = 12
MICRO_BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Rows and settings of one side of a comparison."""

    against: str | None  # the arm it is compared with
    settings: tuple[str, ...] = ()  # section.key=value, over the shipped defaults
    half_window: bool = False
    overlap: bool = True
    kinds: tuple[str, ...] = AUGMENTATION_KINDS
    variant_share: float | None = (
        None  # of an epoch's tokens, by repeating originals; None: as many as there are
    )
    shifted_labels: bool = False
    seed_offset: int = 0

    def window(self, dataset_window: int) -> int:
        return dataset_window // 2 if self.half_window else dataset_window


BASELINE = Arm(against=None, settings=(*AS_THEY_STAND, *ADAMW), half_window=True, overlap=False, kinds=())
FOUNDING = Arm(
    against="baseline", settings=(*AS_THEY_STAND, *ADAMW, "data.weighting=visits", "data.curriculum=stages")
)
EVERYTHING = Arm(
    against="baseline",
    settings=(*AS_THEY_STAND, *MUON, "data.weighting=visits", "data.curriculum=warmup_fraction"),
)
ORIGINALS = Arm(against="baseline", settings=(*AS_THEY_STAND, *MUON), overlap=False, kinds=())
RECIPE = Arm(against="originals", overlap=False, kinds=())  # rows as the measured recipe chooses them


def _changed(arm: Arm, against: str, *settings: str, **changes) -> Arm:
    return replace(arm, against=against, settings=(*arm.settings, *settings), **changes)


def _without_kind(arm: Arm, against: str, kind: str) -> Arm:
    return _changed(arm, against, kinds=tuple(k for k in AUGMENTATION_KINDS if k != kind))


def _without(name: str, arm: Arm) -> dict[str, Arm]:
    """`arm` without each single technique."""
    off = {
        "window": _changed(arm, name, half_window=True),
        "overlap": _changed(arm, name, overlap=False),
        **{kind: _without_kind(arm, name, kind) for kind in AUGMENTATION_KINDS},
        "variants": _changed(arm, name, kinds=()),
        "weights": _changed(arm, name, "data.weighting=none"),
        "curriculum": _changed(arm, name, "data.curriculum=none"),
    }
    return {f"{name}-without-{technique}": changed for technique, changed in off.items()}


def _with(name: str, arm: Arm) -> dict[str, Arm]:
    """`arm` with what it leaves out given back one at a time, and with each further lever."""
    more = {
        "half-window": _changed(arm, name, half_window=True),
        "overlap": _changed(arm, name, overlap=True),
        "fresh-cuts": _changed(arm, name, "data.fresh_cuts=true"),
        "weights": _changed(arm, name, "data.weighting=visits"),
        "loss-weights": _changed(arm, name, "data.weighting=loss"),
        "curriculum": _changed(arm, name, "data.curriculum=warmup_fraction"),
        "variants": _changed(arm, name, kinds=AUGMENTATION_KINDS),
        "quarter-variants": _changed(arm, name, kinds=AUGMENTATION_KINDS, variant_share=0.25),
        "fresh-masks": _changed(arm, name, "objectives.mask_rate=0.5"),
        "grown-window": _changed(arm, name, "data.window_growth=0.67"),
        "masking": _changed(arm, name, kinds=("token_masking",)),
        "renaming": _changed(arm, name, kinds=("variable_renaming",)),
        "fim": _changed(arm, name, "objectives.fim_rate=0.5"),
        "dropout": _changed(arm, name, "model.dropout=0.1"),
        "weight-decay": _changed(arm, name, "optimization.weight_decay=10"),
        "adamw": _changed(arm, name, "optimization.optimizer=adamw"),
        "cosine": _changed(arm, name, "optimization.lr_scheduler=cosine"),
        "double-rate": _changed(arm, name, "optimization.learning_rate=4e-3"),
        "half-rate": _changed(arm, name, "optimization.learning_rate=1e-3"),
    }
    return {f"{name}-with-{lever}": changed for lever, changed in more.items()}


ARMS: dict[str, Arm] = {
    "baseline": BASELINE,
    "baseline-again": replace(BASELINE, against="baseline", seed_offset=1000),
    "sabotage": replace(BASELINE, against="baseline", shifted_labels=True),
    "baseline-with-muon": _changed(BASELINE, "baseline", "optimization.optimizer=muon"),
    "founding": FOUNDING,
    **_without("founding", FOUNDING),
    "everything": EVERYTHING,
    "everything-without-variants": _changed(EVERYTHING, "everything", kinds=()),
    "originals": ORIGINALS,
    **_with("originals", ORIGINALS),
    "recipe": RECIPE,
}


def train_rows(arm: Arm, rows: Rows) -> Rows:
    """The rows an arm trains on, of the rows of the dataset's training split."""
    rows, window = recut.only(rows, arm.kinds), arm.window(rows.window)
    rows = cut(rows, window=window, stride=window // 4 if arm.overlap else window)
    if arm.variant_share is not None:
        rows = with_variant_share(rows, arm.variant_share)
    return with_shifted_labels(rows) if arm.shifted_labels else rows


def held_out_rows(arm: Arm, rows: Rows) -> Rows:
    """The originals of a held-out split in the arm's windows, overlapping by three quarters whatever it trains on."""
    window = arm.window(rows.window)
    return cut(recut.only(rows, ()), window=window, stride=window // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What decides a run, but for the bytes of the dataset."""

    dataset: Path
    arm: str
    seed: int
    steps: int
    tokens_per_step: int
    preset: str
    device: str
    overrides: tuple[str, ...]
    threads: int
    epochs: float | None = None  # what `steps` follows from, where a length was given so
    point: tuple[str, ...] = ()  # settings over the arm's

    def config(self, dataset_window: int) -> Config:
        """The trainer's configuration: shipped defaults, the user's, the arm's. Raises UserError."""
        arm = ARMS[self.arm]
        packs = self.tokens_per_step // arm.window(dataset_window)
        micro = max(1, min(packs, MICRO_BATCH_TOKENS // arm.window(dataset_window)))
        while packs % micro:
            micro -= 1
        budget = {
            "model.preset": self.preset,
            "optimization.batch_size": micro,
            "optimization.gradient_accumulation_steps": packs // micro,
            "training.max_steps": self.steps,
            "training.num_epochs": 100_000,
            "training.eval_steps": max(1, self.steps // CURVE_POINTS),
            "training.save_steps": self.steps + 1,
            "training.logging_steps": 1,
            "training.patience": 0,
            "training.seed": self.seed + arm.seed_offset,
            "device_backend.device": self.device,
            "device_backend.compile": "off",
            "objectives.fim_rate": 0.0,
            "data.variants": str(bool(arm.kinds)).lower(),
            "data.overlap": str(arm.overlap).lower(),
        }
        settings = [f"{key}={value}" for key, value in budget.items()]
        return load_config(None, [*settings, *self.overrides, *arm.settings, *self.point])

    def digest(self, dataset_window: int) -> str:
        """sha256 of all settings and row choices: equal digests, seeds and datasets mean equal runs."""
        config = self.config(dataset_window).as_dict() | {"output": None, "inference": None}
        decisive = {"format": FORMAT, "config": config, "arm": asdict(ARMS[self.arm]), "held_out": HELD_OUT}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def dataset_digest(metadata: dict) -> str:
    """sha256 of the digests of the dataset's files and of its tokenizer."""
    what = {"files": metadata.get("files"), "tokenizer": metadata.get("tokenizer_sha256")}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


# --- an arm's rows out of those of a dataset ------------------------------------------------------------------
#
# A dataset's windows overlap by three quarters, so every window of up to half their length, and every window without
# overlap, lies whole in one of them: nothing is built or tokenized again, and every arm has the same files, the same
# tokenizer and the same proven variants.


def check_overlap(dataset: Dataset) -> None:
    """Raises UserError for a dataset whose windows do not overlap by three quarters."""
    overlap, window = dataset.metadata.get("overlap_tokens"), dataset.window
    if window % 8 or overlap != 3 * window // 4:
        raise UserError(
            f"{dataset.directory}: windows of {window} tokens that share {overlap}; arms are cut from windows that "
            "share three quarters: build the dataset with --recipe founding (or --overlap 0.75)"
        )


def cut(rows: Rows, *, window: int, stride: int) -> Rows:
    """Windows of `window` tokens every `stride` tokens of each text, out of windows that overlap by three quarters.

    stride == window: no overlap, the last window of a text is what is left; else the last one ends with the text.
    `window` is that of the rows, or at most half of it.
    """
    if window != rows.window and 2 * window > rows.window:
        raise ValueError(f"windows of {window} tokens do not lie in windows of {rows.window}")
    records = []
    for row in rows.table:
        for start, length, is_last in _owned(row, rows.window, window, stride):
            records.append(_part(row, start - int(row["start_token"]), length, is_last))
    return replace(rows, table=_table(rows, records), window=window)


def _owned(row, source: int, window: int, stride: int) -> Iterator[tuple[int, int, bool]]:
    """(start in the text, length, is the last) of the windows that are cut from this row and from no other.

    A row that starts at r owns the starts in [r, r + source / 4); the last row of a text owns all that follow.
    """
    step, start, end = source // 4, int(row["start_token"]), int(row["start_token"] + row["length"])
    if not row["is_last"]:
        for at in range(-(-start // stride) * stride, start + step, stride):
            yield at, window, False
        return
    first = -(-start // step) * step
    last = max(0, end - window) if stride < window else (end - 1) // stride * stride
    for at in range(-(-first // stride) * stride, last, stride):
        yield at, window, False
    yield last, end - last, True


def _part(row, skipped: int, length: int, is_last: bool):
    """The row without its first `skipped` tokens, `length` tokens long."""
    part = row.copy()
    part["offset"] += skipped
    part["start_token"] += skipped
    part["length"], part["is_last"] = length, is_last
    if row["label_offset"] >= 0:
        part["label_offset"] += skipped
    return part


def _table(rows: Rows, records: list) -> np.ndarray:
    table = np.array(records, dtype=rows.table.dtype)
    table["seq_id"] = np.arange(len(table))
    return table


def with_variant_share(rows: Rows, share: float) -> Rows:
    """Originals repeated, as rows of their own, until variants are about `share` of all tokens; in (0, 1)."""
    is_original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
    lengths = rows.table["length"].astype(np.int64)
    wanted = lengths[~is_original].sum() * (1 - share) / share
    copies = max(1, round(float(wanted / max(lengths[is_original].sum(), 1))))
    order = np.concatenate([np.flatnonzero(~is_original), np.tile(np.flatnonzero(is_original), copies)])
    return replace(rows, table=rows.table[order])


def beginnings(rows: Rows, max_files: int) -> Rows:
    """The first window of up to `max_files` originals, evenly spread over the files in the order of their names."""
    table = rows.table[(rows.table["variant"] == VARIANTS.index(ORIGINAL)) & (rows.table["start_token"] == 0)]
    table = table[np.argsort([rows.files[file] for file in table["file"]], kind="stable")]
    count = min(max_files, len(table))
    table = table[np.arange(count) * len(table) // max(count, 1)]
    table["is_last"] = True
    return replace(rows, table=table)


def with_shifted_labels(rows: Rows) -> Rows:
    """Every row asked for the token after the next: an off-by-one as a careless loader makes it."""
    labels, table = [], rows.table.copy()
    offset = 0
    for index in range(len(rows)):
        labels.append(np.roll(rows.originals_of(index), -1))
        table["label_offset"][index] = offset
        offset += len(labels[-1])
    return replace(rows, table=table, labels=np.concatenate(labels))
