"""The report is one small, harmless, reproducible page that says what the rows say."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import numpy as np
import pytest
from report_sample import LANGUAGES, ROW, sample_examples, sample_metadata, sample_rows

from effectiveness.common.html import percent, tag, visible
from effectiveness.common.records import AUGMENTATION_KINDS
from effectiveness.corpus.report import write_report
from effectiveness.corpus.report.tally import tally

HOSTILE = (
    "</code></title><script>alert(1)</script><img src=//evil/x onerror=alert(2)>\x1b[2J\x00\u202e\udcff'\""
)
VOID = {"meta", "link", "br"}


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: elements, attributes, text per heading; balanced or an error."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def names(self) -> set[str]:
        return {name for name, _ in self.elements}


def page_of(tmp_path: Path, rows: np.ndarray | None = None, examples: list | None = None, **changes) -> str:
    rows = sample_rows(2_000) if rows is None else rows
    metadata = sample_metadata(rows) | changes
    path = tmp_path / "report.html"
    counted = tally(
        rows,
        num_languages=len(metadata["languages_table"]),
        window=metadata["max_tokens_per_sequence"],
    )
    write_report(path, metadata, counted, sample_examples() if examples is None else examples)
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_every_section_is_there(tmp_path):
    page = Page(page_of(tmp_path))
    assert page.open == []
    for title in (
        "Found and left out",
        "Splits",
        "Languages",
        "Roles and weights",
        "Lengths and padding",
        "Curriculum",
        "Augmentation",
        "Before and after",
        "Near-duplicates",
        "Leaks",
        "Secrets",
        "Make it again",
    ):
        assert title in page.text


def test_nothing_on_the_page_runs_or_is_fetched(tmp_path):
    page = Page(page_of(tmp_path))
    assert not page.names() & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "a",
        "form",
        "base",
        "use",
    }
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert "url(" not in page_of(tmp_path) and "@import" not in page_of(tmp_path)
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policies[0] and "unsafe-inline" not in policies[0]


def test_hostile_names_and_code_stay_text_wherever_they_appear(tmp_path):
    names = [HOSTILE, *LANGUAGES[1:]]
    page_text = page_of(
        tmp_path,
        examples=[
            {"kind": HOSTILE, "language": HOSTILE, "path": HOSTILE, "before": HOSTILE, "after": HOSTILE * 2}
        ],
        source_repo=HOSTILE,
        tokenizer=HOSTILE,
        tokenizer_reason=HOSTILE,
        split_notes=[HOSTILE],
        unreadable=[HOSTILE],
        duplicate_rows_dropped={HOSTILE: 1},
        languages_table=names,
        files_per_language={HOSTILE: 3},
        skipped={HOSTILE: 2},
        skipped_examples={HOSTILE: [HOSTILE] * 9},
        notes={HOSTILE: 1},
        secrets_redacted={HOSTILE: 1},
        near_duplicate_groups={"groups": 1, "files_in_groups": 2, "largest": [[HOSTILE, HOSTILE]]},
        augmentation={
            kind: {HOSTILE: {"files": 2, "changed": 1, "rows": 1, "refused": {HOSTILE: 1}}}
            for kind in AUGMENTATION_KINDS
        },
        options={HOSTILE: HOSTILE, "core": [HOSTILE]},
        versions={HOSTILE: HOSTILE},
        files={HOSTILE: {"sha256": HOSTILE, "bytes": 1}},
    )
    page = Page(page_text)
    assert page.open == []
    assert not page.names() & {"script", "img"}
    assert "<script" not in page_text and "<img" not in page_text
    assert not set(page_text) & {"\x1b", "\x00", "\u202e", "\udcff"}


def test_control_and_direction_characters_are_spelled_out():
    assert visible("a\u202eb\x1bc\ud800d\te\n") == "a\\u202eb\\u001bc\\ud800d\te\n"
    assert tag("p", "<&>", title='"') == '<p title="&quot;">&lt;&amp;&gt;</p>'


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert page_of(tmp_path) == page_of(tmp_path)


@pytest.mark.parametrize("num_rows", [1, 3, 1_000_000])
def test_the_page_stays_small_whatever_the_size(tmp_path, num_rows):
    long = "deep/" * 300 + "name.rs"
    many = {f"rule {i}": 10**9 + i for i in range(500)}
    line = "let value = other_value(first, second); " * 40
    page = page_of(
        tmp_path,
        sample_rows(num_rows),
        [
            {
                "kind": "x",
                "language": "Rust",
                "path": long,
                "before": "\n".join([line] * 25),
                "after": "\n".join([line + "!"] * 25),
            }
        ]
        * 50,
        skipped=many,
        skipped_examples={reason: [long] * 10 for reason in many},
        secrets_redacted=many,
        near_duplicate_groups={"groups": 9999, "files_in_groups": 99999, "largest": [[long] * 999] * 99},
        augmentation={
            kind: {
                language: {"files": 10**6, "changed": 10**5, "rows": 10**7, "refused": many}
                for language in LANGUAGES
            }
            for kind in AUGMENTATION_KINDS
        },
    )
    assert len(page.encode()) < 500_000


def test_a_training_file_out_of_order_is_called_out(tmp_path):
    rows = sample_rows(2_000)
    assert "✗" not in page_of(tmp_path, rows)
    rows["complexity"][100], rows["complexity"][900] = rows["complexity"][900], rows["complexity"][100]
    assert "not so: train.jsonl never gets simpler" in page_of(tmp_path, rows)


@pytest.mark.parametrize(
    ("recipe", "said", "unsaid"),
    [
        (
            "measured",
            ("reads every row alike", "reads it shuffled"),
            ("is visited 3 : 1 : 0.3", "rows times weight", "starts simple"),
        ),
        (
            "founding",
            ("is visited 3 : 1 : 0.3", "rows times weight", "starts simple"),
            ("reads every row alike", "shuffled."),
        ),
    ],
)
def test_the_page_describes_the_training_that_will_happen(tmp_path, recipe, said, unsaid):
    page = page_of(tmp_path, sample_rows(2_000), options={"recipe": recipe})
    assert all(text in page for text in said) and not any(text in page for text in unsaid)


def test_entries_that_were_neither_read_nor_counted_are_called_out(tmp_path):
    assert "not so: every entry is read or counted" in page_of(tmp_path, num_entries=10**6)


def test_recorded_counts_that_differ_from_the_rows_are_called_out(tmp_path):
    assert "not so: the recorded row counts" in page_of(tmp_path, train_sequences=5)


def test_a_lopsided_split_is_called_out(tmp_path):
    rows = sample_rows(2_000)
    rows["split"] = np.sort(np.arange(2_000) % 3)
    assert "not so: the split is within 2 points" in page_of(tmp_path, rows)


def leaky(**changes) -> dict:
    return sample_metadata(sample_rows(50))["leak_report"] | changes


def test_equal_rows_and_files_in_two_splits_are_called_out(tmp_path):
    page = page_of(tmp_path, leak_report=leaky(equal_rows=1, files_in_two_splits=2))
    assert "not so: no two rows hold the same tokens" in page
    assert "not so: no source file has rows in two splits" in page


def test_the_leak_report_is_told_in_plain_words(tmp_path):
    assert "Of 401,002 distinct 50-token spans in test, 5,118 also occur in train: 1.3 %." in page_of(
        tmp_path
    )
    assert "Every span was compared" in page_of(tmp_path)
    assert "one span in 8 was compared" in page_of(tmp_path, leak_report=leaky(exact=False, sampled_one_in=8))


def test_a_held_out_split_too_short_for_a_span_divides_by_nothing(tmp_path):
    none = {
        "rows": 0,
        "rows_without_span": 0,
        "rows_half_shared": 0,
        "spans": 0,
        "shared": 0,
        "share": 0,
        "examples": [],
    }
    page = page_of(tmp_path, leak_report=leaky(held_out={"val": none, "test": none}))
    assert "Of 0 distinct 50-token spans in val, 0 also occur in train: none." in page


def test_what_was_not_asked_for_or_not_found_is_said(tmp_path):
    rows = sample_rows(50)
    rows["variant"] = 0
    none = {"groups": 0, "files_in_groups": 0, "largest": []}
    page = page_of(
        tmp_path,
        rows,
        [],
        skipped={},
        augmentation={},
        near_duplicate_groups=none,
        secrets_redacted={},
        notes={},
    )
    for sentence in (
        "No augmentation was asked for",
        "There is no variant to show",
        "nothing was left out",
        "No two files are near-duplicates",
        "No secret was redacted",
    ):
        assert sentence in page


def test_a_split_without_rows_is_drawn_as_absent(tmp_path):
    rows = sample_rows(40)
    rows["split"] = 0
    assert "val: no rows" in page_of(tmp_path, rows)


def test_tally_counts_every_row_once_and_padding_never():
    rows = np.zeros(4, ROW)
    rows["split"], rows["role"], rows["length"] = [0, 0, 1, 2], [0, 2, 1, 1], [8, 3, 8, 1]
    rows["language"], rows["variant"], rows["complexity"] = [1, 0, 1, 1], [0, 4, 0, 0], [1, 2, 3, 4]
    counted = tally(rows, num_languages=2, window=8)
    assert counted.by_split_role.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert counted.by_language_variant.tolist() == [[0, 0, 0, 0, 1], [3, 0, 0, 0, 0]]
    assert counted.tokens_by_split.tolist() == [11, 8, 1]
    assert counted.tokens_by_language.tolist() == [3, 17]
    assert (counted.num_full, counted.lengths.sum()) == (2, 2)
    assert counted.language_order.sum(axis=0).tolist() == [1, 1]
    assert counted.curves["train"].num_descents == 0


def test_visits_are_rows_times_weight(tmp_path):
    rows = np.zeros(60, ROW)
    rows["role"] = np.arange(60) % 3  # equal thirds, so visits are 3 : 1 : 0.3
    rows["length"] = 5
    text = Page(page_of(tmp_path, rows)).text
    assert "core code is 33.3 % of the training rows and 69.8 % of what training sees" in text


def test_changed_words_are_marked_and_equal_ones_are_not(tmp_path):
    example = {
        "kind": "variable_renaming",
        "language": "Rust",
        "path": "a.rs",
        "before": "let a = b;\nx",
        "after": "let n = b;\nx",
    }
    page = page_of(tmp_path, examples=[example])
    assert page.count("<del>") == page.count("<ins>") == 1
    assert "<del>a</del>" in page and "<ins>n</ins>" in page


def test_a_change_of_layout_alone_is_marked(tmp_path):
    example = {
        "kind": "format_variation",
        "language": "Rust",
        "path": "a.rs",
        "before": "f( a )",
        "after": "f(a)",
    }
    assert "<del> </del>" in page_of(tmp_path, examples=[example])


def snippets(before: str, after: str) -> list[dict]:
    return [{"kind": "comment_toggle", "language": "Go", "path": "a.go", "before": before, "after": after}]


def test_a_removed_empty_line_can_be_seen(tmp_path):
    assert "<del>↵</del>" in page_of(tmp_path, examples=snippets("a\n\n\nb", "a\n\nb"))


def test_lines_beyond_the_end_of_the_other_snippet_are_not_shown_as_added(tmp_path):
    page = page_of(tmp_path, examples=snippets("x\n// gone\ny", "x\ny\nnext\nlast"))
    assert "// gone</del>" in page
    assert "<ins>" not in page and "next" not in page
    page = page_of(tmp_path, examples=snippets("f {\n    a\n    b", "f {\n  a\n  b\n  next"))
    assert page.count("<ins>") == 2 and "next" not in page


def test_examples_stand_in_the_order_of_the_kinds(tmp_path):
    page = page_of(tmp_path, examples=sample_examples()[::-1])
    places = [page.index(f"<strong>{kind.replace('_', ' ')}") for kind in AUGMENTATION_KINDS]
    assert places == sorted(places)


def test_a_share_is_never_rounded_to_nothing_or_to_all():
    assert [percent(*pair) for pair in ((0, 5), (1, 10**6), (10**6 - 1, 10**6), (5, 5), (1, 3))] == [
        "0 %",
        "< 0.1 %",
        "> 99.9 %",
        "100 %",
        "33.3 %",
    ]


def test_every_chart_says_in_words_what_it_shows(tmp_path):
    page = page_of(tmp_path)
    charts = re.findall(r"<svg(?P<attributes>[^>]*role=\"img\"[^>]*)>(?P<inside>.{0,40})", page)
    assert len(charts) >= 8
    assert all(inside.startswith("<title>") for _, inside in charts)
