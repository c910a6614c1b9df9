"""What came in: entries read and skipped, near-duplicate groups, redacted secrets."""

from __future__ import annotations

from effectiveness.common.charts import bar, stacked
from effectiveness.common.console import count
from effectiveness.common.html import (
    Html,
    finding,
    join,
    note,
    num,
    percent,
    section,
    short,
    table,
    tag,
)

_MAX_REASONS = 40
_MAX_EXAMPLES = 3
_MAX_GROUPS = 8
_MAX_PATHS = 6


def found(metadata: dict) -> Html:
    read, skipped = metadata["source_files_scanned"], metadata["skipped"]
    entries = metadata["num_entries"]
    left_out = sum(skipped.values())
    says = f"Of {num(entries)} entries {num(read)} were read and {num(left_out)} left out."
    lines = [
        finding(
            f"{num(read)} of {count(entries, 'entry', 'entries')} were read; {_left_out(left_out, skipped)}"
        ),
        stacked([("read", read, "mark"), ("left out", left_out, "faint")], says),
    ]
    if skipped:
        lines.append(_reasons(metadata, left_out))
    if unreadable := metadata["unreadable"]:
        lines.append(note(f"{count(len(unreadable), 'file')} could not be read: ", _some(unreadable)))
    if metadata["notes"]:
        remarks = (f"{text} ({num(n)})" for text, n in sorted(metadata["notes"].items()))
        lines.append(note("Kept, but worth knowing: ", "; ".join(remarks), "."))
    return section(
        "Found and left out",
        "Every entry of the repository ends here, as a file that was read or under the rule that left it out.",
        *lines,
    )


def _left_out(number: int, skipped: dict[str, int]) -> str:
    if not number:
        return "nothing was left out."
    reason, most = max(skipped.items(), key=lambda item: (item[1], item[0]))
    return (
        f"{num(number)} were left out by {count(len(skipped), 'rule')}, most often “{reason}” ({num(most)})."
    )


def _reasons(metadata: dict, left_out: int) -> Html:
    ordered = sorted(metadata["skipped"].items(), key=lambda item: (-item[1], item[0]))
    examples = metadata["skipped_examples"]
    rows = [
        (reason, num(n), bar(n / max(left_out, 1), "faint"), _some(examples.get(reason, ())))
        for reason, n in ordered[:_MAX_REASONS]
    ]
    rest = ordered[_MAX_REASONS:]
    if rest:
        rows.append((f"{len(rest)} more rules", num(sum(n for _, n in rest)), Html(), Html()))
    return table(("rule", "entries", "", "for example"), rows, numeric=(1,), css="drops")


def _some(paths: list[str]) -> Html:
    return join(tag("code", short(path, 70), class_="path") for path in paths[:_MAX_EXAMPLES])


def near_duplicates(metadata: dict) -> Html:
    groups = metadata["near_duplicate_groups"]
    files, read = groups["files_in_groups"], metadata["source_files_scanned"]
    title = "Near-duplicates"
    why = (
        "Copies on both sides of a split make held-out scores look better than they are. A group of near-duplicates "
        "goes to one split as a whole."
    )
    if not groups["groups"]:
        return section(title, why, finding("No two files are near-duplicates of each other."))
    says = (
        f"{count(files, 'file')} ({percent(files, read)} of those read) form "
        f"{count(groups['groups'], 'group')} of near-duplicates."
    )
    body = [finding(says), _group_list(groups["largest"])]
    hidden = groups["groups"] - min(len(groups["largest"]), _MAX_GROUPS)
    if hidden > 0:
        body.append(note(f"The largest groups are shown; {num(hidden)} more are not."))
    return section(title, why, *body)


def _group_list(largest: list[list[str]]) -> Html:
    rows = []
    for paths in largest[:_MAX_GROUPS]:
        names = [tag("code", short(path, 90), class_="path") for path in paths[:_MAX_PATHS]]
        more = [f"and {num(len(paths) - _MAX_PATHS)} more"] if len(paths) > _MAX_PATHS else []
        rows.append((num(len(paths)), join([*names, *more])))
    return table(("files", "near-duplicates of each other"), rows, numeric=(0,), css="groups")


def secrets(metadata: dict) -> Html:
    redacted = metadata["secrets_redacted"]
    title = "Secrets"
    why = (
        "A model repeats what it has read. Keys and tokens are overwritten with placeholders of the same length before "
        "anything is tokenized; their values appear nowhere, and not here either."
    )
    if not redacted:
        why_none = "--keep-secrets was given" if metadata["options"]["keep_secrets"] else "none was found"
        return section(title, why, finding(f"No secret was redacted: {why_none}."))
    whole = sum(redacted.values())
    ordered = sorted(redacted.items(), key=lambda item: (-item[1], item[0]))[:_MAX_REASONS]
    rows = [(rule, num(n), bar(n / whole)) for rule, n in ordered]
    return section(
        title,
        why,
        finding(f"{count(whole, 'secret')} redacted, by {count(len(redacted), 'rule')}."),
        table(("rule", "redacted", ""), rows, numeric=(1,)),
    )
