"""What the build tells while it runs: one line for each of the eight steps, with counts and seconds."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.common.console import Console, Stopwatch, count
from effectiveness.common.invocation import as_word, script, typed
from effectiveness.common.paths import display
from effectiveness.common.recipes import RECIPES
from effectiveness.common.records import (
    DATASET_FILES,
    LATER_FILE,
    ROLES,
    SPLITS,
    WEIGHTS,
    BuildOptions,
    ContextPlan,
    Corpus,
    ScanResult,
)
from effectiveness.corpus.file_splits import num_trained_on
from effectiveness.corpus.leaks import format_leaks
from effectiveness.corpus.rows import MadeRows
from effectiveness.corpus.rows.writing import RowTable
from effectiveness.corpus.save import notes_on_split
from effectiveness.corpus.scan.gitplace import is_bare
from effectiveness.corpus.tokenization import TokenizerInfo
from effectiveness.isolation import IS_CHECKOUT

if TYPE_CHECKING:
    from effectiveness.corpus.history import Past

MAX_LISTED = 7
GLOB_FORMS = (
    "a pattern is read from the repository's top, as in a .gitignore: '*.csv', '/data/a.csv', 'vendor/'"
)
FEW_ROWS = 20_000


class BuildLog:
    """Each method prints what it is given; where it returns something, it is that, unchanged."""

    def __init__(self, console: Console):
        self._console = console
        self._watch = Stopwatch()

    def note(self, line: str) -> None:
        self._console.always(f"note: {line}")

    def _step(self, number: int, name: str, text: str, seconds: float | None = None) -> None:
        elapsed_s = self._watch.lap_s() if seconds is None else seconds
        self._console.say(f"[STEP {number}/8] {name}: {text} ({elapsed_s:.1f} s)")

    def _detail(self, text: str) -> None:
        self._console.say(f"           {text}")

    def recipe(self, options: BuildOptions) -> None:
        recipe = RECIPES[options.recipe]
        self._console.say(f"recipe {options.recipe}: {recipe.words}")
        unread = [
            setting
            for setting, is_built, is_read in (
                ("data.overlap=true", options.overlap > 0, recipe.overlap > 0),
                ("data.variants=true", bool(options.kinds), bool(recipe.kinds)),
            )
            if is_built and not is_read
        ]
        if unread:
            words = " ".join(f"--set {setting}" for setting in unread)
            self.note(f"it does not read all that these flags have built; the trainer does with {words}")

    def scan(self, options: BuildOptions, corpus: Corpus) -> Corpus:
        found = corpus.scan
        num_bytes = sum(file.num_bytes for file in found.files)
        self._step(
            1,
            "Scan",
            f"{count(found.num_entries, 'entry', 'entries')} = "
            f"{count(len(found.files), 'file')} read ({num_bytes / 1e6:.1f} MB) "
            f"+ {sum(found.skipped.values()):,} left out",
        )
        self._detail(_listing("left out", found.skipped))
        if found.unmet:
            flags, verb = ", ".join(found.unmet), "matches" if len(found.unmet) == 1 else "match"
            self.note(f"{flags}: {verb} nothing here; {GLOB_FORMS}")
        if found.absent:
            self.note(found.absent)
        if found.submodules:
            read = [f"{path} at commit {commit[:12] or 'none'}" for path, commit in found.submodules.items()]
            more = [f"{len(read) - MAX_LISTED} more in the metadata"] if len(read) > MAX_LISTED else []
            self._detail(f"submodules read: {', '.join(read[:MAX_LISTED] + more)}")
        if is_little_read(found):
            self.note(f"little of it was read; most often left out: {left_out_in_words(found)}")
        self._detail(_listing("languages", Counter(file.language for file in found.files)))
        self._detail(_listing("roles", Counter(file.role for file in found.files)))
        if found.secrets:
            self._detail(_listing("secrets redacted", found.secrets))
        for path, line, rule in found.secret_places:
            self._console.always(f"secret: {path}:{line}: {rule}")
        if found.notes:
            self._detail(_listing("kept, worth knowing", found.notes))
        for path in found.unreadable:
            self.note(f"could not be read: {path}")
        sizes = np.unique(corpus.groups, return_counts=True)[1]
        shared = sizes[sizes > 1]
        self._detail(f"near-duplicates: {count(int(shared.sum()), 'file')} in {count(len(shared), 'group')}")
        return corpus

    def replaced(self, options: BuildOptions, corpus: Corpus) -> Corpus:
        """Whether the dataset that stands where this one goes would be scored on what it trained on."""
        trained = 0 if options.splits_of else num_trained_on(options.output, corpus)
        if trained:
            self.note(
                f"{trained:,} of the files held out now stand in train of the dataset this replaces; "
                f"--splits-of {display(options.output)} keeps them there, for what goes on from its model"
            )
        return corpus

    def past(self, past: Past, until: str) -> Past:
        commit = past.commit
        if past.bare_head:
            self.note(
                f"a bare repository, read from its objects: {past.bare_head}, commit {past.head_commit[:12]}"
                + ("" if until else f" of {commit.date}")
            )
        if not until:
            return past
        later = f"{count(past.num_later_commits, 'commit')} later is HEAD, {past.head_commit[:12]}"
        self._detail(
            f"as of commit {commit.name[:12]} of {commit.date}; "
            + (later if past.head else "that is HEAD: nothing was committed later")
        )
        if past.objects_elsewhere:
            self.note(f"its objects lie outside of it, in {past.objects_elsewhere}")
        return past

    def plan(self, plan: ContextPlan) -> None:
        self._step(
            2,
            "Hardware",
            f"{plan.device} ({plan.device_name}), tier {plan.tier}: windows of {plan.context_tokens:,} tokens, "
            f"{plan.overlap_tokens:,} of them shared with the next; {plan.reason}",
        )

    def rows(
        self, plan: ContextPlan, tokenizer: TokenizerInfo, options: BuildOptions, made: MadeRows
    ) -> MadeRows:
        total_s, seconds = self._watch.lap_s(), made.seconds
        augment_s = min(seconds["augment"], total_s)
        is_original = made.units["variant"] == 0
        tokens = int(made.units["num_tokens"][is_original].sum(dtype=np.int64))
        windows = int(is_original[made.rows["unit"]].sum())
        self._step(
            3,
            "Tokenize",
            f"{count(tokens, 'token')} in {count(windows, 'window')}; "
            f"tokenizer {tokenizer.name}, {tokenizer.vocab_size:,} entries",
            total_s - augment_s,
        )
        self._detail(
            f"tokenizer: {tokenizer.reason}; sha256 {tokenizer.sha256[:16]}; encoded by {', '.join(made.encoders)}"
        )
        changed: Counter[str] = Counter()
        for (kind, _, outcome), files in made.yields.items():
            changed[kind] += files * (outcome == "changed")
        refused = made.yields.total() - changed.total()
        proven = count(len(made.rows) - windows, "window")
        text = f"{proven} of variants, each proven; {count(refused, 'refusal')} counted"
        self._step(4, "Augment", text if options.kinds else "none asked for", augment_s)
        if +changed:
            self._detail(_listing("files changed", +changed))
        return made

    def weights(self, corpus: Corpus, table: RowTable) -> RowTable:
        role_of_file = np.array([ROLES.index(file.role) for file in corpus.scan.files], np.uint8)
        counts = np.bincount(role_of_file[table.of_unit("file")], minlength=len(ROLES))
        named = zip(ROLES, counts.tolist(), strict=True)
        self._step(
            5,
            "Weigh",
            ", ".join(f"{role} x{WEIGHTS[role][0]:g}: {count(rows, 'row')}" for role, rows in named),
        )
        if table.dropped:
            self._detail(_listing("rows left out, their tokens stand in another row", table.dropped))
        return table

    def curriculum(self, table: RowTable, order: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        scores = table.complexity[order["train"]]
        low, middle, high = scores[[0, len(scores) // 2, -1]] if len(scores) else (0.0, 0.0, 0.0)
        self._step(
            6, "Curriculum", f"train ordered by complexity, {low:.2f} to {high:.2f}, median {middle:.2f}"
        )
        return order

    def split(self, corpus: Corpus, table: RowTable, order: dict[str, np.ndarray]) -> None:
        counts = {name: len(rows) for name, rows in order.items()}
        total = max(1, sum(counts.values()))
        shares = ", ".join(f"{name} {rows:,} ({100 * rows / total:.1f} %)" for name, rows in counts.items())
        self._step(7, "Split", f"{shares}; whole groups, {len(np.unique(corpus.groups)):,} of them")
        if corpus.kept:
            self._detail(_kept(corpus.kept))
        for note in notes_on_split(corpus, table, order):
            self._detail(f"note: {note}")

    def saved(self, options: BuildOptions, metadata: dict) -> None:
        output = options.output
        num_bytes = sum(metadata["files"][name]["bytes"] for name in DATASET_FILES.values())
        self._step(
            8,
            "Save",
            f"{count(metadata['total_sequences'], 'row')}, {num_bytes / 1e6:.1f} MB -> {display(output)}",
        )
        for line in format_leaks(metadata["leak_report"]):
            self._detail(line)
        if "until" in metadata:
            self._detail(_later(metadata))
        self._summary(options, metadata)

    def _summary(self, options: BuildOptions, metadata: dict) -> None:
        output, say, rows = options.output, self._console.always, metadata["total_sequences"]
        say("")
        say(f"✓ {metadata['source_repo']}: {count(rows, 'row')}, all different")
        per_split = " / ".join(f"{metadata[name + '_sequences']:,}" for name in SPLITS)
        say(
            f"  {metadata['base_sequences']:,} from the source, {metadata['augmented_sequences']:,} from variants; "
            f"{per_split} train / val / test"
        )
        if rows < FEW_ROWS:
            files = metadata["source_files_scanned"]
            say(f"  The number of rows is that of {count(files, 'file')}; it is never raised by copies.")
        say(f"  Look: {display(output / 'report.html')}")
        if IS_CHECKOUT:  # the suite is not installed
            say(f"  Check: {script('tests/test_dataset_effectiveness.py')} {as_word(output)}")
        train = as_word(output / DATASET_FILES["train"])
        say(f"  Train: {typed('train')} --sequences {train} --output models/mine")
        if options.splits_of:
            say(
                "  Train on, from a model of the older dataset: the same with --checkpoint MODEL and another --output"
            )
        live = "" if is_bare(options.root) else f" --repository {as_word(options.root)}"
        say(f"  In an editor, without training: {typed('serve')} --dataset {as_word(output)}{live}")
        say(f"COMPLETE in {self._watch.total_s():.1f} s")


def _kept(kept: dict) -> str:
    """Where the files of the older dataset went: what it trained on is never held out, and takes its like along."""
    then, still = kept["held_out_then"], kept["held_out_still"]
    if then == still:
        went = f"all {then:,} that it held out still are" if then else "it held out none of them"
    else:
        went = f"of {then:,} that it held out {still:,} still are, the others are like a file that was trained on"
    return (
        f"as in the older dataset: {count(kept['known_by_path'], 'file')} known by name, "
        f"{kept['known_by_text']:,} by text, {kept['new']:,} new; {went}"
    )


def _later(metadata: dict) -> str:
    if not metadata["later_sequences"]:
        return f"later: nothing new was committed after {metadata['until']}, so {LATER_FILE} is not written"
    return (
        f"later: {count(metadata['later_sequences'], 'row')} of {count(metadata['later_files'], 'file')}, with "
        f"{count(metadata['later_scored_tokens'], 'token')} new -> {LATER_FILE}"
    )


def _listing(title: str, counts: dict[str, int]) -> str:
    """The largest counts in words; what the line has no room for is in the report."""
    parts = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {count:,}" for name, count in parts[:MAX_LISTED]]
    if len(parts) > MAX_LISTED:
        shown.append(f"{len(parts) - MAX_LISTED} more in the report")
    return f"{title}: " + (", ".join(shown) or "nothing")


# --- where little or nothing of a repository was read: by which rules, and the flag that lets it in ------------

MOST = 3
FEW_FILES = 3
TIMES_MORE = 4  # left out than read, and it is worth a line
# No flag makes a source of these. Others have been asked for by name in their own reason.
_NO_WAY_IN = (
    *("binary", "not ", "empty", "symbolic link", "FIFO", "vanished", "replaced", "unreadable", "too large"),
    *("secret in its name", "own output", "excluded", "Git LFS", "a name ", "damaged", "a notebook without"),
    "submodule",
)
_PLAIN_PATH = re.compile(r"[\w./+@=-]+")  # neither a glob nor a shell would read it otherwise


def left_out_in_words(scan: ScanResult) -> str:
    """The most frequent reasons with their counts and, where a flag lets them in, that flag; "" if there is none."""
    most = _most(scan.skipped)
    listed = ", ".join(f"{count:,} {reason}" for reason, count in most)
    barred = [reason for reason, _ in most if has_way_in(reason)]
    if not barred:
        return listed
    examples = (path for reason in barred for path in scan.skipped_paths.get(reason, ()))
    example = next((path for path in examples if _PLAIN_PATH.fullmatch(path)), "")
    return f"{listed}; --include GLOB lets {_which(most, barred)} in" + (
        f", e.g. --include '/{example}'" if example else ""
    )


def is_little_read(scan: ScanResult) -> bool:
    """Whether so much more could be read than was that the reader should be told."""
    barred = sum(count for reason, count in scan.skipped.items() if has_way_in(reason))
    return barred > TIMES_MORE * len(scan.files) or (len(scan.files) < FEW_FILES and barred > 0)


def has_way_in(reason: str) -> bool:
    """Whether `--include` reads what was left out for it."""
    return not (reason.startswith(_NO_WAY_IN) or reason.endswith("metadata"))


def _most(skipped: dict[str, int]) -> list[tuple[str, int]]:
    told = [(reason, count) for reason, count in skipped.items() if not reason.endswith("metadata")]
    return sorted(told, key=lambda item: (-item[1], item[0]))[:MOST]


def _which(most: list[tuple[str, int]], barred: list[str]) -> str:
    return "them" if len(barred) == len(most) else " and ".join(f'"{reason}"' for reason in barred)
