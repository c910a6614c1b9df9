"""Whether and how a model was trained to fill gaps, as its config.json says it; and of one that does not say."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.boundary import read_json_object
from effectiveness.trainer.gaps import CUTS, ORDERS, SUFFIX_FIRST_ORDER
from effectiveness.trainer.model_files import A_MODEL, MAX_CONFIG_BYTES
from effectiveness.trainer.other_readers import SPLITS_CONTROL_TEXTS
from effectiveness.trainer.vocabulary import MAX_NAMES_BYTES, Vocabulary

if TYPE_CHECKING:
    from torch import nn

# Keys of an exported config.json.
CAN_FILL = "fill_in_the_middle"
HOW_IT_FILLS = "fill_in_the_middle_training"


def record_gaps(model: nn.Module, fim_rate: float) -> None:
    """Have the model's configuration say that it was trained with this share of gaps."""
    setattr(model.config, CAN_FILL, True)
    setattr(model.config, HOW_IT_FILLS, {"rate": fim_rate, "orders": list(ORDERS), "cuts": dict(CUTS)})


def fills_suffix_first(config: dict) -> bool:
    """Whether a model of this config.json may be asked with the suffix first.

    The middle then goes on from the prefix without a seam: the smaller a model, the better it does so (LOG.md), and a
    keystroke changes only the end of the prompt.
    """
    recorded = config.get(HOW_IT_FILLS)
    orders = recorded.get("orders") if isinstance(recorded, dict) else None
    return isinstance(orders, list) and SUFFIX_FIRST_ORDER in orders


def how_it_fills(model: nn.Module) -> str:
    """In words, as far as the model's configuration says it."""
    recorded = getattr(model.config, HOW_IT_FILLS, None)
    rate = recorded.get("rate") if isinstance(recorded, dict) else None
    if not isinstance(rate, int | float):
        return "filled in the middle with the model's own tokens for it"
    return f"filled in the middle: the model was trained with gaps in {rate:.0%} of its rows"


def can_fill(
    model: nn.Module, vocabulary: Vocabulary, directory: Path | None, added: Collection[int] = ()
) -> bool:
    """Whether a model, which lies in `directory` (None: on the hub), learnt to fill in the middle.

    What is recorded counts. An export of ours of before that is judged by what its training wrote down, and if
    nobody knows it did not: its tokenizer always has the tokens. To a foreign model they are its own, or `added`.
    """
    return _judged(getattr(model.config, CAN_FILL, None), vocabulary, directory, added)


def model_on_disk_can_fill(config: dict, vocabulary: Vocabulary, directory: Path) -> bool:
    """The same by its config.json."""
    return _judged(config.get(CAN_FILL), vocabulary, directory, ())


def _judged(recorded: object, vocabulary: Vocabulary, directory: Path | None, added: Collection[int]) -> bool:
    if recorded is None and directory is not None:
        recorded = _of_an_older_export(directory)
    if recorded is not None:
        return recorded is True
    return vocabulary.control.can_fill and vocabulary.control.fim_middle not in added


def _of_an_older_export(directory: Path) -> bool | None:
    """None where it is none of ours."""
    from effectiveness.trainer.run_directory import FACTS_FILE  # with torch, which a newer export needs not

    if (directory / FACTS_FILE).is_file():
        facts = read_json_object(directory / FACTS_FILE, max_bytes=MAX_CONFIG_BYTES, way_out=A_MODEL)
        return _rate(facts) > 0
    names = directory / "tokenizer_config.json"
    if not names.is_file():
        return None
    described = read_json_object(names, max_bytes=MAX_NAMES_BYTES, way_out=A_MODEL)
    return False if described.get(SPLITS_CONTROL_TEXTS) is True else None


def _rate(facts: dict) -> float:
    """`objectives.fim_rate` of training_facts.json, 0 where it is not as we write it."""
    found: object = facts
    for key in ("facts", "config", "objectives", "fim_rate"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else 0.0
