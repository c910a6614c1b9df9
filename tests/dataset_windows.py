"""What must hold of windows and of augmented rows: they join into files, and variants are what they say."""

from __future__ import annotations

import numpy as np
from dataset_checks import tokenizer_fits
from dataset_facts import Facts, file_values, named, path_ids
from dataset_rows import MASKED
from dataset_texts import Findings, Reader, UnreadableTokenizer

from effectiveness.common.records import METADATA_FILE, ORIGINAL, VARIANTS


def windows_cover_their_files(facts: Facts) -> list[str]:
    """Every window that a file's rows promise is there, or was dropped because an equal row is there."""
    told = windows_stand_once(facts)
    recorded = facts.metadata.get("duplicate_rows_dropped", {})
    for index, name in enumerate(VARIANTS):
        missing, dropped = _missing_windows(facts, index), recorded.get(name, 0)
        texts = _texts_without_rows(facts, index)  # each of them has lost one row or more to equal rows
        if missing + texts > dropped or (missing < dropped and not texts):
            lost = f"{missing} windows of type {name} and {texts} whole texts are missing"
            told.append(f"{lost}, but {dropped} rows were dropped as duplicates")
    return told


def _texts_without_rows(facts: Facts, variant: int) -> int:
    """How many texts of a type the metadata counts and no row belongs to: all their rows equal others."""
    made = facts.metadata.get("source_files_scanned", 0)
    if variant:
        cells = facts.metadata.get("augmentation", {}).get(VARIANTS[variant], {}).values()
        made = sum(cell["changed"] for cell in cells)
    rows = facts.rows[facts.rows["variant"] == variant]
    return made - len(np.unique(path_ids(facts)[rows["file"]]))


def windows_stand_once(facts: Facts) -> list[str]:
    """All rows of one text count the same windows, and each window is there once."""
    rows = facts.rows
    paths = path_ids(facts)[rows["file"]]
    order = np.lexsort((rows["chunk"], rows["variant"], paths))
    ordered, paths = rows[order], paths[order]
    same_text = (paths[1:] == paths[:-1]) & (ordered["variant"][1:] == ordered["variant"][:-1])
    twice = ordered[1:][same_text & (ordered["chunk"][1:] == ordered["chunk"][:-1])]
    odd = ordered[1:][same_text & (ordered["total"][1:] != ordered["total"][:-1])]
    return named(facts, twice, lambda row: "this window stands twice") + named(
        facts, odd, lambda row: f"total_chunks {row['total']} differs from that of the file's other rows"
    )


def _missing_windows(facts: Facts, variant: int) -> int:
    """Windows that total_chunks promises and no row holds."""
    rows = facts.rows[facts.rows["variant"] == variant]
    _, first = np.unique(path_ids(facts)[rows["file"]], return_index=True)
    return int(rows["total"][first].sum()) - len(rows)


