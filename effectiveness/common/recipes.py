"""One dial: `recipe` says what the dataset command builds and what the trainer reads of it.

`create_training_dataset_effectiveness.py --recipe NAME` makes the rows and writes the name into their metadata;
`recipe: auto` of the trainer finds it there. Flags and settings of single parts go before the recipe's.
"""

from __future__ import annotations

from dataclasses import dataclass

from effectiveness.common.records import AUGMENTATION_KINDS

AUTO, MEASURED, FOUNDING, ADAPTER = "auto", "measured", "founding", "adapter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Rows: how they are cut and varied, and in which proportion and order they are visited."""

    overlap: float  # of a window, repeated by the next
    kinds: tuple[str, ...]  # of variants
    weighting: str  # as data.weighting of the trainer
    curriculum: str  # as data.curriculum
    fresh_cuts: bool | None  # as data.fresh_cuts; None: where rows are all read alike
    learning: str  # a word for both, in the metadata
    words: str

    def reading(self) -> dict[str, object]:
        """The trainer's settings of `data`: it reads what is built."""
        return {
            "weighting": self.weighting,
            "curriculum": self.curriculum,
            "overlap": self.overlap > 0,
            "variants": bool(self.kinds),
            "fresh_cuts": self.fresh_cuts,
        }


# What paid on held-out files (EFFECTIVENESS_OPTIMIZATION.md), and what the project set out with.
RECIPES: dict[str, Recipe] = {
    MEASURED: Recipe(
        overlap=0.0,
        kinds=(),
        weighting="none",
        curriculum="none",
        fresh_cuts=None,
        learning="uniform",
        words="windows side by side, no variants; each token is read once an epoch, in a shuffled order",
    ),
    FOUNDING: Recipe(
        overlap=0.75,
        kinds=AUGMENTATION_KINDS,
        weighting="visits",
        curriculum="stages",
        fresh_cuts=False,
        learning="curriculum",
        words="windows that overlap by three quarters, four kinds of variants; rows are read in proportion to their "
        "weight, simple ones first",
    ),
}
# What the trainer can be asked for: `adapter` tunes a base on rows as `measured` has them.
TRAINED = {**RECIPES, ADAPTER: RECIPES[MEASURED]}


def recipe_of(metadata: dict) -> str:
    """That of a dataset; "measured" where its builder knew none: such a dataset holds those rows among others."""
    options = metadata.get("options")
    name = options.get("recipe") if isinstance(options, dict) else None
    return name if name in RECIPES else MEASURED
