"""The one reader of a tokenizer.json that others may have written: what it returns is what the file says, each time.

What only serves batches (truncation, padding) is left out. What makes the ids of a text a matter of chance, what the
library would quietly change (an added token's id, a token that stands twice) and what is of another shape is refused;
so is what ends the process within the library, past every `except`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from pathlib import Path

from effectiveness.common.boundary import read_json_object, reading
from effectiveness.common.paths import display
from effectiveness.common.records import UserError

MAX_TOKENIZER_BYTES = 256 << 20  # the largest in use have 35 MB
MAX_ID = 1 << 24

# Qwen2's pre-tokenizer. On held-out code a repository-trained 16k vocabulary holds 4.3 bytes a token with it
# and 3.8 with GPT-2's; and converters know it by name.
PRETOKENIZER = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def read_tokenizer_file(path: Path, way_out: str):
    """(tokenizers.Tokenizer, what the file says). Raises UserError, which names the file and ends with `way_out`."""
    parsed = read_json_object(path, max_bytes=MAX_TOKENIZER_BYTES, way_out=way_out)
    if problem := next(problems_of(parsed), ""):
        raise UserError(f"{display(path)} {problem}; {way_out}")
    with reading(f"{display(path)} cannot be used", way_out):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(json.dumps({**parsed, "truncation": None, "padding": None}))
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        added = {token["content"]: tokenizer.token_to_id(token["content"]) for token in added_tokens(parsed)}
    if vocabulary != vocabulary_of(parsed):
        raise UserError(
            f"{display(path)} holds a vocabulary that the library reads as another one; {way_out}"
        )
    for token in added_tokens(parsed):
        if added[token["content"]] != token["id"]:
            raise UserError(
                f"{display(path)} gives the added token {token['content']!r} an id that is not free; {way_out}"
            )
    return tokenizer, parsed


def added_tokens(parsed: dict) -> list[dict]:
    return parsed.get("added_tokens") or []


def vocabulary_of(parsed: dict) -> dict[str, int]:
    """Text -> id of the model's own entries."""
    vocab = parsed["model"]["vocab"]
    return vocab if isinstance(vocab, dict) else {token: index for index, (token, _) in enumerate(vocab)}


def problems_of(parsed: dict) -> Iterator[str]:
    """What is wrong with a tokenizer.json, the first first: what follows relies on what came before."""
    model = parsed.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocab, dict | list) or not vocab:
        yield "holds no model with a vocabulary"
    elif isinstance(vocab, list) and not all(map(_is_scored, vocab)):
        yield "holds an entry that is not a text and a number"
    elif not isinstance(added_tokens(parsed), list) or not all(map(_is_added, added_tokens(parsed))):
        yield "holds an added token without text or id"
    elif isinstance(vocab, list) and len(vocabulary_of(parsed)) < len(vocab):
        yield "holds a token twice"
    else:
        yield from _wrong_ids(parsed)
        if model.get("dropout"):
            yield f'drops merges by chance ("dropout": {model["dropout"]}), so a text has other ids each time'
        yield from _wrong_merges(model)


def _is_scored(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) in (int, float)
    )


def _is_added(token: object) -> bool:
    return isinstance(token, dict) and isinstance(token.get("content"), str) and "id" in token


def _wrong_ids(parsed: dict) -> Iterator[str]:
    vocabulary = vocabulary_of(parsed)
    added = {token["content"]: token["id"] for token in added_tokens(parsed)}
    if not all(
        type(index) is int and 0 <= index < MAX_ID for index in (*vocabulary.values(), *added.values())
    ):
        yield "holds ids that are not small whole numbers"
    elif len(added) < len(added_tokens(parsed)):
        yield "holds an added token twice"
    elif len(set({**vocabulary, **added}.values())) < len({**vocabulary, **added}):
        yield "gives two tokens one id"


def _wrong_merges(model: dict) -> Iterator[str]:
    """The library (tokenizers 0.23) cuts the prefix of what goes on a word off the right half of every merge without a
    look whether it is there: a text that is no UTF-8 then ends the process."""
    prefix, merges = model.get("continuing_subword_prefix"), model.get("merges") or []
    if not (prefix is None or isinstance(prefix, str)) or not isinstance(merges, list):
        yield "holds merges, or a prefix of them, of another type"
    elif prefix and not all(_right_half(merge).startswith(prefix) for merge in merges):
        yield f"holds a merge whose right half does not begin with {prefix[:20]!r}, the continuing_subword_prefix"


def _right_half(merge: object) -> str:
    """Empty where it is no merge."""
    match merge.split(" ") if isinstance(merge, str) else merge:
        case [_, str(right)]:
            return right
    return ""


# --- control tokens of fill-in-the-middle, as the models that know them spell them -------------------------------
#
# Each row is one family in the order (prefix, middle, suffix) of "prefix-token before suffix-token after middle-token".
# llama.cpp finds them by these texts, too. Families that put the suffix first (Codestral, CodeGeeX) are not in it.

FIM_SPELLINGS: tuple[tuple[str, str, str], ...] = (
    ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),  # ours; Qwen2.5-Coder, CodeGemma, Granite 3.3
    ("<fim_prefix>", "<fim_middle>", "<fim_suffix>"),  # StarCoder, StarCoder2, Granite Code, Stable Code
    ("<fim-prefix>", "<fim-middle>", "<fim-suffix>"),  # SantaCoder
    (
        "<｜fim▁begin｜>",
        "<｜fim▁end｜>",
        "<｜fim▁hole｜>",
    ),  # DeepSeek-Coder: the hole stands where the suffix begins
    ("<|fim_begin|>", "<|fim_end|>", "<|fim_hole|>"),  # the same in ASCII
    ("▁<PRE>", "▁<MID>", "▁<SUF>"),  # CodeLlama
    ("<PRE>", "<MID>", "<SUF>"),
)


def own_spelling(vocabulary: Container[str]) -> tuple[str, str, str] | None:
    """(prefix, middle, suffix) as this vocabulary spells them, None where it has no such tokens."""
    return next((row for row in FIM_SPELLINGS if all(text in vocabulary for text in row)), None)
