"""A tokenizer that others wrote, as a dataset takes it: a tokenizer.json or the GPT-2 form, and its tokens' roles."""

from __future__ import annotations

import os
from pathlib import Path

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.paths import display
from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import MAX_TOKENIZER_BYTES, problems_of, read_tokenizer_file

MAX_NAMES_BYTES = 16 << 20
ROLES = ("bos", "eos", "unk", "pad", "mask")


def read_tokenizer(directory: Path, way_out: str):
    """(tokenizers.Tokenizer, role -> the text of its token) from tokenizer.json, or from vocab.json and merges.txt.

    Raises UserError, which names the file and ends with `way_out`, for everything that is wrong with them.
    """
    roles = _read_roles(directory / "tokenizer_config.json", way_out)
    whole, vocab, merges = (directory / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if os.path.lexists(whole):
        return read_tokenizer_file(whole, way_out)[0], roles
    if os.path.lexists(vocab) and os.path.lexists(merges):
        return _from_vocab_and_merges(vocab, merges, way_out), roles
    raise UserError(
        f"{display(directory)} holds neither tokenizer.json nor vocab.json with merges.txt; {way_out}"
    )


def _read_roles(path: Path, way_out: str) -> dict[str, str]:
    """tokenizer_config.json spells a token as text or as {"content": text, ...}."""
    if not os.path.lexists(path):
        return {}
    config = read_json_object(path, max_bytes=MAX_NAMES_BYTES, way_out=way_out)
    roles = {}
    for role in ROLES:
        value = config.get(f"{role}_token")
        text = value.get("content") if isinstance(value, dict) else value
        if text is not None and not (isinstance(text, str) and text):
            raise UserError(
                f"{display(path)}: {role}_token must be a text, got {str(value)[:40]!r}; {way_out}"
            )
        if text is not None:
            roles[role] = text
    return roles


def _from_vocab_and_merges(vocab_path: Path, merges_path: Path, way_out: str):
    """CodeBERT and RoBERTa ship the GPT-2 form: a vocabulary and a list of merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocab = read_json_object(vocab_path, max_bytes=MAX_TOKENIZER_BYTES, way_out=way_out)
    if problem := next(problems_of({"model": {"vocab": vocab}}), ""):
        raise UserError(f"{display(vocab_path)} {problem}; {way_out}")
    raw = read_regular(merges_path, max_bytes=MAX_TOKENIZER_BYTES, way_out=way_out)
    with reading(f"{display(merges_path)} is not UTF-8", way_out):
        lines = raw.decode().split("\n")
    rules = [line for line in lines if line and not line.startswith("#version")]
    if any(rule.count(" ") != 1 for rule in rules):
        raise UserError(f"{display(merges_path)} has a line that is not two parts; {way_out}")
    merges = [(left, right) for left, _, right in (rule.partition(" ") for rule in rules)]
    with reading(f"{display(merges_path)} does not fit {vocab_path.name}", way_out):
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
