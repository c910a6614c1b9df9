"""Every setting, once: its type, default and range are the dataclasses below; the YAML has the same groups.

PyYAML reads `2e-5` as text, `no` as False, `012` as 10, lets the last duplicate key win and expands alias bombs.
So only its node tree is used, with lines, and each scalar is read by the type of the setting it belongs to.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from corpus.records import UserError

MAX_CONFIG_BYTES = 1_000_000
NUMBER = re.compile(r"[+-]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
INTEGER = re.compile(r"[+-]?(0|[1-9]\d*(_\d+)*)")


def setting(default, *, low=None, high=None, above=None, choices=None, refuse=None):
    """A field with its range: low <= value <= high, value > above, one of choices; `refuse` maps a value to why not."""
    limits = {"low": low, "high": high, "above": above, "choices": choices, "refuse": refuse or {}}
    return field(default=default, metadata=limits)


NO_QUANTIZED_TRAINING = (
    "quantized training is not supported: it saves nothing below 3B parameters; use lora_enabled: true"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    preset: str = setting("auto", choices=("auto", "nano", "tiny", "small", "base"))
    pretrained_model: str | None = setting(None)
    tokenizer_name: str | None = setting(None)
    torch_dtype: str = setting("float32", choices=("float32", "bfloat16", "float16"))
    max_position_embeddings: int | None = setting(None, low=8, high=1_048_576)
    dropout: float = setting(0.0, low=0.0, high=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    load_in_4bit: bool = setting(False, refuse={True: NO_QUANTIZED_TRAINING})
    load_in_8bit: bool = setting(False, refuse={True: NO_QUANTIZED_TRAINING})
    lora_enabled: bool = setting(False)
    lora_rank: int = setting(32, low=1, high=4096)
    lora_alpha: float = setting(64.0, above=0.0)
    lora_dropout: float = setting(0.05, low=0.0, high=0.9)
    lora_target_modules: tuple[str, ...] = setting(("all-linear",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    weighting: str | None = setting(None, choices=("visits", "loss", "none"))
    curriculum: str | None = setting(None, choices=("stages", "warmup_fraction", "none"))
    curriculum_fraction: float = setting(0.1, low=0.0, high=1.0)
    overlap: bool | None = setting(None)
    variants: bool | None = setting(None)
    packing: bool = setting(True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    fim_rate: float = setting(0.0, low=0.0, high=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    batch_size: int = setting(16, low=1, high=65_536)
    gradient_accumulation_steps: int = setting(1, low=1, high=65_536)
    learning_rate: float | None = setting(None, above=0.0, high=1.0)
    lr_scheduler: str | None = setting(None, choices=("flat_cooldown", "cosine", "linear", "constant"))
    warmup_steps: int | None = setting(None, low=0)
    warmup_ratio: float | None = setting(None, low=0.0, high=0.9)
    cooldown_fraction: float = setting(0.2, low=0.0, high=1.0)
    min_lr_ratio: float = setting(0.0, low=0.0, high=1.0)
    optimizer: str | None = setting(None, choices=("auto", "adamw", "muon"))
    weight_decay: float = setting(0.1, low=0.0, high=10.0)
    beta1: float = setting(0.9, low=0.0, high=0.9999)
    beta2: float | None = setting(None, low=0.0, high=0.999999)
    max_grad_norm: float = setting(1.0, low=0.0)
    mixed_precision: str = setting("auto", choices=("auto", "bf16", "fp16", "fp32"))
    gradient_checkpointing: bool = setting(False)
    ema_decay: float = setting(0.0, low=0.0, high=0.99999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    num_epochs: int = setting(3, low=1, high=1_000_000)
    max_steps: int | None = setting(None, low=1)
    save_steps: int = setting(500, low=1)
    save_total_limit: int = setting(2, low=1, high=1000)
    eval_steps: int | None = setting(None, low=1)
    logging_steps: int = setting(10, low=1)
    seed: int = setting(42, low=0, high=2**63 - 1)
    patience: int | None = setting(None, low=1)
    max_bad_steps: int = setting(5, low=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    max_windows: int | None = setting(None, low=1)
    completions: int = setting(16, low=0, high=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    max_new_tokens: int = setting(128, low=1, high=1_048_576)
    do_sample: bool = setting(False)
    temperature: float = setting(0.8, above=0.0, high=10.0)
    top_p: float = setting(0.95, above=0.0, high=1.0)
    top_k: int = setting(50, low=0)
    repetition_penalty: float = setting(1.0, above=0.0, high=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBackend:
    device: str = setting("auto", choices=("auto", "cuda", "mps", "cpu"))
    compile: str = setting("auto", choices=("auto", "on", "off"))
    distributed: str = setting("ddp", choices=("ddp", "fsdp"))
    deterministic: bool = setting(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    directory: str = setting("models/the-block-effectiveness")
    tensorboard: bool = setting(True)
    report: bool = setting(True)


# What `auto` stands for. "measured" holds what paid on held-out files (EFFECTIVENESS_OPTIMIZATION.md), "founding"
# what the project set out with.
MEASURED, FOUNDING = "measured", "founding"
RECIPES: dict[str, dict[str, dict]] = {
    MEASURED: {
        "data": {"weighting": "none", "curriculum": "none", "overlap": False, "variants": False},
        "optimization": {"optimizer": "auto", "lr_scheduler": "flat_cooldown"},
    },
    FOUNDING: {
        "data": {"weighting": "visits", "curriculum": "stages", "overlap": True, "variants": True},
        "optimization": {"optimizer": "adamw", "lr_scheduler": "cosine"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration. `config.optimization.batch_size` is `optimization.batch_size` in the YAML.

    What is left `auto` (None) and stands in RECIPES is filled in from there.
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
        for section, values in RECIPES[self.recipe].items():
            given = getattr(self, section)
            missing = {name: value for name, value in values.items() if getattr(given, name) is None}
            object.__setattr__(self, section, dataclasses.replace(given, **missing))

    def as_dict(self) -> dict:
        """Nested plain dictionaries, for JSON and for reports."""
        return dataclasses.asdict(self)


SECTIONS: dict[str, type] = {
    f.name: f.default_factory for f in dataclasses.fields(Config) if f.name != "recipe"
}


def load_config(path: Path | None, overrides: typing.Sequence[str] = ()) -> Config:
    """Read the YAML at `path` (None: defaults only), then apply `section.key=value` overrides.

    Raises UserError naming file, line and the nearest known key.
    """
    values: dict[str, typing.Any] = {name: {} for name in SECTIONS}
    if path is not None:
        _read_yaml(path, values)
    for override in overrides:
        _read_override(override, values)
    recipe = values.pop("recipe", MEASURED)
    sections = {name: SECTIONS[name](**given) for name, given in values.items()}
    config = Config(recipe=recipe, **sections)
    _check_combinations(config)
    return config


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes only; anchors and aliases are refused before anything can be expanded."""

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not allowed", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def _read_yaml(path: Path, values: dict[str, dict]) -> None:
    root = _compose(path)
    for key_node, section_node in _entries(root, str(path), ["recipe", *SECTIONS], "section"):
        section = key_node.value
        where = f"{path}:{section_node.start_mark.line + 1}"
        if section == "recipe":
            values["recipe"] = _parse_recipe(_plain(section_node, where), f"{where}: recipe")
            continue
        if isinstance(section_node, yaml.ScalarNode) and _is_null(section_node):
            continue
        known = _settings(SECTIONS[section])
        for name_node, value_node in _entries(section_node, where, known, f"key in {section}"):
            name = name_node.value
            at = f"{path}:{name_node.start_mark.line + 1}: {section}.{name}"
            values[section][name] = _parse(_plain(value_node, at), SECTIONS[section], name, at)


