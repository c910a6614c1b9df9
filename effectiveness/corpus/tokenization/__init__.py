"""Text to token ids, and token ids to overlapping windows.

A file's text never becomes a control token: encoders are built from the tokenizer without its added tokens,
so `<|endoftext|>` inside a file is ordinary characters (both `tokenizers` and transformers would turn it into
the control id). Control ids are only ever written by us, by id.

Speed: gigatoken encodes byte-level BPE some 20 to 50 times faster than `tokenizers`. It is used only where it
was shown to give identical ids - a sample of this very corpus and a list of hostile strings, in every process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import read_bytes
from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import PRETOKENIZER

END_OF_TEXT, PAD, MASK = "<|endoftext|>", "<|pad|>", "<mask>"
# Exactly the texts by which llama.cpp's converter finds the fill-in-the-middle tokens.
FIM_TOKENS = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|repo_name|>", "<|file_sep|>")
CONTROL_TOKENS = (END_OF_TEXT, PAD, MASK, *FIM_TOKENS)

# As `train_bpe` writes it into a tokenizer.json.
_PRETOKENIZERS = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": PRETOKENIZER}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}

# Letters and digits that Unicode assigned after version 14: the two encoders' tables disagree about some of
# them (341 code points measured), so a text with one - or with any character beyond the basic plane other than
# emoji - goes to the reference encoder.
_UNSETTLED = re.compile(
    "[\u0558\u058b\u058c\u088f\u0897\u0c5c\u0cdc\u0cf3\u0ece\u1c89\u1c8a\u208f\u209d-\u209f\u2ffc-\u2fff"
    "\u31ef\ua7cb-\ua7cf\ua7d2\ua7d4\ua7da-\ua7dd\ua7e2\ua7f1\uab6c\uab6d"
    "\U00010000-\U0001efff\U0001fb00-\U0010ffff]"
)
_ASCII = bytes(range(128))  # what is left without it is UTF-8 as before, and short

NUM_TRIED = 250  # entries of the vocabulary on which the two encoders must agree, in every process
# gigatoken remembers every word it has met and never forgets one; a new one takes 0.04 s.
RENEW_AFTER_BYTES = 12 << 20

HOSTILE_TEXTS = (
    " ".join((*CONTROL_TOKENS, "</s>", "<s>", "<unk>", "<pad>", "[MASK]", "[SEP]", "<|im_start|>")),
    "<|endoftext|><mask></s>",
    "\x00\x01\x1b[31m\x7f \t \x0b\x0c\r\r\n\n  \u00a0\u2028\u3000 x",
    "don't WE'LL i'\u0130 \u017f's 12345 1e-5 0xFF\u00bd\u0663",
    "caf\u00e9 cafe\u0301 \u1e9b\u0323 \ufb01 \u200d\ud55c\uae00\u4e2d\u6587 \u0e01\u0e33 \U0001f469\u200d\U0001f4bb",
    "    def f(x):\r\n\t\treturn x  \n\n\n}   \n",
    "\ufeff\ufffd\ufffe",
)


class TokenizerError(UserError):
    """The tokenizer cannot serve: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerInfo:
    """A tokenizer that lies in `directory` as tokenizer.json, ready for `AutoTokenizer.from_pretrained`."""

    name: str  # "local", "microsoft/codebert-base", or the path that was given
    reason: str
    directory: str
    sha256: str  # of tokenizer.json
    vocab_size: int  # one more than the largest id, control tokens included
    pad_id: int
    mask_id: int

    @property
    def json_path(self) -> Path:
        return Path(self.directory) / "tokenizer.json"

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer that holds every id."""
        return np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)


class Encoder:
    """Encodes UTF-8 bytes with the tokenizer.json at `path`; picklable by path only, so build one per process."""

    def __init__(self, path: Path, sample: Iterable[bytes] = ()):
        config = json.loads(read_bytes(path))
        self._controls = _control_tokens(config)
        # Its decoder joins bytes, and nothing changes the text before: one character of a token is one byte.
        decoder = (config.get("decoder") or {}).get("type")
        self._is_byte_level = decoder == "ByteLevel" and not config.get("normalizer")
        self._is_ours = self._is_byte_level and config.get("pre_tokenizer") == _PRETOKENIZERS
        self._plain = _without_control_tokens(config)
        self._gigatoken = None  # until it has proved itself
        self._cached_bytes = 0
        candidate = _gigatoken(self._plain)
        self._reject_unless_lossless()
        if candidate is not None and self._agrees(candidate, sample):
            self._gigatoken = candidate

    @property
    def backend(self) -> str:
        return "tokenizers" if self._gigatoken is None else "gigatoken"

    @cached_property
    def _reference(self):
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self._plain)

    def encode(self, text: bytes, by_reference: bool = False) -> np.ndarray:
        """Token ids of `text`, uint32[num_tokens]; never a control id, or TokenizerError."""
        if by_reference or self._gigatoken is None or not _is_settled(text):
            return self._checked(self._encode_by_reference(text))
        self._cached_bytes += len(text)
        if self._cached_bytes > RENEW_AFTER_BYTES:
            self._gigatoken, self._cached_bytes = _gigatoken(self._plain), 0
        return self._checked(self._gigatoken.encode(text))

    def _checked(self, ids: np.ndarray) -> np.ndarray:
        """Merges may reach a control token, a normalizer spell it, a vocabulary hold its text."""
        is_control = self._is_control.take(ids)
        if is_control.any():
            text = self._controls[int(ids[is_control.argmax()])]
            raise TokenizerError(f"text in a file would become its control token {text!r}")
        return ids

    @cached_property
    def _is_control(self) -> np.ndarray:
        table = np.zeros(1 + max((*self._controls, *self.vocabulary.values())), bool)
        table[list(self._controls)] = True
        return table

    @property
    def control_texts(self) -> list[str]:
        """What the control tokens are called."""
        return list(self._controls.values())

    def gives_back(self, text: str, ids: np.ndarray) -> bool:
        """Whether the text of `ids` is `text`."""
        return self._reference.decode(ids.tolist(), skip_special_tokens=False) == text

    def _encode_by_reference(self, text: bytes) -> np.ndarray:
        decoded = text.decode()
        parts = pieces(decoded, PIECE_CHARS // 8) if self._is_ours else (decoded,)
        encodings = (self._reference.encode(part, add_special_tokens=False) for part in parts)
        return np.concatenate([np.array(encoding.ids, np.uint32) for encoding in encodings])

    def token_ends(self, text: bytes, ids: np.ndarray) -> np.ndarray:
        """Byte offset of each token's end in `text`, int64[num_tokens]."""
        return np.cumsum(self.token_bytes(text, ids), dtype=np.int64)

    def token_bytes(self, text: bytes, ids: np.ndarray) -> np.ndarray:
        """How many bytes of `text` each token covers, int32[num_tokens]."""
        if self._is_byte_level:
            lengths = self._byte_lengths.take(ids)
            if lengths.sum() == len(text):
                return lengths
        decoded = text.decode()
        char_ends = [end for _, end in self._reference.encode(decoded, add_special_tokens=False).offsets]
        bytes_before = np.zeros(len(decoded) + 1, dtype=np.int64)
        np.cumsum([len(char.encode()) for char in decoded], out=bytes_before[1:])
        return np.diff(bytes_before[char_ends], prepend=0).astype(np.int32)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Text -> id of every entry that text can become."""
        return self._reference.get_vocab()

    @cached_property
    def _byte_lengths(self) -> np.ndarray:
        """Bytes that each id stands for. In a byte-level vocabulary one character stands for one byte."""
        return self._of_each_id(map(len, self.vocabulary), np.int32)

    def word_tokens(self) -> np.ndarray:
        """bool[vocab_size]: does the token begin a name (a letter or underscore, after at most one space)?"""
        # The byte-level and the sentencepiece spelling of a space.
        firsts = (token.lstrip("\u0120\u2581")[:1] for token in self.vocabulary)
        return self._of_each_id((first.isalpha() or first == "_" for first in firsts), bool)

    def _of_each_id(self, values: Iterable, dtype: type) -> np.ndarray:
        """`values` of the vocabulary's tokens, in its order, as an array that is indexed by id."""
        ids = np.fromiter(self.vocabulary.values(), np.int64, len(self.vocabulary))
        by_id = np.zeros(ids.max() + 1, dtype)
        by_id[ids] = np.fromiter(values, dtype, len(ids))
        return by_id

    def _agrees(self, candidate, sample: Iterable[bytes]) -> bool:
        own = (*trial_texts_around(self.control_texts), *trial_texts_of(self.vocabulary, NUM_TRIED))
        texts = [*(text.encode() for text in (*HOSTILE_TEXTS, *own)), *sample]
        settled = filter(_is_settled, texts)
        return all(
            np.array_equal(candidate.encode(text), self._encode_by_reference(text)) for text in settled
        )

    def _reject_unless_lossless(self) -> None:
        for text in HOSTILE_TEXTS[:4] + HOSTILE_TEXTS[5:6]:
            ids = self._encode_by_reference(text.encode())
            if not self.gives_back(text, ids):
                raise TokenizerError(
                    "it does not reproduce source text exactly (white space or case is lost)"
                )
            self._checked(ids)


