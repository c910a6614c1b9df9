"""Which files of a model directory are read: config.json, safetensors and the tokenizer, all inside of it.

Pickles are never read, no link is followed out of the directory, nothing that a file names elsewhere is fetched.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.ownership import changed_in
from effectiveness.common.records import UserError

MAX_CONFIG_BYTES = 1 << 20
MAX_NAMES_BYTES = 16 << 20
MAX_INDEX_BYTES = 64 << 20
A_MODEL = "give a directory with config.json and model.safetensors, or a name on the hub that can be reached"
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PROMPT_FILES = ("tokenizer_config.json", "chat_template.jinja")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
A_WEIGHT_FILE = re.compile(r"\w[\w.-]*\.safetensors")
UNREAD_WEIGHTS = re.compile(r".*\.(bin|pt|pth|ckpt|pkl|h5|msgpack|gguf|npz|onnx)")


def find_directory(name: str, files: tuple[str, ...] = (CONFIG,)) -> Path:
    """Where the model `name` lies: the directory of that name, else the hub's, of which only `files` are fetched.

    Raises UserError, one line, where there is neither.
    """
    with reading(f"cannot load {name}", A_MODEL):
        path = Path(name).expanduser()
        exists, is_directory = path.exists(), path.is_dir() and bool(name.strip())
    if is_directory:
        return path
    if exists or not HUB_NAME.fullmatch(name):
        why = "no directory" if exists else "no such directory"
        raise UserError(f"cannot load {name}: {why}; {A_MODEL}")
    with reading(f"cannot load {name}", A_MODEL):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=list(files), ignore_patterns=["*/*"]))


def find_weights(name: str, directory: Path) -> list[Path]:
    """The safetensors files of the model, each a regular file inside `directory`. Raises UserError."""
    if (directory / "adapter_config.json").exists():
        raise UserError(
            f"cannot load {name}: it holds an adapter (adapter_config.json), whose base lies elsewhere; give a "
            "directory where the adapter is merged"
        )
    if (directory / WEIGHTS).is_symlink() or (directory / WEIGHTS).exists():
        return [inside(name, directory, WEIGHTS)]
    if not (directory / INDEX).exists():
        raise UserError(f"cannot load {name}: no {WEIGHTS} in it{_unread(directory)}; {A_MODEL}")
    index = read_json_object(inside(name, directory, INDEX), max_bytes=MAX_INDEX_BYTES, way_out=A_MODEL)
    files = index.get("weight_map")
    if not isinstance(files, dict) or not files:
        raise UserError(f"cannot load {name}: {INDEX} holds no weight_map; {A_MODEL}")
    for file in files.values():
        if not isinstance(file, str) or not A_WEIGHT_FILE.fullmatch(file):
            raise UserError(
                f"cannot load {name}: {INDEX} names {file!r}, which is no safetensors file beside it; {A_MODEL}"
            )
    return [inside(name, directory, file) for file in sorted(set(files.values()))]


def _unread(directory: Path) -> str:
    """What lies there instead and is never read: pickles run code, the others hold other layouts."""
    with reading(f"cannot list {directory}", A_MODEL):
        found = sorted(file.name for file in directory.iterdir() if UNREAD_WEIGHTS.fullmatch(file.name))
    return f" ({found[0]} is not read: convert it to safetensors)" if found else ""


def inside(name: str, directory: Path, file: str) -> Path:
    """`directory`/`file` where it is a regular file of that directory, or of the hub's cache that it is part of."""
    with reading(f"cannot load {name}: {file}", A_MODEL):
        root, real = directory.resolve(strict=True), (directory / file).resolve(strict=True)
        is_regular = stat.S_ISREG(real.stat().st_mode)
    blobs = root.parent.parent / "blobs" if root.parent.name == "snapshots" else root
    if real.parent not in (root, blobs):
        raise UserError(f"cannot load {name}: {file} is a link out of the directory; {A_MODEL}")
    if not is_regular:
        raise UserError(f"cannot load {name}: {file} is no regular file; {A_MODEL}")
    return (
        directory / file
    )  # not `real`: safetensors opens no path that is not UTF-8, and this may be a relative one


def read_chat_template(name: str, directory: Path) -> str | None:
    """How the model wants to be talked to: a template that is handed on and never run. None where it has none."""
    if (directory / PROMPT_FILES[1]).exists():
        raw = read_regular(
            inside(name, directory, PROMPT_FILES[1]), max_bytes=MAX_CONFIG_BYTES, way_out=A_MODEL
        )
        with reading(f"cannot load {name}: {PROMPT_FILES[1]}", A_MODEL):
            return raw.decode()
    if not (directory / PROMPT_FILES[0]).exists():
        return None
    file = inside(name, directory, PROMPT_FILES[0])
    found = read_json_object(file, max_bytes=MAX_NAMES_BYTES, way_out=A_MODEL).get("chat_template")
    return found if isinstance(found, str) else None


def read_config(name: str, directory: Path) -> dict:
    """config.json as it stands. Raises UserError, also where it or the tokenizer is not what we exported there."""
    if changed := changed_in(directory, (CONFIG, *TOKENIZER_FILES)):
        raise UserError(
            f"cannot load {name}: {changed[0]} was changed since it was exported; restore it, or copy the "
            "model's files elsewhere to use them as they are"
        )
    file = inside(name, directory, CONFIG)
    return read_json_object(file, max_bytes=MAX_CONFIG_BYTES, way_out=A_MODEL)
