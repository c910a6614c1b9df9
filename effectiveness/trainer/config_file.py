"""Reads a configuration: the YAML file, then `section.key=value` overrides, each value by the type of its setting.

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
from pathlib import Path

import yaml

from effectiveness.common.boundary import printable, read_regular, reading
from effectiveness.common.recipes import AUTO, MEASURED, TRAINED
from effectiveness.common.records import UserError
from effectiveness.trainer.config import GONE, SECTIONS, Config, check_combinations

MAX_CONFIG_BYTES = 1_000_000
NUMBER = re.compile(r"[+-]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?(0|[1-9]\d*(_\d+)*)", re.ASCII)
LEADING_ZEROS = re.compile(r"[+-]?0\d+", re.ASCII)
MAX_DIGITS = 40
SHOWN_CHARACTERS = 60


def load_config(
    path: Path | None,
    overrides: typing.Sequence[str] = (),
    flags: typing.Mapping[str, tuple[str, object]] = {},
    built_for: str = MEASURED,
) -> Config:
    """Read the YAML at `path` (None: defaults only), then apply `section.key=value` overrides, then flags.

    `built_for` is the recipe of the dataset, which `recipe: auto` stands for.
    `flags` are settings with a flag of their own: {"--epochs": ("training.num_epochs", 3)}; None is not given.
    Raises UserError naming file, line or flag, and the nearest known key.
    """
    values: dict[str, typing.Any] = {name: {} for name in SECTIONS}
    if path is not None:
        _read_yaml(path, values)
    for override in overrides:
        _read_override(override, values)
    for flag, (key, value) in flags.items():
        if value is not None:
            section, name = key.split(".")
            values[section][name] = _parse(str(value), SECTIONS[section], name, flag)
    recipe = values.pop("recipe", AUTO)
    sections = {name: SECTIONS[name](**given) for name, given in values.items()}
    config = Config(recipe=built_for if recipe == AUTO else recipe, **sections)
    check_combinations(config)
    return config


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes only; anchors and aliases are refused before anything can be expanded."""

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not allowed", problem_mark=event.start_mark
            )
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem="tags are not allowed", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _read_yaml(path: Path, values: dict[str, typing.Any]) -> None:
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
    raw = read_regular(path, max_bytes=MAX_CONFIG_BYTES, way_out="pass --config FILE")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    with reading(f"{path} is not valid YAML", "see the documented settings"):
        try:
            root = _StrictLoader(text).get_single_node()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else "?"
            raise UserError(f"{path}:{line}: {_yaml_problem(error)}") from error
    return root if root is not None else yaml.MappingNode("tag:yaml.org,2002:map", [])


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    if (error.context or "").startswith("expected a single document"):
        return "a second document begins here (---); a configuration is one"
    problem = error.problem or str(error)
    return f"{problem}; indent with spaces" if "\\t" in problem else problem


def _entries(node: yaml.Node, where: str, known: typing.Collection[str], what: str):
    """The (key, value) nodes of a mapping, each key known and given once."""
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{where}: expected `key: value` lines, got {_shown(node)}")
    seen: dict[str, int] = {}
    file = where.rsplit(":", 1)[0] if ":" in where else where
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None or name not in known:
            raise UserError(f"{file}:{line}: unknown {what}: {_shown(key)}{_nearest(name, known)}")
        if name in seen:
            raise UserError(f"{file}:{line}: {name} is given twice (first on line {seen[name]}); keep one")
        seen[name] = line
        yield key, value


def _read_override(override: str, values: dict[str, typing.Any]) -> None:
    key, equals, text = override.partition("=")
    if equals and key.strip() == "recipe":
        values["recipe"] = _parse_recipe(text.strip(), "--set recipe")
        return
    section, dot, name = key.strip().partition(".")
    if not equals or not dot:
        raise UserError(
            f"--set {_short(override)}: expected section.key=value, e.g. optimization.batch_size=8"
        )
    if section not in SECTIONS:
        raise UserError(
            f"--set {_short(override)}: unknown section: {_short(section)}{_nearest(section, SECTIONS)}"
        )
    known = _settings(SECTIONS[section])
    if name not in known:
        raise UserError(
            f"--set {_short(override)}: unknown key in {section}: {_short(name)}{_nearest(name, known)}"
        )
    text = text.strip()
    listed = text.startswith("[") and text.endswith("]")
    value = [part.strip() for part in text[1:-1].split(",") if part.strip()] if listed else text
    values[section][name] = _parse(value, SECTIONS[section], name, f"--set {section}.{name}")


def _parse_recipe(value: str | list[str], where: str) -> str:
    known = (AUTO, *TRAINED)
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{where}: expected one of {', '.join(known)}, got {_short(value)}")
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
    if isinstance(node, yaml.ScalarNode):
        return _short(node.value)
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a sequence"


def _short(value: object) -> str:
    """For a message: what was given may be a whole file."""
    text = printable(str(value))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _nearest(name: str | None, known: typing.Iterable[str]) -> str:
    if any(key.endswith(f".{name}") for key in GONE):
        return "; it showed no gain and is gone: leave it out"
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
        names = tuple(_parse_str(part, where) for part in (value if isinstance(value, list) else [value]))
        if not names:
            raise UserError(f"{where}: expected a list of names such as [q_proj, v_proj], got an empty one")
        return names
    if isinstance(value, list):
        raise UserError(f"{where}: expected one {_TYPE_WORDS[kind]}, got a list")
    parsed = _PARSERS[kind](value, where)
    if isinstance(parsed, str) and parsed.startswith("~"):  # only paths do
        with reading(f"{where}: {_short(parsed)}", "write the whole path"):
            parsed = str(Path(parsed).expanduser())
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
        raise UserError(f"{where}: expected true or false, got {_short(text)}")
    return text == "true"


def _parse_int(text: str, where: str) -> int:
    if not INTEGER.fullmatch(text):
        hint = "; write it without leading zeros" if LEADING_ZEROS.fullmatch(text) else ""
        raise UserError(f"{where}: expected a whole number, got {_short(text) or 'nothing'}{hint}")
    if len(text) > MAX_DIGITS:  # far beyond every limit, and beyond what Python reads
        raise UserError(f"{where}: {_short(text)} has {len(text):,} digits, at most {MAX_DIGITS} are read")
    return int(text)


def _parse_float(text: str, where: str) -> float:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise UserError(f"{where}: expected a number such as 0.1 or 2e-5, got {_short(text) or 'nothing'}")
    return float(text)


def _parse_str(text: str, where: str) -> str:
    if not text or text == "null":
        raise UserError(f"{where}: expected a value, got nothing")
    if not text.isprintable():  # control characters, and bytes that are not UTF-8
        raise UserError(f"{where}: expected printable text, got {text!r}")
    return text


_PARSERS = {bool: _parse_bool, int: _parse_int, float: _parse_float, str: _parse_str}
_TYPE_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "word"}


def _check_limits(value, limits, where: str) -> None:
    if limits["choices"] and value not in limits["choices"]:
        close = difflib.get_close_matches(value, limits["choices"], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"{where}: expected one of {', '.join(limits['choices'])}, got {_short(value)}{hint}")
    if limits["low"] is not None and value < limits["low"]:
        raise UserError(f"{where}: must be at least {limits['low']}, got {value}")
    if limits["above"] is not None and value <= limits["above"]:
        raise UserError(f"{where}: must be above {limits['above']:g}, got {value}")
    if limits["high"] is not None and value > limits["high"]:
        raise UserError(f"{where}: must be at most {limits['high']}, got {value}")
