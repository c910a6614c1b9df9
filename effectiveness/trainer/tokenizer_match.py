"""Whether a model's own tokenizer gives the ids of the dataset's, and which entries the dataset added to it."""

from __future__ import annotations

from dataclasses import replace

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.records import UserError
from effectiveness.trainer import model_files
from effectiveness.trainer.config import Config
from effectiveness.trainer.vocabulary import MAX_TOKENIZER_BYTES, Vocabulary

DEFAULT_FIM_RATE = 0.5  # costs no left-to-right quality (2207.14255); LOG.md has what it cost here
A_TOKENIZER = "give a model with a tokenizer.json"


def compare_tokenizers(what: str, name: str, vocabulary: Vocabulary) -> frozenset[int]:
    """The ids of the dataset that the tokenizer of `name` lacks: control tokens that were added to it.

    Raises UserError unless both give every other entry the same id.
    """
    theirs, ours = (_entries_and_merges(what, found) for found in (_tokenizer_json(name), vocabulary.json))
    own, entries = theirs[0], ours[0]
    if theirs[1:] != ours[1:] or any(entries.get(text) != index for text, index in own.items()):
        raise UserError(
            f"{what} has another tokenizer than the dataset; build the dataset with --tokenizer {name}"
        )
    return frozenset(entries.values()) - frozenset(own.values())


def with_fim_rate(config: Config, vocabulary: Vocabulary) -> Config:
    """`config` with what `objectives.fim_rate: auto` stands for: gaps, wherever the model has tokens for them.

    A base that lacks them would have to learn new tokens for a task that was not asked for.
    """
    if config.objectives.fim_rate is not None:
        return config
    can_learn = vocabulary.control.can_fill and _has_own_fim_tokens(config.model.pretrained_model, vocabulary)
    objectives = replace(config.objectives, fim_rate=DEFAULT_FIM_RATE if can_learn else 0.0)
    return replace(config, objectives=objectives)


def _has_own_fim_tokens(name: str | None, vocabulary: Vocabulary) -> bool:
    if name is None:
        return True
    try:
        return vocabulary.control.fim_middle not in compare_tokenizers(name, name, vocabulary)
    except UserError:  # it is refused when it is loaded, which says why
        return False


def _entries_and_merges(what: str, tokenizer_json: dict) -> tuple[dict[str, int], dict, list[str]]:
    """All entries with their ids, those that are no added tokens, and the merges in order."""
    with reading(f"{what}: its tokenizer", A_TOKENIZER):
        model = tokenizer_json["model"]
        vocab = model["vocab"]
        if isinstance(vocab, list):  # of Unigram: [text, score]
            vocab = {text: index for index, (text, _) in enumerate(vocab)}
        added = {token["content"]: token["id"] for token in tokenizer_json.get("added_tokens") or ()}
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges") or ()]
        return {**vocab, **added}, dict(vocab), merges


def _tokenizer_json(name: str) -> dict:
    """tokenizer.json of the model; of old ones that lack it, what vocab.json and merges.txt say of it."""
    directory = model_files.find_directory(name, model_files.TOKENIZER_FILES)

    def read_object(part: str) -> dict:
        file = model_files.inside(name, directory, part)
        return read_json_object(file, max_bytes=MAX_TOKENIZER_BYTES, way_out=A_TOKENIZER)

    if (directory / "tokenizer.json").exists() or not (directory / "merges.txt").exists():
        return read_object("tokenizer.json")
    file = model_files.inside(name, directory, "merges.txt")
    lines = read_regular(file, max_bytes=MAX_TOKENIZER_BYTES, way_out=A_TOKENIZER).decode("utf-8", "replace")
    merges = [line for line in lines.split("\n") if line and not line.startswith("#version")]
    return {"model": {"vocab": read_object("vocab.json"), "merges": merges}}
