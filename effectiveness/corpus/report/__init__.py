"""`report.html`: one self-contained page that shows what a dataset is made of and how far to trust it.

The same metadata and rows give the same bytes: the page holds no time, no machine name and no random choice.
"""

from __future__ import annotations

from pathlib import Path

from effectiveness.common.html import document
from effectiveness.corpus.report import content, diffs, intake, proof, variants
from effectiveness.corpus.report.tally import Tally, tally

__all__ = ["Tally", "tally", "write_report"]


def write_report(path: Path, metadata: dict, counted: Tally, examples: list[dict]) -> None:
    """Write the page to `path`.

    `metadata` is the content of dataset_metadata.json. `counted` is what `tally` counts in the rows.
    `examples` holds snippets of at most about 25 lines: {"kind", "language", "path", "before", "after"}.
    The page stays under 500 KB whatever the size of the dataset. Raises OSError.
    """
    page = document(
        f"{metadata['source_repo']} – dataset report",
        proof.headline(metadata, counted),
        intake.found(metadata),
        content.splits(metadata, counted),
        content.languages(metadata, counted),
        content.roles(metadata, counted),
        content.lengths(metadata, counted),
        content.curriculum(metadata, counted),
        variants.yields(metadata, counted),
        diffs.before_and_after(examples),
        intake.near_duplicates(metadata),
        proof.leaks(metadata),
        proof.later(metadata),
        intake.secrets(metadata),
        proof.reproduce(metadata),
    )
    path.write_text(page, encoding="utf-8", newline="\n")
