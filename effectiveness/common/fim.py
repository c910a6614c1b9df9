"""The control tokens of fill-in-the-middle, as the models that know them spell them.

Each row is one family in the order (prefix, middle, suffix) of "prefix-token before suffix-token after middle-token".
llama.cpp finds them by these texts, too. Families that put the suffix first (Codestral, CodeGeeX) are not in it.
"""

from __future__ import annotations

from collections.abc import Container

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


# Before the repository's name, and before each file's path.
CONTEXT_SPELLINGS: tuple[tuple[str, str], ...] = (
    ("<|repo_name|>", "<|file_sep|>"),  # ours; Qwen2.5-Coder
    ("<repo_name>", "<file_sep>"),  # StarCoder2
    ("<reponame>", "<filename>"),  # StarCoder, Granite Code
)


def own_context_spelling(vocabulary: Container[str]) -> tuple[str, str] | None:
    """(repository, file) as this vocabulary spells them, None where it has no such tokens."""
    return next((row for row in CONTEXT_SPELLINGS if all(text in vocabulary for text in row)), None)
