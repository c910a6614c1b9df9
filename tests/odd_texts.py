"""Odd tokenizers and odd configurations, one for each seed."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

ODD = [
    None,
    True,
    False,
    -1,
    0,
    1,
    300,
    1 << 33,
    10**30,
    0.5,
    -0.0,
    "",
    "x",
    "(",
    "a\0b",
    "\udce9",
    "Ġ",
    [],
    [[]],
    {},
]
ODD += [
    [None],
    {"type": "X"},
    {"type": "ByteLevel"},
    {"type": "Sequence", "normalizers": [{}]},
    "<|endoftext|>",
]
PARTS: dict[str, list[object]] = {
    "pre_tokenizer": [
        {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False},
        {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False},
        {"type": "Sequence", "pretokenizers": []},
        {"type": "Whitespace"},
        {"type": "Delimiter"},
    ],
    "normalizer": [
        {"type": "Replace", "pattern": {"Regex": ""}, "content": "x"},
        {"type": "Replace", "pattern": {"Regex": "(?s).*"}, "content": ""},
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Prepend", "prepend": ""},
    ],
    "decoder": [
        {"type": "Strip", "content": "x", "start": 9, "stop": 9},
        {"type": "Replace"},
        {"type": "CTC"},
    ],
    "post_processor": [
        {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}},
        {"type": "X"},
    ],
    "truncation": [{"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}],
    "padding": [
        {"strategy": {"Fixed": 9}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "x"}
    ],
    "model": [
        {"type": "Unigram", "vocab": ["ab"], "unk_id": 0},
        {"type": "WordPiece", "vocab": {}},
        {"type": "BPE"},
    ],
}


def make_odd_tokenizer(directory: Path, rng: random.Random) -> str:
    """Change the good tokenizer in `directory`; returns what was done."""
    return rng.choice(TOKENIZER_KINDS)(directory, rng)


def _change(directory: Path, rng: random.Random, name: str) -> str:
    """One value anywhere in a JSON file becomes an odd one, or goes."""
    parsed = json.loads((directory / name).read_text())
    holder, place = parsed, ""
    for _ in range(rng.randrange(5)):
        deeper = [k for k in _keys(holder) if isinstance(holder[k], dict | list) and holder[k]]
        if not deeper:
            break
        key = rng.choice(deeper)
        holder, place = holder[key], f"{place}.{key}"
    key = rng.choice(_keys(holder))
    place += f".{key}"
    value = rng.choice(ODD)
    if rng.random() < 0.2:
        del holder[key]
        value = "gone"
    else:
        holder[key] = value
    (directory / name).write_bytes(json.dumps(parsed).encode("utf-8", "surrogatepass"))
    return f"{name}{place}={value!r}"


def _keys(holder: dict | list) -> list:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def tokenizer_value(directory: Path, rng: random.Random) -> str:
    return _change(directory, rng, "tokenizer.json")


def names_value(directory: Path, rng: random.Random) -> str:
    return _change(directory, rng, "tokenizer_config.json")


def tokenizer_part(directory: Path, rng: random.Random) -> str:
    parsed = json.loads((directory / "tokenizer.json").read_text())
    key = rng.choice(sorted(PARTS))
    value = rng.choice(PARTS[key])
    (directory / "tokenizer.json").write_text(json.dumps(parsed | {key: value}))
    return f"tokenizer.json.{key}={value!r}"


def whole_file(directory: Path, rng: random.Random) -> str:
    name = rng.choice(["tokenizer.json", "tokenizer_config.json"])
    file = directory / name
    raw, kind = (
        file.read_bytes(),
        rng.choice(["gone", "directory", "pipe", "dangling", "bytes", "bytes", "bytes"]),
    )
    if kind == "bytes":
        kind = rng.choice(sorted(TEXTS))
        file.write_bytes(TEXTS[kind](raw, rng))
        return f"{name}: {kind}"
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "dangling":
        file.symlink_to("nowhere")
    return f"{name}: {kind}"


TEXTS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": lambda raw, rng: raw[: rng.randrange(len(raw))],
    "empty": lambda raw, rng: b"",
    "NUL": lambda raw, rng: b"\0" + raw,
    "Latin-1": lambda raw, rng: raw.replace(b"type", b"typ\xe9", 1),
    "UTF-16": lambda raw, rng: raw.decode().encode("utf-16"),
    "deep": lambda raw, rng: b"[" * 100_000,
    "deep and closed": lambda raw, rng: b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
    "NaN": lambda raw, rng: b'{"model":NaN}',
    "1e400": lambda raw, rng: b'{"model":1e400}',
    "list": lambda raw, rng: b"[]",
    "text": lambda raw, rng: b'"x"',
    "twice": lambda raw, rng: raw.replace(b"{", b'{"model":{"type":"BPE"},', 1),
    "null added": lambda raw, rng: (
        b'{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"added_tokens":[null]}'
    ),
    "bool id": lambda raw, rng: b'{"model":{"type":"BPE","vocab":{"a":true},"merges":[]}}',
}
TOKENIZER_KINDS = [tokenizer_value, tokenizer_value, tokenizer_value, tokenizer_part, names_value, whole_file]

# --- configurations --------------------------------------------------------------------------------------

VALUES = [
    "0",
    "-1",
    "1e400",
    "1e-400",
    "0x10",
    "012",
    "1_000",
    "٣",
    "1.0",
    "9" * 5000,
    "yes",
    "No",
    "~",
    "''",
    '"2"',
    "[]",
]
VALUES += [
    "[1, 2]",
    "[[a]]",
    "{a: b}",
    "2024-01-01",
    "12:30:00",
    "!!int 3",
    "!!python/object/apply:os.system [x]",
]
VALUES += [
    "!!binary aGk=",
    "&a 3",
    "*a",
    "|\n  x\n  y",
    ">-\n  3",
    "'a\n\n  b'",
    '"\\ud800"',
    '"\\0"',
    "x" * 300,
    "# note",
]
VALUES += [
    "~nouser/x",
    "@x",
    "`x`",
    "%x",
    "- 1",
    "a: b: c",
    ".inf",
    ".nan",
    "1e",
    "+.5",
    "--",
    "\u2028x",
    "\u00a03",
    "\ufeff3",
]
LINES = [
    "<<: {a: 1}",
    "<<: *x",
    "? a",
    "? [a]\n: b",
    "- x",
    "---",
    "...",
    "%YAML 9.9",
    "%TAG ! x",
    "{",
    "]",
    "\tx: 1",
    "x",
]
LINES += [
    "model: {}",
    "model:\n  preset: nano",
    "training: [1]",
    "recipe: [measured]",
    "null: 1",
    "[a, b]: c",
    "1: 2",
    "'': 3",
]


def odd_yaml(good: str, keys: list[str], rng: random.Random) -> bytes:
    """The text of a good configuration, changed in one to three places."""
    text = good
    for _ in range(rng.randrange(1, 4)):
        text = rng.choice([_other_value, _other_value, _other_line, _other_byte])(text, keys, rng)
    encodings = ["utf-8"] * 12 + ["utf-16", "utf-32", "utf-8-sig"]
    return text.encode(rng.choice(encodings), "surrogatepass")


def _other_value(text: str, keys: list[str], rng: random.Random) -> str:
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if ": " in line]
    if not places:
        return text
    place = rng.choice(places)
    lines[place] = f"{lines[place].partition(':')[0]}: {rng.choice(VALUES)}"
    return "\n".join(lines)


def _other_line(text: str, keys: list[str], rng: random.Random) -> str:
    lines = text.split("\n")
    line = rng.choice(
        [*LINES, rng.choice(lines), f"  {rng.choice(keys).partition('.')[2]}: 1", "a: " * 200, "[" * 5000]
    )
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _other_byte(text: str, keys: list[str], rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return (
        text[:place]
        + rng.choice("\0\t\n\r:-#&*!|>%@`'\"{}[],? \x7f\x85é\ufffe🙂")
        + text[place + rng.randrange(2) :]
    )


def odd_setting(keys: list[str], rng: random.Random) -> str:
    """A --set for a known key with an odd value, or a word that is none."""
    if rng.random() < 0.2:
        return rng.choice(
            [
                "",
                "=",
                "a",
                "a.b",
                ".=",
                "training.=1",
                "training.seed",
                "training.seed.x=1",
                "=1",
                "\n=",
                "x" * 9000,
            ]
        )
    return f"{rng.choice(keys)}={rng.choice(VALUES)}"
