"""Whether a model learnt to read behind other files of its repository, as its config.json says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effectiveness.common.repository_context import CONTEXT_SHARE, Excerpts, RepositoryContext, word_table

if TYPE_CHECKING:
    from torch import nn

    from effectiveness.trainer.rows import Dataset
    from effectiveness.trainer.vocabulary import Vocabulary

RECORD = "repository_context"  # key of an exported config.json


def record_context(model: nn.Module, rate: float, name: str) -> None:
    """Have the model's configuration say that this share of its texts stood behind excerpts of other files."""
    setattr(model.config, RECORD, {"rate": rate, "repository": name, "share_of_window": CONTEXT_SHARE})


def context_it_reads(config: dict, vocabulary: Vocabulary) -> RepositoryContext | None:
    """Without a file yet; None for a model whose config.json does not say that it learnt to read behind excerpts."""
    recorded = config.get(RECORD)
    if not isinstance(recorded, dict) or vocabulary.control.context is None:
        return None
    return without_files(vocabulary, str(recorded.get("repository", "")))


def without_files(vocabulary: Vocabulary, name: str) -> RepositoryContext:
    """Of a repository of this name that holds no file yet; only where the tokenizer has the tokens for it."""
    assert vocabulary.control.context is not None, "a run is refused without it"
    words = word_table([vocabulary.decode([index]).encode() for index in range(len(vocabulary.num_bytes))])
    return RepositoryContext(
        tokens=vocabulary.control.context,
        name=name,
        excerpts=Excerpts.of((), words, vocabulary.encode),
        encode=vocabulary.encode,
    )


def name_of(dataset: Dataset) -> str:
    """The repository's."""
    return str(dataset.metadata.get("source_repo") or "")
