"""`report.html`: one self-contained page that shows what a dataset is made of and how far to trust it.

The same metadata and rows give the same bytes: the page holds no time, no machine name and no random choice.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from effectiveness.common.charts import bar
from effectiveness.common.console import count
from effectiveness.common.html import (
    Html,
    document,
    facts,
    figure,
    finding,
    note,
    num,
    percent,
    section,
    short,
    table,
    tag,
)
from effectiveness.common.recipes import RECIPES, recipe_of
from effectiveness.common.records import LATER, LATER_FILE, SHARE_TOLERANCE, SPLITS
from effectiveness.corpus.report import content, intake, variants
from effectiveness.corpus.report.tally import RowCounts, tally

__all__ = ["RowCounts", "tally", "write_report"]

_MAX_PAIRS = 5  # of files that share text


def write_report(path: Path, metadata: dict, counted: RowCounts, examples: list[dict]) -> None:
    """Write the page to `path`.

    `metadata` is the content of dataset_metadata.json. `counted` is what `tally` counts in the rows.
    `examples` holds snippets of at most about 25 lines: {"kind", "language", "path", "before", "after"}.
    The page stays under 500 KB whatever the size of the dataset. Raises OSError.
    """
    page = document(
        f"{metadata['source_repo']} – dataset report",
        headline(metadata, counted),
        intake.found(metadata),
        content.splits(metadata, counted),
        content.languages(metadata, counted),
        content.roles(metadata, counted),
        content.lengths(metadata, counted),
        content.curriculum(metadata, counted),
        variants.yields(metadata, counted),
        variants.before_and_after(examples),
        intake.near_duplicates(metadata),
        leaks(metadata),
        later(metadata),
        intake.secrets(metadata),
        reproduce(metadata),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


# --- how far to trust the dataset: facts and checks at the top, the leak report, and how to make it again ------


def headline(metadata: dict, counted: RowCounts) -> Html:
    window, tokens = metadata["max_tokens_per_sequence"], int(counted.tokens_by_split.sum())
    lede = (
        f"{count(metadata['source_files_scanned'], 'file')} became {count(counted.num_rows, 'row')} of {num(window)} "
        f"tokens: {num(metadata['base_sequences'])} of original text and {num(metadata['augmented_sequences'])} "
        "variants of it."
    )
    plan, per_split = metadata["hardware"], " / ".join(num(n) for n in counted.rows_by_split)
    once = "variants count, and what two windows share counts in both"
    entries = count(metadata["num_entries"], "entry", "entries")
    overlap = f"overlap {num(metadata['overlap_tokens'])} · {plan['tier']} tier: {plan['reason']}"
    tokenizer = f"{short(metadata['tokenizer'], 80)}: {short(metadata['tokenizer_reason'], 160)}"
    named = (
        ("Files read", num(metadata["source_files_scanned"]), f"of {entries}"),
        ("Rows", num(counted.num_rows), f"{per_split} train / val / test"),
        (
            "Tokens",
            num(tokens),
            f"in all rows, without padding; {once}",
        ),
        ("Window", num(window), overlap),
        ("Recipe", recipe_of(metadata), RECIPES[recipe_of(metadata)].words),
        ("Vocabulary", num(metadata["vocab_size"]), tokenizer),
    )
    title = tag("h1", tag("small", "Dataset of"), " ", short(metadata["source_repo"], 80))
    return tag(
        "header",
        title,
        tag("p", lede, class_="lede"),
        facts(named),
        tag("p", "Checked on the rows while this page was written", class_="over"),
        checks(metadata, counted),
        class_="top",
    )


def checks(metadata: dict, counted: RowCounts) -> Html:
    """What this page recomputed from the rows and compared with what the dataset promises."""
    read, skipped = metadata["source_files_scanned"], sum(metadata["skipped"].values())
    off, seen = counted.off_shares, metadata["leak_report"]
    recorded = [metadata[f"{split}_sequences"] for split in SPLITS]
    verdicts = (
        (metadata["num_entries"] == read + skipped, "every entry is read or counted as left out"),
        (recorded == counted.rows_by_split.tolist(), "the recorded row counts are those of the files"),
        (counted.curves["train"].num_descents == 0, "train.jsonl never gets simpler from row to row"),
        (off <= SHARE_TOLERANCE, f"the split is within 2 points of 85 / 10 / 5 (off by {100 * off:.1f})"),
        (seen["files_in_two_splits"] == 0, "no source file has rows in two splits"),
        (seen["equal_rows"] == 0, "no two rows hold the same tokens, in any file"),
    )
    items = [
        tag(
            "li",
            tag("span", "✓" if holds else "✗", class_="sign"),
            words if holds else f"not so: {words}",
            class_="good" if holds else "bad",
        )
        for holds, words in verdicts
    ]
    return tag("ul", *items, class_="checks", aria_label="Checks made while this page was written")


def leaks(metadata: dict) -> Html:
    report = metadata["leak_report"]
    span, held_out = report["span_tokens"], report["held_out"]
    spans = sum(seen["spans"] for seen in held_out.values())
    shared = sum(seen["shared"] for seen in held_out.values())
    says = [
        f"Of {num(seen['spans'])} distinct {span}-token spans in {split}, {num(seen['shared'])} also occur in train: "
        f"{percent(seen['shared'], seen['spans'])}. "
        for split, seen in held_out.items()
    ]
    rows = [
        (split, bar(seen["shared"] / max(seen["spans"], 1), "accent"), percent(seen["shared"], seen["spans"]))
        + (num(seen["rows"]), num(seen["rows_half_shared"]), percent(seen["rows_half_shared"], seen["rows"]))
        for split, seen in held_out.items()
    ]
    heads = ("split", "", "spans also in train", "rows", "half of their spans in train", "share of rows")
    return section(
        "Leaks",
        "Held-out text that also stands in the training file measures memory, not skill. Counted from the three "
        "files as they were written; padding and variants of held-out text left aside.",
        finding(*says),
        table(heads, rows, numeric=(2, 3, 4, 5)),
        note(
            f"What it means: a model that only remembers could recite about {percent(shared, spans)} of the held-out "
            f"text; the other {percent(spans - shared, spans)} it has to predict. {_certainty(report)}"
        ),
        *_shared_files(held_out),
    )


def later(metadata: dict) -> Html:
    """What was committed after --until; nothing without it."""
    if "until" not in metadata:
        return Html("")
    count_of = {
        key: num(metadata[f"later_{key}"]) for key in ("sequences", "files", "scored_tokens", "commits")
    }
    leaks = metadata["leak_report"].get(LATER, {})
    named = [
        ("the dataset is the state at", metadata["until"]),
        ("its commit", metadata["repository_commit"]),
        ("committed", metadata["commit_date"]),
        ("HEAD, where the later text comes from", metadata["head_commit"]),
        ("commits between them, on the main line", count_of["commits"]),
    ]
    return section(
        "Committed later",
        f"A second held-out set, ordered in time: {LATER_FILE} holds what HEAD has and the state of the dataset has "
        "not. It asks what a model of the code then knows about the code that came.",
        finding(
            f"{count_of['sequences']} windows of {count_of['files']} files hold {count_of['scored_tokens']} new tokens."
        ),
        table(("what", "value"), [(name, tag("code", value)) for name, value in named]),
        *_taken_back(leaks),
    )


def _taken_back(leaks: dict) -> list[Html]:
    if not leaks:
        return []
    return [
        note(
            f"Of {num(leaks['spans'])} distinct {leaks['span_tokens']}-token spans that touch added lines, "
            f"{num(leaks['known_spans'])} also stand in rows of the dataset: "
            f"{percent(leaks['known_spans'], leaks['spans'])}. Their tokens are context, and not scored."
        )
    ]


def _certainty(report: dict) -> str:
    if report["exact"]:
        return "Every span was compared."
    return f"Estimated: one span in {num(report['sampled_one_in'])} was compared, chosen by its content."


def _shared_files(held_out: dict) -> list[Html]:
    pairs = [
        (split, *(tag("code", short(pair[key], 80), class_="path") for key in ("file", "train_file")))
        for split, seen in held_out.items()
        for pair in seen["examples"][:_MAX_PAIRS]
    ]
    if not pairs:
        return []
    heads = ("split", "held-out file", "a file of train that holds some of the same text")
    return [figure("Where the shared text stands: the files that share most", table(heads, pairs))]


def reproduce(metadata: dict) -> Html:
    commit = metadata["repository_commit"] or "not a git repository"
    named = [
        ("repository", short(metadata["source_repo"])),
        ("its commit", commit),
        ("seed", metadata["seed"]),
        ("tokenizer", short(metadata["tokenizer"])),
        ("tokenizer sha256", metadata["tokenizer_sha256"]),
        (
            "versions",
            ", ".join(f"{name} {version}" for name, version in sorted(metadata["versions"].items())),
        ),
    ]
    files = [
        (name, num(recorded["bytes"]), tag("code", recorded["sha256"], class_="digest"))
        for name, recorded in sorted(metadata["files"].items())
    ]
    return section(
        "Make it again",
        "The same repository, tokenizer, options and seed give the same bytes, whatever the number of workers. "
        "In a checkout that is not installed, `python3 -m effectiveness` stands for `effectiveness`.",
        finding("One command gives these files again, byte for byte:"),
        tag("pre", tag("code", command_line(metadata))),
        table(("what", "value"), [(name, tag("code", value)) for name, value in named]),
        table(("file", "bytes", "sha256"), files, numeric=(1,)),
    )


def command_line(metadata: dict) -> str:
    """The command that makes the dataset again, every recorded option spelled out."""
    words = [
        "effectiveness",
        "dataset",
        f"path/to/{short(metadata['source_repo'])}",
    ]
    options = sorted(metadata["options"].items())
    flags = [
        shlex.join(flag) for name, value in options if (flag := _flag(f"--{name.replace('_', '-')}", value))
    ]
    return " \\\n  ".join([" ".join(map(shlex.quote, words)), *flags])


def _flag(flag: str, value: object) -> list[str]:
    if value is None or value is False or value == []:
        return []
    if value is True:
        return [flag]
    if isinstance(value, list):
        return [word for item in value for word in (flag, str(item))]
    return [flag, str(value)]
