"""A made-up repository: a few languages, all roles, near-duplicates, files of one and of many windows."""

from __future__ import annotations

from pathlib import Path
from random import Random

from effectiveness.common.seeding import rng_for

WORDS = """
account balance block buffer cache chunk count cursor depth digest edge entry epoch event factor
field frame gain graph handle header height index item key label ledger length limit lock margin
message node offset order owner packet page parent peer piece pool price queue range rate record
region result root score seed segment shard signal size slot source span stack state step store
stream sum table target token total trace tree unit value vector version weight width window word
"""
NAMES = WORDS.split()

PYTHON = """
def {f}({a}, {b}={n}):
    # {c}
    {x} = {a} + {b} * {m}
    {y} = []
    for {z} in range({x}):
        if {z} % {k} == 0:
            {y}.append({z} - {n})  # {c}
    return sum({y}) + {x}
"""
PYTHON_CLASS = '''
class {T}:
    """{c}"""

    def __init__(self, {a}):
        self.{x} = {a}

    def {f}(self, {b}):
        try:
            {y} = self.{x}[{b}]
        except KeyError as {z}:
            raise ValueError("{c}: {n}") from {z}
        return {y} * {m}
'''
RUST = """
/// {c}
pub fn {f}({a}: u64, {b}: u64) -> Option<u64> {{
    let {x} = {a}.checked_add({b})?; // {c}
    let mut {y} = {n};
    for {z} in 0..{x} {{
        if {z} % {k} == 0 {{
            {y} += {z} * {m};
        }}
    }}
    Some({y})
}}
"""
RUST_TRAIT = """
pub trait {T}<V: Clone> {{
    fn {f}(&self, {a}: &V) -> Result<V, String>;
}}

impl<V: Clone> {T}<V> for Vec<V> {{
    fn {f}(&self, {a}: &V) -> Result<V, String> {{
        let {x} = self.iter().nth({n}); // {c}
        match {x} {{
            Some({y}) => Ok({y}.clone()),
            None => Err(format!("{c} {m}")),
        }}
    }}
}}
"""
GO = """
// {c}
func {f}({a} int, {b} []int) (int, error) {{
	{x} := {n}
	for _, {y} := range {b} {{
		if {y} > {a} {{ // {c}
			{x} += {y} * {m}
		}}
	}}
	return {x} % {k}, nil
}}
"""
JAVASCRIPT = """
// {c}
export function {f}({a}, {b}) {{
  const {x} = {a} * {n} + {b};
  let {y} = 0;
  for (let {z} = 0; {z} < {x}; {z} += {k}) {{
    {y} += {z} - {m}; // {c}
  }}
  return {y};
}}
"""
C = """
/* {c} */
static int {f}(int {a}, const int *{b})
{{
	int {x} = {n};
	for (int {z} = 0; {z} < {a}; {z}++) {{
		if ({b}[{z}] > {k})
			{x} += {b}[{z}] * {m}; /* {c} */
	}}
	return {x};
}}
"""
MARKDOWN = """
## {T} and {f}

The {a} of the {b} is kept in {x}, with {n} at most. See `{y}` for {c}.
"""
KINDS = {
    ".py": ("import os\n", (PYTHON, PYTHON_CLASS)),
    ".rs": ("use std::fmt;\n", (RUST, RUST_TRAIT)),
    ".go": ("package ledger\n", (GO,)),
    ".js": ("'use strict';\n", (JAVASCRIPT,)),
    ".c": ("#include <stdio.h>\n", (C,)),
    ".md": ("# Notes\n", (MARKDOWN,)),
}
LINE_COMMENTS = {".py": "#", ".rs": "//", ".go": "//", ".js": "//", ".c": "//", ".md": "#"}
PLACES = ("src", "crates/store/src", "tools", "examples", "tests", "docs")


def make_repository(root: Path, *, num_files: int = 30, seed: int = 7) -> Path:
    """Write the files below `root`: same seed, same bytes. Every seventh file has a near-duplicate."""
    for number in range(num_files):
        suffix = list(KINDS)[number % len(KINDS)]
        place = PLACES[rng_for(seed, "place", number).randrange(len(PLACES))]
        text = _text(suffix, rng_for(seed, "text", number))
        _write(root / place / f"{NAMES[number]}_{number}{suffix}", text)
        if number % 7 == 4:
            copy = f"{NAMES[number]}_{number}_copy{suffix}"
            _write(root / "examples" / copy, f"{text}\n{LINE_COMMENTS[suffix]} another {NAMES[number]}\n")
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _text(suffix: str, rng: Random) -> str:
    head, _ = KINDS[suffix]
    return head + "".join(_piece(suffix, rng) for _ in range(rng.choice((1, 1, 2, 3, 6))))


def _piece(suffix: str, rng: Random) -> str:
    a, b, x, y, z, f, g, t = rng.sample(NAMES, 8)
    words = {"a": a, "b": b, "x": x, "y": y, "z": z, "f": f"{f}_{g}_{rng.randrange(1000)}"}
    words |= {"T": t.title() + f.title() + str(rng.randrange(1000)), "c": " ".join(rng.sample(NAMES, 4))}
    words |= {"n": rng.randrange(1, 999), "m": rng.randrange(1, 999), "k": rng.randrange(2, 99)}
    return rng.choice(KINDS[suffix][1]).format(**words)