def overlaps_agree(facts: Facts) -> list[str]:
    """Every stretch of a text that several windows hold reads the same in all of them."""
    rows = facts.rows[facts.rows["total"] > 1]
    count = facts.layout.segments
    variant = np.where(rows["variant"] == MASKED, 0, rows["variant"])  # labels are windows of the original
    text = np.repeat(path_ids(facts)[rows["file"]] * len(VARIANTS) + variant, count)
    first = -(-rows["start"] // facts.layout.stride)
    place = (first[:, None] + np.arange(count)).ravel()
    hashes, row_of = rows["segments"].ravel(), np.repeat(np.arange(len(rows)), count)
    order = np.lexsort((place, text))
    order = order[hashes[order] != 0]  # 0: the window ends before this stretch does
    text, place, hashes, row_of = text[order], place[order], hashes[order], row_of[order]
    differs = (text[1:] == text[:-1]) & (place[1:] == place[:-1]) & (hashes[1:] != hashes[:-1])
    bad = np.unique(row_of[1:][differs])
    return named(facts, rows[bad], lambda row: "an overlapping window of the same text has other tokens")


def texts_of(facts: Facts) -> Findings:
    if facts.texts is None:
        if unfit := tokenizer_fits(facts):
            raise UnreadableTokenizer(unfit[0])
        facts.texts = Reader(facts).read()
    return facts.texts


def ids_are_the_tokenizers(facts: Facts) -> list[str]:
    """Windows join into whole files, the tokenizer makes exactly these ids of their text, and no window is left out."""
    return texts_of(facts).lines("ids", "left out")


def variants_are_what_they_say(facts: Facts) -> list[str]:
    """A renamed file differs in names only, a laid-out one in white space, a commented one in comments."""
    return texts_of(facts).lines("variants")


def masks_are_those_drawn(facts: Facts) -> list[str]:
    """What is masked was drawn from the seed, the text and its syntax, and is drawn again."""
    return texts_of(facts).lines("masks")


def complexity_is_that_of_the_text(facts: Facts) -> list[str]:
    return texts_of(facts).lines("complexity")


def kinds_are_declared(facts: Facts) -> list[str]:
    """Each type of row is declared, and the table of kinds and languages counts the rows there are."""
    rows, declared = facts.rows, facts.metadata.get("augmentation_techniques", [])
    present = {VARIANTS[index] for index in np.unique(rows["variant"])} - {VARIANTS[0]}
    told = [
        f"rows of type {kind}, which {METADATA_FILE} does not declare"
        for kind in sorted(present - set(declared))
    ]
    told += [
        f"{METADATA_FILE} declares the unknown type {kind}" for kind in declared if kind not in VARIANTS[1:]
    ]
    language = file_values(facts, "language")[rows["file"]]
    for kind in set(declared) & set(VARIANTS):
        for name, cell in facts.metadata.get("augmentation", {}).get(kind, {}).items():
            count = int(((rows["variant"] == VARIANTS.index(kind)) & (language == name)).sum())
            if cell["rows"] != count:
                told.append(f"{count} rows of type {kind} in {name}, {METADATA_FILE} says {cell['rows']}")
    return told + ["there is no original row"] * (not (rows["variant"] == 0).any())


def masked_rows_hide_original_rows(facts: Facts) -> list[str]:
    """The labels of a masked row are the tokens of the original row of its window, which is there."""
    masked = facts.rows[facts.rows["variant"] == MASKED]
    window = _window_digests(facts, facts.rows[facts.rows["variant"] == 0])
    labels = zip(_window_keys(facts, masked), map(tuple, masked["unmasked"].tolist()), strict=True)
    wrong = [index for index, (key, digest) in enumerate(labels) if window.get(key) != digest]
    return named(facts, masked[wrong], lambda row: "its labels are not the tokens of the original window")


def _window_keys(facts: Facts, rows: np.ndarray) -> list[tuple]:
    paths = path_ids(facts)[rows["file"]].tolist()
    return list(zip(paths, rows["chunk"].tolist(), rows["start"].tolist(), strict=True))


def _window_digests(facts: Facts, rows: np.ndarray) -> dict[tuple, tuple]:
    return dict(zip(_window_keys(facts, rows), map(tuple, rows["digest"].tolist()), strict=True))


def variants_lie_beside_their_originals(facts: Facts) -> list[str]:
    """Original rows of a variant's file lie in its split, unless they all equal rows of other files."""
    rows, originals = facts.rows, facts.rows[facts.rows["variant"] == 0]
    lonely = _pairs(rows) - _pairs(originals)
    dropped = facts.metadata.get("duplicate_rows_dropped", {}).get(ORIGINAL, 0)
    if len(lonely) <= dropped:
        return []
    picked = [row for row in rows if (int(row["file"]), int(row["split"])) in lonely]
    return named(facts, picked, lambda row: f"no original row of its file, but only {dropped} were dropped")


def _pairs(rows: np.ndarray) -> set[tuple[int, int]]:
    return set(map(tuple, np.unique(np.stack([rows["file"], rows["split"]], axis=1), axis=0).tolist()))