def _compose(path: Path) -> yaml.Node:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the configuration {path}: {error.strerror}; pass --config FILE"
        ) from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise UserError(f"{path} has {len(raw):,} bytes; a configuration has at most {MAX_CONFIG_BYTES:,}")
    try:
        loader = _StrictLoader(raw.decode("utf-8"))
        root = loader.get_single_node()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        hint = "; indent with spaces" if "\\t" in error.problem else ""
        raise UserError(f"{path}:{line}: {error.problem}{hint}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from error
    return root if root is not None else yaml.MappingNode("tag:yaml.org,2002:map", [])


def _entries(node: yaml.Node, where: str, known: typing.Collection[str], what: str):
    """The (key, value) nodes of a mapping, each key known and given once."""
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{where}: expected `key: value` lines, got {_shown(node)}")
    seen: dict[str, int] = {}
    file = where.rsplit(":", 1)[0] if ":" in where else where
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name not in known:
            raise UserError(f"{file}:{line}: unknown {what}: {_shown(key)}{_nearest(name, known)}")
        if name in seen:
            raise UserError(f"{file}:{line}: {name} is given twice (first on line {seen[name]}); keep one")
        seen[name] = line
        yield key, value


def _read_override(override: str, values: dict[str, dict]) -> None:
    key, equals, text = override.partition("=")
    if equals and key.strip() == "recipe":
        values["recipe"] = _parse_recipe(text.strip(), "--set recipe")
        return
    section, dot, name = key.strip().partition(".")
    if not equals or not dot:
        raise UserError(f"--set {override}: expected section.key=value, e.g. optimization.batch_size=8")
    if section not in SECTIONS:
        raise UserError(f"--set {override}: unknown section: {section}{_nearest(section, SECTIONS)}")
    known = _settings(SECTIONS[section])
    if name not in known:
        raise UserError(f"--set {override}: unknown key in {section}: {name}{_nearest(name, known)}")
    text = text.strip()
    listed = text.startswith("[") and text.endswith("]")
    value = [part.strip() for part in text[1:-1].split(",") if part.strip()] if listed else text
    values[section][name] = _parse(value, SECTIONS[section], name, f"--set {section}.{name}")


def _parse_recipe(value: str | list[str], where: str) -> str:
    if value not in RECIPES:
        raise UserError(f"{where}: expected one of {', '.join(RECIPES)}, got {value}")
    return value


def _plain(node: yaml.Node, where: str) -> str | list[str]:
    """A scalar's text or a list of them, before any type is given to it."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style or not _is_null(node) else "null"
    if isinstance(node, yaml.SequenceNode) and all(isinstance(n, yaml.ScalarNode) for n in node.value):
        return [n.value for n in node.value]
    raise UserError(f"{where}: expected one value or a list of words, got nested {_shown(node)}")


def _is_null(node: yaml.ScalarNode) -> bool:
    return not node.style and node.value in ("", "~", "null", "Null", "NULL")


def _shown(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else f"a {node.id}"


def _nearest(name: str | None, known: typing.Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name or "", known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"


def _settings(section: type) -> dict[str, dataclasses.Field]:
    return {f.name: f for f in dataclasses.fields(section)}


def _parse(value: str | list[str], section: type, name: str, where: str):
    """`value` as the type of `section.name`, within its limits. Raises UserError starting with `where`."""
    kind, optional = _kind(section, name)
    if optional and value in ("null", "auto", ""):
        return None
    if kind is tuple:
        parsed = tuple(value) if isinstance(value, list) else (value,)
        if not parsed or not all(parsed):
            raise UserError(f"{where}: expected a list of names such as [q_proj, v_proj], got an empty one")
        return parsed
    if isinstance(value, list):
        raise UserError(f"{where}: expected one {_TYPE_WORDS[kind]}, got a list")
    parsed = _PARSERS[kind](value, where)
    _check_limits(parsed, _settings(section)[name].metadata, where)
    return parsed


def _kind(section: type, name: str) -> tuple[type, bool]:
    """(int, True) for `int | None`."""
    hint = typing.get_type_hints(section)[name]
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(part for part in parts if part is not types.NoneType)
    return typing.get_origin(kind) or kind, types.NoneType in parts


def _parse_bool(text: str, where: str) -> bool:
    if text not in ("true", "false"):
        raise UserError(f"{where}: expected true or false, got {text}")
    return text == "true"


def _parse_int(text: str, where: str) -> int:
    if not INTEGER.fullmatch(text):
        hint = "; write it without leading zeros" if text.lstrip("+-").startswith("0") else ""
        raise UserError(f"{where}: expected a whole number, got {text or 'nothing'}{hint}")
    return int(text)


def _parse_float(text: str, where: str) -> float:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise UserError(f"{where}: expected a number such as 0.1 or 2e-5, got {text or 'nothing'}")
    return float(text)


def _parse_str(text: str, where: str) -> str:
    if not text or text == "null":
        raise UserError(f"{where}: expected a value, got nothing")
    return text


_PARSERS = {bool: _parse_bool, int: _parse_int, float: _parse_float, str: _parse_str}
_TYPE_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "word"}


def _check_limits(value, limits, where: str) -> None:
    if value in limits["refuse"]:
        raise UserError(f"{where}: {limits['refuse'][value]}")
    if limits["choices"] and value not in limits["choices"]:
        close = difflib.get_close_matches(value, limits["choices"], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"{where}: expected one of {', '.join(limits['choices'])}, got {value}{hint}")
    if limits["low"] is not None and value < limits["low"]:
        raise UserError(f"{where}: must be at least {limits['low']}, got {value}")
    if limits["above"] is not None and value <= limits["above"]:
        raise UserError(f"{where}: must be above {limits['above']:g}, got {value}")
    if limits["high"] is not None and value > limits["high"]:
        raise UserError(f"{where}: must be at most {limits['high']}, got {value}")


def _check_combinations(config: Config) -> None:
    """Settings that would silently do nothing together are refused."""
    optimization, model = config.optimization, config.model
    if optimization.warmup_steps is not None and optimization.warmup_ratio is not None:
        raise UserError("optimization.warmup_steps and optimization.warmup_ratio are both set; keep one")
    if optimization.optimizer == "muon" and config.device_backend.distributed == "fsdp":
        raise UserError(
            "optimization.optimizer: muon needs whole matrices; use device_backend.distributed: ddp"
        )
    if config.quantization.lora_enabled and model.pretrained_model is None:
        raise UserError(
            "quantization.lora_enabled needs model.pretrained_model: adapters have nothing to adapt from scratch"
        )
    if model.pretrained_model and model.dropout:
        raise UserError(
            "model.dropout is for models trained from scratch; with model.pretrained_model use lora_dropout"
        )
