"""Whether a model's own tokenizer gives the ids of the dataset's, and which entries the dataset added to it."""

from __future__ import annotations

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.records import UserError
from effectiveness.trainer import model_files
from effectiveness.trainer.vocabulary import MAX_TOKENIZER_BYTES, Vocabulary

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