def _control_tokens(config: dict) -> dict[int, str]:
    """id -> text of what may not come from text: special tokens, and the one for what the vocabulary lacks."""
    controls = {token["id"]: token["content"] for token in config.get("added_tokens", ()) if token["special"]}
    model = config["model"]
    if isinstance(model["vocab"], dict) and model.get("unk_token") in model["vocab"]:
        controls[model["vocab"][model["unk_token"]]] = model["unk_token"]
    elif isinstance(model["vocab"], list) and isinstance(model.get("unk_id"), int):
        controls[model["unk_id"]] = model["vocab"][model["unk_id"]][0]
    return controls


def _is_settled(text: bytes) -> bool:
    return text.isascii() or not _UNSETTLED.search(text.translate(None, _ASCII).decode())


def _without_control_tokens(config: dict) -> str:
    plain = dict(config, added_tokens=[], post_processor=None, truncation=None, padding=None)
    return json.dumps(plain)


def _gigatoken(plain: str):
    """gigatoken's tokenizer, or None where it cannot read this kind; then `tokenizers` encodes."""
    import gigatoken

    try:
        return gigatoken.Tokenizer.from_json(plain)
    except (ValueError, RuntimeError, NotImplementedError):
        return None


def window_bounds(num_tokens: int, context_tokens: int, overlap_tokens: int) -> list[tuple[int, int]]:
    """(start, length) of every window of a file, so that no window lies inside another.

    Starts advance by the stride, context minus overlap; the last window ends with the file. With an overlap of
    3/4 any span of at most 3/4 of a window plus one token lies whole in some window.

    >>> window_bounds(10, 4, 3)[-2:], window_bounds(3, 4, 3), window_bounds(9, 8, 6)
    ([(5, 4), (6, 4)], [(0, 3)], [(0, 8), (1, 8)])
    """
    if num_tokens <= context_tokens:
        return [(0, num_tokens)] if num_tokens else []
    last = num_tokens - context_tokens
    starts = [*range(0, last, context_tokens - overlap_tokens), last]
    return [(start, context_tokens) for start in starts]


