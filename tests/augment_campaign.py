"""Every augmentation on trees of real code, every variant judged by a compiler of its language.

`python -m tests.augment_campaign --tree C=zlib-1.2.13 --tree Java=commons-lang3` prints one row for
each language and kind. Without `--tree`, what Python, npm and Debian's source packages leave on a machine is used.

    files       texts of the language that were tried
    could       those that have something to change: a function; a comment that no tool reads; any text
    changed     variants
    equal       those for which the judge finds the same program: object code, classes, bindings or tokens
    wrong       those for which it does not (exit code 1)
    unjudged    the judge refuses the text before it was changed: a header that is not here, another dialect
    caught      of variants with a mistake planted into them, those that the judge calls different
    mutants     (`--mutants N` of each file) variants of texts with a token missing, doubled or cut off, as judged

A judge that compiles a library as a whole (Rust, Java) judges all its files at once, and one mistake for each kind.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from effectiveness.common.seeding import rng_for
from effectiveness.corpus.augment import AUGMENTATIONS, Refusal, Variant
from effectiveness.languages.syntax import parse, table_of
from tests.augment_mistakes import mutants
from tests.augment_trees import WHOLE, Text, Tree, judge_of, tree_of, unit_of, units

ROOT = Path(__file__).parent
TREES = {
    "Python": sysconfig.get_path("stdlib"),
    "Rust": "/usr/share/cargo/registry",
    "Go": "/usr/share/gocode/src",
    "JavaScript": str(ROOT / "oracles" / "node_modules"),
    "TypeScript": str(ROOT / "oracles" / "node_modules"),
    "C": "/usr/include",
    "Bash": "/usr/lib/git-core",
    "Lua": "/usr/share/nvim/runtime/lua",
    "PHP": "/usr/share/php",
    "Ruby": "/usr/lib/ruby",
    "TOML": "/usr/share/cargo/registry",
}
NOTHING_TO_DO = {
    "no function",
    "not renamed in this language",
    "no comments",
    "no comments that may go",
    "nothing but comments",
}
MAX_MUTANT_BYTES = 20_000
COLUMNS = ("files", "could", "changed", "equal", "wrong", "unjudged", "caught", "planted")
_WORDS = {True: "equal", False: "wrong", None: "unjudged"}


class Campaign:
    """Counts by (language, kind), and by (kind, reason of a refusal) for each language."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.refused: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self.wrong: list[str] = []
        self.missed: list[str] = []

    def run(self, tree: Tree, num_files: int, num_mutants: int, every: int) -> None:
        for number, texts in enumerate(units(tree, num_files)):
            results = [tree.vary(text) for text in texts]
            for text, of_kinds in zip(texts, results, strict=True):
                self._count(text, of_kinds)
                if num_mutants and len(text.source) <= MAX_MUTANT_BYTES:
                    self._try_mutants(tree, text, num_mutants)
            for position, kind in enumerate(AUGMENTATIONS):
                changed = [
                    (text, of_kinds[position].text)
                    for text, of_kinds in zip(texts, results, strict=True)
                    if isinstance(of_kinds[position], Variant)
                ]
                if changed and self._judge(tree, kind, changed) and every and number % every == 0:
                    self._plant(tree, kind, [text for text, _ in changed])

    def _count(self, text: Text, results: list[Variant | Refusal]) -> None:
        for result in results:
            row = self.counts[text.language, result.kind]
            refused = isinstance(result, Refusal)
            row["files"] += 1
            row["could"] += not (refused and result.reason in NOTHING_TO_DO)
            row["changed"] += not refused
            if refused:
                self.refused[text.language][result.kind, result.reason] += 1

    def _judge(self, tree: Tree, kind: str, changed: list[tuple[Text, bytes]]) -> bool:
        """Asks about the variants of a unit; whether all are judged and equal."""
        unit = unit_of(changed[0][0].path, tree.language)
        seen = [(text, after) for text, after in changed if tree.sees(unit, text.path)]
        texts = {text.path: (text.source, after) for text, after in seen}
        verdict = tree.equal(unit, texts, kind) if seen else None
        row = self.counts[tree.language, kind]
        row[_WORDS[verdict]] += len(seen)
        row["unjudged"] += len(changed) - len(seen)
        if verdict is False:
            self.wrong.append(f"{kind} of {unit}")
        return verdict is True

    def _plant(self, tree: Tree, kind: str, texts: list[Text]) -> None:
        """One mistake into one of the texts: the judge, who took the right variant, must not take this one."""
        unit = unit_of(texts[0].path, tree.language)
        seen = [text for text in texts if tree.sees(unit, text.path)]
        text = rng_for(tree.seed, "plant", kind, unit.name).choice(seen)
        wrong = tree.mistaken(text, kind)
        if wrong is None:
            return
        verdict = tree.equal(unit, {text.path: (text.source, wrong)}, kind)
        row = self.counts[tree.language, kind]
        row["planted"] += 1
        row["caught"] += verdict is False
        if verdict is not False:
            self.missed.append(f"{kind} of {text.path}")

    def _try_mutants(self, tree: Tree, text: Text, number: int) -> None:
        rng = rng_for(tree.seed, "mutants", text.path.name)
        for source in mutants(text.source, number, rng):
            mutant = Text(text.path, source, table_of(parse(text.language, source)), text.language)
            for result in tree.vary(mutant):
                row = self.counts[text.language, result.kind]
                row["mutants"] += 1
                if isinstance(result, Variant) and text.language not in WHOLE:
                    verdict = tree.equal(text.path, {text.path: (source, result.text)}, result.kind)
                    row["mutants equal"] += verdict is True
                    row["mutants wrong"] += verdict is False
                    if verdict is False:
                        self.wrong.append(f"{result.kind} of a mutant of {text.path}: {source!r}")

    def table(self) -> str:
        columns = [*COLUMNS, *sorted({name for row in self.counts.values() for name in row} - {*COLUMNS})]
        lines = ["| language | kind | yield | " + " | ".join(columns) + " |"]
        lines.append("|---|---|---|" + "---|" * len(columns))
        for (language, kind), row in self.counts.items():
            share = f"{row['changed'] / row['could']:.1%}" if row["could"] else "-"
            lines.append(
                f"| {language} | {kind} | {share} | " + " | ".join(str(row[name]) for name in columns) + " |"
            )
        return "\n".join(lines)

    def reasons(self) -> str:
        """What refusals cost, for each language."""
        return "\n".join(
            f"{language}: " + ", ".join(f"{kind}: {reason} {n}" for (kind, reason), n in found.most_common())
            for language, found in self.refused.items()
        )


