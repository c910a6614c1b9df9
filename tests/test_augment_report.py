"""The report says where augmentation loses its yield: each reason, how often, and in which languages."""

from __future__ import annotations

import re

from report_sample import sample_metadata, sample_rows

from effectiveness.corpus.report.tally import tally
from effectiveness.corpus.report.variants import yields


def words(refused: dict[str, dict[str, int]]) -> str:
    """The section's text for a dataset in which `variable_renaming` refused `refused[language][reason]` files."""
    rows = sample_rows(500)
    cells = {
        language: {"files": 100, "changed": 100 - sum(reasons.values()), "rows": 300, "refused": reasons}
        for language, reasons in refused.items()
    }
    metadata = sample_metadata(rows) | {"augmentation": {"variable_renaming": cells}}
    page = str(yields(metadata, tally(rows, num_languages=8, window=1024)))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_a_reason_names_the_languages_it_cost_most_in() -> None:
    text = words({"C": {"no function": 30}, "Go": {"no function": 5, "cgo": 2}, "Java": {"no function": 12}})
    assert "no function 47" in text
    assert "C 30, Java 12, Go 5" in text
    assert re.search(r"cgo 2 .*Go 2", text)


def test_of_many_languages_three_are_named_and_the_rest_counted() -> None:
    languages = ["Rust", "Python", "Go", "Java", "C"]
    text = words({name: {"no function": 10 - i} for i, name in enumerate(languages)})
    assert "Rust 10, Python 9, Go 8, 2 more" in text


def test_reasons_come_in_the_order_of_what_they_cost() -> None:
    text = words({"Go": {"cgo": 2, "no function": 9}, "C": {"split": 5}})
    assert text.index("no function") < text.index("split") < text.index("cgo")