# A library keeps more than 200 bytes for each byte of what it is handed at once, so large texts come in pieces.
PIECE_CHARS = 1 << 16
# Where `PRETOKENIZER` ends a word whatever stands before and behind: a letter before an ASCII character that is none,
# any digit, and a line end unless blank lines follow, which belong to it.
_WORD_END = re.compile(r"[A-Za-z](?=[\0-@\[-`{-\x7f])|[0-9]|[\r\n](?=[ \t]*\S)")


def pieces(text: str, min_chars: int = PIECE_CHARS) -> Iterator[str]:
    """`text`, cut behind every first end of a word after `min_chars` characters: the same words come out of it.

    >>> list(pieces("a = b1 + c\\n\\nd", min_chars=2))
    ['a = b', '1 + c', '\\n\\nd']
    """
    begin = 0
    while cut := _WORD_END.search(text, begin + min_chars):
        yield text[begin : cut.end()]
        begin = cut.end()
    yield text[begin:]


# --- texts on which a tokenizer is tried: made of its own tokens, not of ones we know -------------------------

SAMPLE_BYTES = 1 << 12
SPACE = "\u2581"  # how sentencepiece spells a space, and gives back this character itself as one


def trial_texts_around(control_texts: list[str]) -> Iterator[str]:
    """The text of every control token: alone, within words and lines, twice, and cut in two."""
    for text in control_texts:
        half = len(text) // 2
        yield from (text, f" {text}", f"x{text}y", f"\n{text}\n", text * 2, text.upper(), text.lower())
        yield from (f"{text[:half]} {text[half:]}", f"'{text}' + {text}")
    yield " ".join(control_texts)
    yield "".join(control_texts)


def trial_texts_of(vocabulary: Iterable[str], max_entries: int) -> Iterator[str]:
    """The vocabulary's entries as they are spelled: "<0x0A>" in a file is no line feed."""
    entries = sorted(entry for entry in vocabulary if SPACE not in entry)
    marked = [entry for entry in entries if not entry[:1].isalnum() and entry[-1:] in "<>[]{}|"]
    sampled = entries[:: max(1, len(entries) // max_entries)]
    text = ""
    for entry in dict.fromkeys((*marked[:max_entries], *sampled)):
        text += entry + "\n"
        if len(text) > SAMPLE_BYTES:
            yield text
            text = ""
    yield text
