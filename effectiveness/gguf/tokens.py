"""A tokenizer in GGUF: its entries, their kinds, the merges, and by which rule a text is cut before them.

llama.cpp knows that rule by a name (`tokenizer.ggml.pre`). Its own converter finds the name by a hash of what a
tokenizer does to one text, which depends on the vocabulary: it knows no tokenizer that was trained on one repository.
Here it is found by the rule itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from effectiveness.common.boundary import reading
from effectiveness.common.records import UserError
from effectiveness.trainer.documents import ControlTokens

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's kinds of entries
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
A_TOKENIZER = "only byte-level BPE cut by the rule of Qwen2 or GPT-2 is written as GGUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """What GGUF holds of a tokenizer."""

    pre: str  # llama.cpp's name of the rule that cuts a text into words
    texts: list[str]  # by id
    kinds: list[int]  # by id
    merges: list[str]


def token_table(parsed: dict, control: ControlTokens, num_rows: int, *, can_fill: bool) -> TokenTable:
    """Of a tokenizer.json; `num_rows` are those of the embedding. Raises UserError for another kind of tokenizer.

    llama.cpp finds the tokens of a gap by their texts and offers to fill gaps to every editor. A model that never saw
    one has those tokens without a name.
    """
    with reading("tokenizer.json", A_TOKENIZER):
        pre = _rule(parsed)
        entries = dict(parsed["model"]["vocab"])
        added = {token["id"]: token for token in parsed.get("added_tokens") or ()}
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in parsed["model"]["merges"]]
    texts, kinds = [f"[UNUSED{index}]" for index in range(num_rows)], [UNUSED] * num_rows
    for text, index in entries.items():
        texts[index], kinds[index] = text, NORMAL
    for index, token in added.items():
        texts[index], kinds[index] = token["content"], CONTROL if token.get("special") else USER_DEFINED
    if not can_fill:
        for index in control.fim or ():
            texts[index], kinds[index] = f"[UNUSED{index}]", UNUSED
    return TokenTable(pre=pre, texts=texts, kinds=kinds, merges=merges)


def _rule(parsed: dict) -> str:
    normalizer, model = parsed.get("normalizer"), parsed["model"]
    if model.get("type") != "BPE" or (
        normalizer and normalizer.get("type") != "NFC"
    ):  # llama.cpp does not normalise
        raise UserError(f"the tokenizer is no byte-level BPE; {A_TOKENIZER}")
    cutter = parsed.get("pre_tokenizer") or {}
    steps: list[dict] = cutter["pretokenizers"] if cutter.get("type") == "Sequence" else [cutter]
    byte_level = steps[-1]
    if byte_level.get("type") != "ByteLevel" or byte_level.get("add_prefix_space"):
        raise UserError(f"the tokenizer is no byte-level BPE that leaves texts as they are; {A_TOKENIZER}")
    if len(steps) == 1 and byte_level.get("use_regex", True):
        return "gpt-2"
    is_split = len(steps) == 2 and steps[0].get("type") == "Split" and steps[0].get("behavior") == "Isolated"
    if is_split and not steps[0].get("invert") and steps[0].get("pattern") == {"Regex": QWEN2}:
        return "qwen2"
    raise UserError(f"the tokenizer cuts texts by a rule that has no known name in llama.cpp; {A_TOKENIZER}")
