"""One GGUF file out of a model's directory, tensor by tensor: no more than one of them is held."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from effectiveness.common.boundary import reading
from effectiveness.common.durable import replacing
from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import PRETOKENIZER
from effectiveness.gguf.layout import (
    ARCHITECTURES,
    as_llama_cpp_rotates,
    check_weights,
    read_shape,
    tensor_name,
)
from effectiveness.trainer import model_files
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.model_files import model_on_disk_can_fill
from effectiveness.trainer.shapes import LlamaShape
from effectiveness.trainer.vocabulary import Vocabulary

Q8_0_BLOCK = 32  # weights that share a scale
A_MODEL = "give the --output of a training"
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's kinds of entries
A_TOKENIZER = "only byte-level BPE cut by the rule of Qwen2 or GPT-2 is written as GGUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A finished model, opened: everything that can be wrong with it was said."""

    directory: Path
    config: dict
    shape: LlamaShape
    vocabulary: Vocabulary
    table: TokenTable
    can_fill: bool
    weights: tuple[Path, ...]


def open_source(directory: Path) -> Source:
    """Raises UserError, one line, for what is no finished model or has no form in GGUF."""
    name = str(directory)
    config = model_files.read_config(name, directory)
    shape, vocabulary = read_shape(name, config), Vocabulary(directory)
    can_fill = model_on_disk_can_fill(config, vocabulary, directory)
    num_ids = vocabulary.num_bytes.shape[0]
    if num_ids > shape.vocab_size:
        raise UserError(
            f"{name}: its tokenizer has ids up to {num_ids - 1:,}, the model {shape.vocab_size:,} rows"
        )
    table = token_table(vocabulary.json, vocabulary.control, shape.vocab_size, can_fill=can_fill)
    weights = tuple(model_files.find_weights(name, directory))
    return Source(directory=directory, config=config, shape=shape, vocabulary=vocabulary, table=table,
                  can_fill=can_fill, weights=weights)  # fmt: skip


def write_gguf(source: Source, path: Path, kind: str, gguf: Any) -> int:
    """Replace `path` by the model in `kind`, as f16; returns its bytes. `gguf` is the package of that name."""
    with ExitStack() as stack:
        tensors = _open_tensors(source, stack)
        dimensions = {name: tensor.get_shape() for name, tensor in tensors.items()}
        check_weights(str(source.directory), dimensions, source.shape, source.config)
        _, staged = stack.enter_context(replacing(path))
        writer = gguf.GGUFWriter(staged, ARCHITECTURES[source.shape.kind])
        stack.callback(writer.close)
        _describe_model(writer, source, kind, gguf)
        _describe_tokens(writer, source, gguf)
        chosen = {name: _type_of(tensor.get_shape(), kind, gguf) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            _announce(writer, tensor_name(name), tensor.get_shape(), chosen[name], gguf)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():
            with reading(f"cannot read {name}", A_MODEL):
                values = tensor[:].float().numpy()
            values = as_llama_cpp_rotates(name, values, source.shape)
            writer.write_tensor_data(gguf.quants.quantize(np.ascontiguousarray(values), chosen[name]))
        writer.flush()
        return staged.stat().st_size


def _open_tensors(source: Source, stack: ExitStack) -> dict[str, Any]:
    """Name -> slice of a tensor that is not read yet."""
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for file in source.weights:
        with reading(f"cannot read {file}", A_MODEL):
            opened = stack.enter_context(safe_open(file, framework="pt"))
            found |= {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    return found


def _type_of(dimensions: list[int], kind: str, gguf: Any):
    """What is added or multiplied elementwise stays float32, as llama.cpp wants it; rows of odd lengths are f16."""
    types = gguf.GGMLQuantizationType
    if len(dimensions) < 2 or kind == "f32":
        return types.F32
    return types.Q8_0 if kind == "q8_0" and dimensions[-1] % Q8_0_BLOCK == 0 else types.F16


def _announce(writer: Any, name: str, dimensions: list[int], kind: Any, gguf: Any) -> None:
    dtype = {"F32": np.float32, "F16": np.float16}.get(kind.name, np.uint8)
    shape = (
        gguf.quants.quant_shape_to_byte_shape(dimensions, kind) if dtype is np.uint8 else tuple(dimensions)
    )
    num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    writer.add_tensor_info(name, shape, np.dtype(dtype), num_bytes, raw_dtype=kind)


def _describe_model(writer: Any, source: Source, kind: str, gguf: Any) -> None:
    shape, file_type = source.shape, {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}[kind]
    writer.add_name(source.directory.resolve().name)
    writer.add_file_type(gguf.LlamaFileType[file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocab_size)
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.head_size)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)


def _describe_tokens(writer: Any, source: Source, gguf: Any) -> None:
    table, control = source.table, source.vocabulary.control
    writer.add_tokenizer_model("gpt2")  # llama.cpp's name of byte-level BPE
    writer.add_tokenizer_pre(table.pre)
    writer.add_token_list(table.texts)
    writer.add_token_types(table.kinds)
    writer.add_token_merges(table.merges)
    writer.add_bos_token_id(control.begin)
    writer.add_eos_token_id(control.end)
    writer.add_pad_token_id(control.pad)
    writer.add_add_bos_token(False)  # windows and gaps of the training began without one
    writer.add_add_space_prefix(False)
    for key, index in _gap_ids(source, gguf.Keys.Tokenizer):
        writer.add_uint32(key, index)


def _gap_ids(source: Source, keys: Any) -> list[tuple[str, int]]:
    """Under which key each token of a gap stands."""
    names = (keys.FIM_PRE_ID, keys.FIM_SUF_ID, keys.FIM_MID_ID)
    return list(zip(names, source.vocabulary.control.fim or (), strict=False)) if source.can_fill else []


WRITTEN_BY = "# Written by effectiveness gguf"


def modelfile(source: Source, weights: str, adapter: str = "") -> str:
    """The Modelfile by which Ollama takes `weights`, and an `adapter` over them, files beside it.

    It names the context, where an answer ends, and how a gap is written: without `.Suffix` Ollama refuses to fill any.
    """
    control, texts = source.vocabulary.control, source.table.texts
    template = "{{ .Prompt }}"
    if source.can_fill and control.fim:
        prefix, suffix, middle = (texts[index] for index in control.fim)
        filled = f"{prefix}{{{{ .Prompt }}}}{suffix}{{{{ .Suffix }}}}{middle}"
        template = f"{{{{ if .Suffix }}}}{filled}{{{{ else }}}}{{{{ .Prompt }}}}{{{{ end }}}}"
    return "\n".join(
        [
            f"{WRITTEN_BY}; ollama create NAME -f THIS_FILE",
            f"FROM ./{weights}",
            *([f"ADAPTER ./{adapter}"] if adapter else []),
            f"PARAMETER num_ctx {source.shape.context_tokens}",
            "PARAMETER temperature 0",
            f'PARAMETER stop "{texts[control.end]}"',
            f'TEMPLATE """{template}"""',
            "",
        ]
    )


# --- a tokenizer: its entries, their kinds, the merges, and by which rule a text is cut before them -------------
#
# llama.cpp knows that rule by a name (`tokenizer.ggml.pre`). Its own converter finds the name by a hash of what a
# tokenizer does to one text, which depends on the vocabulary: it knows no tokenizer that was trained on one repository.
# Here it is found by the rule itself.


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
    if is_split and not steps[0].get("invert") and steps[0].get("pattern") == {"Regex": PRETOKENIZER}:
        return "qwen2"
    raise UserError(f"the tokenizer cuts texts by a rule that has no known name in llama.cpp; {A_TOKENIZER}")
