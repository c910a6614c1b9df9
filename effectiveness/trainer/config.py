"""Every setting, once: its type, default, range and what a resume may do to it; the YAML has the same groups."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TypeVar, cast

from effectiveness.common.hardware import DEVICES
from effectiveness.common.recipes import ADAPTER, FOUNDING, MEASURED, TRAINED
from effectiveness.common.records import UserError
from effectiveness.trainer.shapes import PRESETS

T = TypeVar("T")


# What becomes of a setting that a resume gives another value than the run had:
HARMLESS = "harmless"  # changes no weight: told
CHANGEABLE = "changeable"  # what comes is made with the new value: told, old and new
PACED = "paced"  # the same, but not in the middle of an epoch that a curriculum cuts by the length of the run
REFUSED = (
    "refused"  # the place in the epoch, the weights or the best so far would mean something else: exit 2
)


def setting(default, on_resume: str, *, low=None, high=None, above=None, choices=None):
    """A field with its rule above and its range: low <= value <= high, value > above, one of choices."""
    limits = {"low": low, "high": high, "above": above, "choices": choices}
    return field(default=default, metadata=limits | {"on_resume": on_resume})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    preset: str = setting("auto", REFUSED, choices=("auto", *PRESETS))
    pretrained_model: str | None = setting(None, REFUSED)
    tokenizer_name: str | None = setting(None, HARMLESS)  # it is checked against the dataset's
    # Of the export:
    torch_dtype: str = setting("auto", HARMLESS, choices=("auto", "float32", "bfloat16", "float16"))
    max_position_embeddings: int | None = setting(None, REFUSED, low=8, high=1_048_576)
    dropout: float | None = setting(None, CHANGEABLE, low=0.0, high=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    load_in_4bit: bool = setting(False, REFUSED)
    load_in_8bit: bool = setting(False, REFUSED)
    lora_enabled: bool | None = setting(None, REFUSED)
    lora_rank: int = setting(32, REFUSED, low=1, high=4096)
    lora_alpha: float = setting(64.0, REFUSED, above=0.0)
    lora_dropout: float = setting(0.05, CHANGEABLE, low=0.0, high=0.9)
    lora_target_modules: tuple[str, ...] = setting(("all-linear",), REFUSED)
    lora_rslora: bool = setting(False, REFUSED)
    lora_dora: bool = setting(False, REFUSED)
    lora_choose_scale: bool | None = setting(None, HARMLESS)  # of the export

    @property
    def bits(self) -> int | None:
        """Of each weight of the frozen base; None as it was released."""
        return 4 if self.load_in_4bit else 8 if self.load_in_8bit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    weighting: str | None = setting(None, REFUSED, choices=("visits", "loss", "none"))
    curriculum: str | None = setting(None, REFUSED, choices=("stages", "warmup_fraction", "none"))
    curriculum_fraction: float = setting(0.1, REFUSED, low=0.0, high=1.0)
    fresh_cuts: bool | None = setting(None, REFUSED)
    window_growth: float | None = setting(None, CHANGEABLE, low=0.0, high=1.0)
    overlap: bool | None = setting(None, REFUSED)
    variants: bool | None = setting(None, REFUSED)
    packing: bool = setting(True, REFUSED)
    replay: str | None = setting(None, REFUSED)
    replay_share: float = setting(0.05, REFUSED, above=0.0, high=0.5)

    @property
    def is_read_alike(self) -> bool:
        """Whether rows hold every token of the originals once, in any order: then they may be cut anew every epoch."""
        return (self.weighting, self.curriculum, self.overlap, self.variants) == (
            "none",
            "none",
            False,
            False,
        )

    @property
    def cuts_anew(self) -> bool:
        return self.is_read_alike and self.fresh_cuts is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    fim_rate: float | None = setting(None, REFUSED, low=0.0, high=1.0)
    mask_rate: float = setting(0.0, CHANGEABLE, low=0.0, high=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    batch_size: int = setting(16, CHANGEABLE, low=1, high=65_536)  # the place in the epoch is kept in packs
    gradient_accumulation_steps: int = setting(1, CHANGEABLE, low=1, high=65_536)
    learning_rate: float | None = setting(None, CHANGEABLE, above=0.0, high=1.0)
    lr_scheduler: str | None = setting(
        None, CHANGEABLE, choices=("flat_cooldown", "cosine", "linear", "constant")
    )
    warmup_steps: int | None = setting(None, CHANGEABLE, low=0)
    warmup_ratio: float | None = setting(None, CHANGEABLE, low=0.0, high=0.9)
    cooldown_fraction: float = setting(0.2, CHANGEABLE, low=0.0, high=1.0)
    min_lr_ratio: float = setting(0.0, CHANGEABLE, low=0.0, high=1.0)
    optimizer: str | None = setting(None, REFUSED, choices=("auto", "adamw", "muon"))
    weight_decay: float | None = setting(None, CHANGEABLE, low=0.0, high=100.0)
    embedding_weight_decay: float | None = setting(None, CHANGEABLE, low=0.0, high=100.0)
    beta1: float = setting(0.9, CHANGEABLE, low=0.0, high=0.9999)
    beta2: float | None = setting(None, CHANGEABLE, low=0.0, high=0.999999)
    max_grad_norm: float = setting(1.0, CHANGEABLE, low=0.0)
    mixed_precision: str = setting("auto", CHANGEABLE, choices=("auto", "bf16", "fp16", "fp32"))
    gradient_checkpointing: bool | None = setting(None, HARMLESS)

    @property
    def packs_per_step(self) -> int:
        """Over all processes."""
        return self.batch_size * self.gradient_accumulation_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    num_epochs: int | None = setting(None, PACED, low=1, high=1_000_000)
    max_steps: int | None = setting(None, PACED, low=1)
    save_steps: int = setting(500, HARMLESS, low=1)
    save_total_limit: int = setting(2, HARMLESS, low=1, high=1000)
    eval_steps: int | None = setting(None, CHANGEABLE, low=1)
    logging_steps: int = setting(10, HARMLESS, low=1)
    seed: int = setting(42, REFUSED, low=0, high=2**63 - 1)
    patience: int | None = setting(None, CHANGEABLE, low=0)  # 0: never
    max_bad_steps: int = setting(5, HARMLESS, low=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    max_windows: int | None = setting(None, REFUSED, low=0)  # the best so far was chosen on others
    completions: int = setting(16, HARMLESS, low=0, high=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    max_new_tokens: int = setting(128, HARMLESS, low=1, high=1_048_576)
    do_sample: bool = setting(False, HARMLESS)
    temperature: float = setting(0.8, HARMLESS, above=0.0, high=10.0)
    top_p: float = setting(0.95, HARMLESS, above=0.0, high=1.0)
    top_k: int = setting(50, HARMLESS, low=0)
    repetition_penalty: float = setting(1.0, HARMLESS, above=0.0, high=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBackend:
    device: str = setting("auto", CHANGEABLE, choices=DEVICES)  # other bits, the same training
    compile: str = setting("auto", CHANGEABLE, choices=("auto", "on", "off"))
    distributed: str = setting("ddp", CHANGEABLE, choices=("ddp", "fsdp"))
    deterministic: bool = setting(False, CHANGEABLE)
    memory_gib: float | None = setting(None, HARMLESS, above=0.0)  # smaller pieces of the same steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    directory: str = setting("models/the-block-effectiveness", HARMLESS)
    tensorboard: bool = setting(True, HARMLESS)
    report: bool = setting(True, HARMLESS)


# What `auto` stands for, beside the rows, which the recipe has built (effectiveness/common/recipes.py).
_WHOLLY = {"lora_enabled": False, "lora_choose_scale": False}
SETTINGS: dict[str, dict[str, dict]] = {
    MEASURED: {
        "optimization": {"optimizer": "auto", "lr_scheduler": "flat_cooldown"},
        "quantization": _WHOLLY,
    },
    FOUNDING: {
        "optimization": {"optimizer": "adamw", "lr_scheduler": "cosine"},
        "objectives": {"fim_rate": 0.0},
        "quantization": _WHOLLY,
    },
    # For bases of 0.5 to 3 billion weights. Adapters on every layer, alpha twice the rank, some four epochs (LoRA
    # Learns Less and Forgets Less, 2405.09673); about ten times the rate of whole tuning (Schulman, LoRA Without
    # Regret, 2025): so are the defaults, 2e-4 times alpha / rank = 2 against 5e-5. It ends when val stands still.
    ADAPTER: {
        "optimization": {"optimizer": "adamw", "lr_scheduler": "flat_cooldown"},
        "quantization": {"lora_enabled": True, "lora_choose_scale": True},
        "training": {"num_epochs": 4, "patience": 2},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration. `config.optimization.batch_size` is `optimization.batch_size` in the YAML.

    What is left `auto` (None) and stands in TRAINED or SETTINGS is filled in from there.
    """

    recipe: str = MEASURED
    model: Model = field(default_factory=Model)
    quantization: Quantization = field(default_factory=Quantization)
    data: Data = field(default_factory=Data)
    objectives: Objectives = field(default_factory=Objectives)
    optimization: Optimization = field(default_factory=Optimization)
    training: Training = field(default_factory=Training)
    evaluation: Evaluation = field(default_factory=Evaluation)
    inference: Inference = field(default_factory=Inference)
    device_backend: DeviceBackend = field(default_factory=DeviceBackend)
    output: Output = field(default_factory=Output)

    def __post_init__(self) -> None:
        by_recipe = {"data": TRAINED[self.recipe].reading()} | SETTINGS[self.recipe]
        for section, values in by_recipe.items():
            given = getattr(self, section)
            missing = {name: value for name, value in values.items() if getattr(given, name) is None}
            object.__setattr__(self, section, dataclasses.replace(given, **missing))

    def as_dict(self) -> dict:
        """Nested plain dictionaries, for JSON and for reports."""
        return dataclasses.asdict(self)