def trees_of(options: argparse.Namespace) -> Iterator[Tree]:
    named = [tree.partition("=")[::2] for tree in options.tree] or list(TREES.items())
    for language, root in named:
        judge = judge_of(language)
        if judge.MISSING or not Path(root).is_dir():
            print(f"{language}: not judged: {judge.MISSING or f'{root} is not there'}")
        else:
            yield tree_of(Path(root).resolve(), language, options.seed)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.augment_campaign", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tree", action="append", default=[], metavar="LANGUAGE=DIRECTORY")
    parser.add_argument("--files", type=int, default=0, help="of each tree (default: all)")
    parser.add_argument("--mutants", type=int, default=0, help="of each file (default: none)")
    parser.add_argument("--plant-every", type=int, default=5, help="units between two mistakes (0: none)")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    campaign = Campaign()
    try:
        for tree in trees_of(options):
            started_s = time.process_time()
            campaign.run(tree, options.files, options.mutants, options.plant_every)
            print(f"{tree.language} {tree.root}: {time.process_time() - started_s:.0f} s", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted: what was judged so far", file=sys.stderr)
    print(campaign.table(), campaign.reasons(), sep="\n\n")
    for line in (*campaign.missed, *(f"WRONG: {line}" for line in campaign.wrong)):
        print(line)
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
