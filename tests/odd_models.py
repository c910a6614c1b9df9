"""Odd model directories, one for each seed: what a torn copy, another tool or an attacker may leave there."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ODD = [
    None,
    True,
    -1,
    0,
    1,
    7,
    1 << 20,
    1 << 40,
    10**30,
    0.5,
    -1e9,
    "",
    "x",
    "0",
    "\udce9",
    "a\nb\tc",
    "../x",
    "/etc",
]
ODD += [
    "kernels-community/x",
    [],
    [[]],
    [None] * 3,
    ["full_attention"],
    {},
    {"a": {"b": 1}},
    {"rope_type": "x"},
]
# Settings by which a configuration has reached code, files or the network.
REACHING = {
    "auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"},
    "trust_remote_code": True,
    "_attn_implementation": "kernels-community/flash-attn",
    "attn_implementation": "someone/kernels",
    "_attn_implementation_internal": "someone/kernels:f",
    "_experts_implementation_internal": "someone/kernels",
    "experts_implementation": "someone/kernels",
    "kernel_config": {"RMSNorm": "someone/kernels:RMSNorm"},
    "use_kernels": True,
    "quantization_config": {"quant_method": "gptq", "bits": 4},
    "text_config": {"_attn_implementation": "someone/kernels", "model_type": "llama"},
    "_name_or_path": "../../elsewhere",
    "transformers_weights": "../../other.safetensors",
    "fusion_config": {"patch_embeddings": True},
    "adapter_config": {"base_model_name_or_path": "../b"},
    "architectures": ["../../Evil", "os.system"],
    "distributed_config": {"tp_plan": "auto"},
    "per_layer_config": {"0": {"hidden_size": 8}},
    "return_dict": False,
    "output_hidden_states": True,
    "torch_dtype": "float16",
    "dtype": "os",
    "is_encoder_decoder": True,
    "tie_word_embeddings": False,
    "pruned_heads": {"0": [0]},
    "model_type": "bert",
}


def make_odd(directory: Path, rng: random.Random) -> str:
    """Change the good model in `directory`; returns what was done."""
    return rng.choice(KINDS)(directory, rng)


def _config(directory: Path) -> dict:
    return json.loads((directory / CONFIG).read_text())


def _write(directory: Path, config: object) -> None:
    (directory / CONFIG).write_text(json.dumps(config), encoding="utf-8", errors="surrogatepass")


def config_value(directory: Path, rng: random.Random) -> str:
    config = _config(directory)
    key, value = rng.choice(sorted(config)), rng.choice(ODD)
    _write(directory, config | {key: value})
    return f"config {key}={value!r}"


def config_nested(directory: Path, rng: random.Random) -> str:
    config = _config(directory)
    key, value = rng.choice(["rope_theta", "rope_type", "factor", "x"]), rng.choice(ODD)
    config["rope_parameters"] = {"rope_theta": 10000.0, "rope_type": "default", key: value}
    _write(directory, config)
    return f"config rope_parameters.{key}={value!r}"


def config_key_gone(directory: Path, rng: random.Random) -> str:
    config = _config(directory)
    key = rng.choice(sorted(config))
    del config[key]
    _write(directory, config)
    return f"config without {key}"


def config_that_reaches(directory: Path, rng: random.Random) -> str:
    key = rng.choice(sorted(REACHING))
    _write(directory, _config(directory) | {key: REACHING[key]})
    return f"config {key}={REACHING[key]!r}"


def config_kind(directory: Path, rng: random.Random) -> str:
    kind = rng.choice(
        ["gpt2", "t5", "bert", "mamba", "x", "../x", "qwen2", "mixtral", "clip", "whisper", "gemma3"]
    )
    _write(directory, _config(directory) | {"model_type": kind})
    return f"config model_type={kind}"


def config_bytes(directory: Path, rng: random.Random) -> str:
    file = directory / CONFIG
    raw = file.read_bytes()
    edits: dict[str, Callable[[], bytes]] = {
        "cut": lambda: raw[: rng.randrange(len(raw))],
        "empty": lambda: b"",
        "NUL": lambda: raw.replace(b"1", b"\0", 1),
        "Latin-1": lambda: raw.replace(b"llama", b"ll\xe9ma", 1),
        "UTF-16": lambda: raw.decode().encode("utf-16"),
        "byte order mark": lambda: b"\xef\xbb\xbf" + raw,
        "deep": lambda: b'{"a":' * 50_000,
        "deep list": lambda: b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}",
        "infinite": lambda: raw.replace(b"1e-06", b"1e999", 1).replace(b"0.02", b"1e999", 1),
        "NaN": lambda: raw.replace(b"0.02", b"NaN", 1),
        "list": lambda: b"[]",
        "twice": lambda: raw.replace(b"{", b'{"hidden_size": 8,', 1),
        "flipped": lambda: bytes(b ^ (i == place) * (1 << rng.randrange(8)) for i, b in enumerate(raw)),
        "large": lambda: raw[:-2] + b" " * (2 << 20) + b"}",
    }
    place, edit = rng.randrange(len(raw)), rng.choice(sorted(edits))
    file.write_bytes(edits[edit]())
    return f"config bytes: {edit}"


def file_kind(directory: Path, rng: random.Random) -> str:
    """A directory, a pipe, a link, nothing, or something unreadable where a file should be."""
    name = rng.choice([CONFIG, WEIGHTS])
    file, kind = (
        directory / name,
        rng.choice(["gone", "directory", "pipe", "link out", "dangling", "loop", "empty"]),
    )
    outside = directory.parent / f"outside-{name}"
    file.rename(outside)
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "empty":
        file.touch()
    elif kind != "gone":
        file.symlink_to({"link out": outside, "dangling": "nowhere", "loop": name}[kind])
    return f"{name}: {kind}"


def _save(directory: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> None:
    save_file(
        {k: v.contiguous() for k, v in tensors.items()}, directory / WEIGHTS, {"format": "pt", **metadata}
    )


def tensor(directory: Path, rng: random.Random) -> str:
    tensors = load_file(directory / WEIGHTS)
    key = rng.choice(sorted(tensors))
    found = tensors[key]
    edits: dict[str, Callable[[], object]] = {
        "missing": lambda: tensors.pop(key),
        "renamed": lambda: tensors.update({f"{key}.x": tensors.pop(key)}),
        "one row more": lambda: tensors.update({key: torch.cat([found, found[:1]])}),
        "one row less": lambda: tensors.update({key: found[1:]}),
        "no rows": lambda: tensors.update({key: found[:0]}),
        "flat": lambda: tensors.update({key: found.flatten()[:-1]}),
        "a number": lambda: tensors.update({key: torch.tensor(1.0)}),
        "NaN": lambda: tensors.update({key: found * torch.nan}),
        "one infinity": lambda: found.view(-1).__setitem__(0, torch.inf),
        "int64": lambda: tensors.update({key: found.long()}),
        "int8": lambda: tensors.update({key: found.to(torch.int8)}),
        "bool": lambda: tensors.update({key: found > 0}),
        "complex": lambda: tensors.update({key: found.to(torch.complex64)}),
        "float8": lambda: tensors.update({key: found.to(torch.float8_e4m3fn)}),
        "float64": lambda: tensors.update({key: found.double()}),
        "1e300": lambda: tensors.update({key: found.double() * 1e300}),
        "beside": lambda: tensors.update({"model.layers.9.x.weight": found.clone()}),
        "a head that differs": lambda: tensors.update(
            {"lm_head.weight": tensors["model.embed_tokens.weight"] + 1}
        ),
        "all": tensors.clear,
    }
    edit = rng.choice(sorted(edits))
    edits[edit]()
    _save(directory, tensors)
    return f"tensor {key}: {edit}"


def weights_bytes(directory: Path, rng: random.Random) -> str:
    """The container damaged: its length, its header, its end. Bits of the numbers themselves show to no reader."""
    file = directory / WEIGHTS
    raw = bytearray(file.read_bytes())
    header = struct.unpack("<Q", raw[:8])[0]
    edit = rng.choice(["cut", "length", "header byte", "header text", "pickle", "zip", "more"])
    if edit == "cut":
        raw = raw[: rng.randrange(len(raw))]
    elif edit == "length":
        raw[:8] = struct.pack("<Q", rng.choice([0, 1, 1 << 20, 1 << 62, 2**64 - 1]))
    elif edit == "header byte":
        raw[8 + rng.randrange(header)] ^= 1 << rng.randrange(8)
    elif edit == "header text":
        raw[8 : 8 + header] = rng.choice([b"[]", b"null", b'{"a":1}', b"{" * 50]).ljust(header)
    elif edit == "pickle":
        raw = bytearray(b"\x80\x04\x95cos\nsystem\n(S'touch ran'\ntR.")
    elif edit == "zip":
        raw[:4] = b"PK\x03\x04"
    else:
        raw += b"more"
    file.write_bytes(raw)
    return f"weights: {edit}"


def other_weights(directory: Path, rng: random.Random) -> str:
    name = rng.choice(
        ["pytorch_model.bin", "model.pt", "tf_model.h5", "flax_model.msgpack", "model.gguf", "a.ckpt"]
    )
    (directory / WEIGHTS).rename(directory / name)
    return f"only {name}"


def index(directory: Path, rng: random.Random) -> str:
    (directory / WEIGHTS).rename(directory / "part.safetensors")
    (directory.parent / "other.safetensors").write_bytes((directory / "part.safetensors").read_bytes())
    names = list(load_file(directory / "part.safetensors"))
    place = rng.choice(
        [
            "../other.safetensors",
            str(directory.parent / "other.safetensors"),
            "gone.safetensors",
            "part.bin",
            5,
            None,
            "",
        ]
        + ["part.safetensors", "./part.safetensors", "a/../part.safetensors", ".", "part.safetensors\0"]
    )
    found = rng.choice(
        [{"weight_map": dict.fromkeys(names, place)}, {"weight_map": [place]}, {}, [], {"weight_map": 5}]
    )
    (directory / INDEX).write_text(json.dumps(found))
    return f"index: {str(found)[:60]}"


def beside(directory: Path, rng: random.Random) -> str:
    """Files that other tools follow and that must change nothing here, or be refused."""
    name, text = rng.choice(
        [
            ("adapter_config.json", {"base_model_name_or_path": "../elsewhere", "peft_type": "LORA"}),
            ("generation_config.json", {"custom_generate": "x/y", "max_length": -1, "do_sample": "yes"}),
            ("generation_config.json", []),
            ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": "evil.T"}, "tokenizer_class": "Evil"}),
            ("chat_template.jinja", "{{ ''.__class__.__mro__ }}"),
            ("custom_generate/generate.py", "raise SystemExit(9)"),
            ("modeling_llama.py", "raise SystemExit(9)"),
            ("pytorch_model.bin", "cos\nsystem\n(S'touch ran'\ntR."),
            (INDEX, {"weight_map": {"a": "../other.safetensors"}}),
        ]
    )
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return f"{name} beside"


KINDS = [config_value, config_value, config_value, config_nested, config_key_gone, config_that_reaches]
KINDS += [config_that_reaches, config_kind, config_bytes, config_bytes, file_kind, tensor, tensor, tensor]
KINDS += [weights_bytes, weights_bytes, other_weights, index, beside]