def filled(value: T | None) -> T:
    """A setting that is None in the file only: the recipe has given it a value."""
    assert value is not None, "Config fills it in"
    return value


SECTIONS: dict[str, type] = {
    f.name: cast(type, f.default_factory) for f in dataclasses.fields(Config) if f.name != "recipe"
}


# Settings that runs of before have recorded, each with the value that it did nothing with.
GONE = {"data.repository_context": 0.0, "optimization.ema_decay": 0.0}


def without_gone(recorded: dict) -> dict:
    """The configuration of a run without settings that are gone. Raises UserError where one of them did something."""
    kept = dict(recorded)
    for key, off in GONE.items():
        section, name = key.split(".")
        if not isinstance(kept.get(section), dict) or name not in kept[section]:
            continue
        kept[section] = {other: value for other, value in kept[section].items() if other != name}
        if (value := recorded[section][name]) != off:
            raise UserError(
                f"the run was trained with {key}: {value}, which this version no longer has; train it anew without it"
            )
    return kept


def check_combinations(config: Config) -> None:
    """Settings that would silently do nothing together are refused."""
    optimization, model = config.optimization, config.model
    if config.data.fresh_cuts and not config.data.is_read_alike:
        raise UserError(
            "data.fresh_cuts: true cuts originals that are all read alike; it needs data.weighting and data.curriculum "
            "none, data.overlap and data.variants false"
        )
    quantization = config.quantization
    if quantization.load_in_4bit and quantization.load_in_8bit:
        raise UserError("quantization.load_in_4bit and load_in_8bit are both set; keep one")
    if quantization.bits and not quantization.lora_enabled:
        raise UserError(
            f"quantization.load_in_{quantization.bits}bit is of a frozen base, whose weights no step can change by so "
            "little; train adapters on it (quantization.lora_enabled: true), or leave it out"
        )
    if not config.output.directory.strip():
        raise UserError("output.directory is empty; name a directory")
    if optimization.warmup_steps is not None and optimization.warmup_ratio is not None:
        raise UserError("optimization.warmup_steps and optimization.warmup_ratio are both set; keep one")
    if optimization.optimizer == "muon" and config.device_backend.distributed == "fsdp":
        raise UserError(
            "optimization.optimizer: muon needs whole matrices; use device_backend.distributed: ddp"
        )
    if model.pretrained_model and model.dropout:
        raise UserError(
            "model.dropout is for models trained from scratch; with model.pretrained_model use lora_dropout"
        )


def with_base(config: Config, finished: str | None) -> Config:
    """`config` with the `finished` model of --checkpoint as model.pretrained_model, the frozen base of adapters."""
    if not config.quantization.lora_enabled:
        return config
    name = finished or config.model.pretrained_model
    if name is None:
        raise UserError(
            "quantization.lora_enabled, also by recipe: adapter, needs a base: model.pretrained_model, or --checkpoint "
            "with a finished model; adapters have nothing to adapt from scratch"
        )
    return dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained_model=name))
