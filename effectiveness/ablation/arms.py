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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from effectiveness.ablation import cuts
from effectiveness.common.records import AUGMENTATION_KINDS
from effectiveness.trainer import recut
from effectiveness.trainer.config import Config
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.rows import Rows

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
    rows = cuts.cut(rows, window=window, stride=window // 4 if arm.overlap else window)
    if arm.variant_share is not None:
        rows = cuts.with_variant_share(rows, arm.variant_share)
    return cuts.with_shifted_labels(rows) if arm.shifted_labels else rows


def held_out_rows(arm: Arm, rows: Rows) -> Rows:
    """The originals of a held-out split in the arm's windows, overlapping by three quarters whatever it trains on."""
    window = arm.window(rows.window)
    return cuts.cut(recut.only(rows, ()), window=window, stride=window // 4)


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
