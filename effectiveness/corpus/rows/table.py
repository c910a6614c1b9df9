"""Which rows are written: every token sequence once, and where each row's ids lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import VARIANTS
from effectiveness.corpus.rows import MASKED_INDEX, MadeRows
from effectiveness.corpus.rows.shard import original_rows


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows that are written, in canonical order: by file, then variant, then window. Arrays of one length."""

    units: np.ndarray  # UNIT[num_units]
    row: np.ndarray  # uint32, index into MadeRows.rows
    unit: np.ndarray  # uint32, index into units
    start: np.ndarray  # uint32, first token of the window
    complexity: np.ndarray  # float32
    split: np.ndarray  # uint8, index into SPLITS
    dropped: dict[str, int]  # variant -> rows left out because another row has the same tokens

    def __len__(self) -> int:
        return len(self.unit)

    def of_unit(self, name: str) -> np.ndarray:
        """A field of every row's unit, for example `of_unit("variant")`."""
        return self.units[name][self.unit]


def drop_duplicates(made: MadeRows, split_of_file: np.ndarray) -> RowTable:
    """No token sequence stands in two rows. Of equal ones the first of train stays, an original before a variant:
    what the model may see in training is not asked in a test."""
    file, variant = made.units["file"][made.rows["unit"]], made.units["variant"][made.rows["unit"]]
    split = split_of_file[file]
    by_preference = np.lexsort((variant, split))  # stable: canonical order within
    _, first = np.unique(made.rows["fingerprint"][by_preference], return_index=True)
    kept = np.sort(_with_their_originals(made, by_preference[first]))
    dropped = np.bincount(variant, minlength=len(VARIANTS)) - np.bincount(
        variant[kept], minlength=len(VARIANTS)
    )
    return RowTable(
        units=made.units,
        row=kept.astype(np.uint32),
        unit=made.rows["unit"][kept],
        start=made.rows["start"][kept],
        complexity=made.rows["complexity"][kept],
        split=split[kept],
        dropped={name: int(count) for name, count in zip(VARIANTS, dropped, strict=True) if count},
    )


def _with_their_originals(made: MadeRows, kept: np.ndarray) -> np.ndarray:
    """`kept` without the masked rows whose original was dropped: what fills their gap stands elsewhere already."""
    is_kept = np.zeros(len(made.rows), bool)
    is_kept[kept] = True
    is_masked = made.units["variant"][made.rows["unit"][kept]] == MASKED_INDEX
    return kept[~is_masked | is_kept[np.where(is_masked, original_rows(made)(kept), 0)]]
