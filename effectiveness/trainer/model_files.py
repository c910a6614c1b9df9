"""Which files of a model directory are read: config.json, safetensors and the tokenizer, all inside of it.

Pickles are never read, no link is followed out of the directory, nothing that a file names elsewhere is fetched.
Beyond its shape, config.json of a model of ours says whether and how it fills gaps.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.ownership import changed_in
from effectiveness.common.records import UserError
from effectiveness.trainer.gaps import CUTS, ORDERS, SUFFIX_FIRST_ORDER

if TYPE_CHECKING:
    from torch import nn

    from effectiveness.trainer.vocabulary import Vocabulary

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


def refuse_unless_finished(
    directory: Path, flag: str = "", way_out: str = "give the --output of a training"
) -> None:
    """Raises UserError where no training was finished. Loads no torch: a path that was mistyped is told at once."""
    if not (directory / CONFIG).is_file():
        raise UserError(f"{flag}{directory} holds no finished model; {way_out}")


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


# --- gaps, as config.json says it -----------------------------------------------------------------------------


# Keys of an exported config.json.
CAN_FILL = "fill_in_the_middle"
HOW_IT_FILLS = "fill_in_the_middle_training"


def record_gaps(model: nn.Module, fim_rate: float) -> None:
    """Have the model's configuration say that it was trained with this share of gaps."""
    setattr(model.config, CAN_FILL, True)
    setattr(model.config, HOW_IT_FILLS, {"rate": fim_rate, "orders": list(ORDERS), "cuts": dict(CUTS)})


def fills_suffix_first(config: dict) -> bool:
    """Whether a model of this config.json may be asked with the suffix first.

    The middle then goes on from the prefix without a seam: the smaller a model, the better it does so (LOG.md), and a
    keystroke changes only the end of the prompt.
    """
    recorded = config.get(HOW_IT_FILLS)
    orders = recorded.get("orders") if isinstance(recorded, dict) else None
    return isinstance(orders, list) and SUFFIX_FIRST_ORDER in orders


def how_it_fills(model: nn.Module) -> str:
    """In words, as far as the model's configuration says it."""
    recorded = getattr(model.config, HOW_IT_FILLS, None)
    rate = recorded.get("rate") if isinstance(recorded, dict) else None
    if not isinstance(rate, int | float):
        return "filled in the middle with the model's own tokens for it"
    return f"filled in the middle: the model was trained with gaps in {rate:.0%} of its rows"


def can_fill(
    model: nn.Module, vocabulary: Vocabulary, directory: Path | None, added: Collection[int] = ()
) -> bool:
    """Whether a model, which lies in `directory` (None: on the hub), learnt to fill in the middle.

    What is recorded counts. An export of ours of before that is judged by what its training wrote down, and if
    nobody knows it did not: its tokenizer always has the tokens. To a foreign model they are its own, or `added`.
    """
    return _judged(getattr(model.config, CAN_FILL, None), vocabulary, directory, added)


def model_on_disk_can_fill(config: dict, vocabulary: Vocabulary, directory: Path) -> bool:
    """The same by its config.json."""
    return _judged(config.get(CAN_FILL), vocabulary, directory, ())


def _judged(recorded: object, vocabulary: Vocabulary, directory: Path | None, added: Collection[int]) -> bool:
    if recorded is None and directory is not None:
        recorded = _of_an_older_export(directory)
    if recorded is not None:
        return recorded is True
    return vocabulary.control.can_fill and vocabulary.control.fim_middle not in added


def _of_an_older_export(directory: Path) -> bool | None:
    """None where it is none of ours."""
    from effectiveness.trainer.run_directory import FACTS_FILE  # with torch, which a newer export needs not

    if (directory / FACTS_FILE).is_file():
        facts = read_json_object(directory / FACTS_FILE, max_bytes=MAX_CONFIG_BYTES, way_out=A_MODEL)
        return _rate(facts) > 0
    names = directory / "tokenizer_config.json"
    if not names.is_file():
        return None
    described = read_json_object(names, max_bytes=MAX_NAMES_BYTES, way_out=A_MODEL)
    return False if described.get(SPLITS_CONTROL_TEXTS) is True else None


def _rate(facts: dict) -> float:
    """`objectives.fim_rate` of training_facts.json, 0 where it is not as we write it."""
    found: object = facts
    for key in ("facts", "config", "objectives", "fim_rate"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else 0.0


# --- what other programs need to read a model as ours do: transformers 4 and 5, llama.cpp's tools ---------------


SPLITS_CONTROL_TEXTS = "split_special_tokens"


def model_settings(described: dict) -> dict:
    """config.json with the rotation's base under the name of transformers 4, too.

    transformers 5 keeps it in `rope_parameters`; 4.57 looks for `rope_theta`, and where it is missing takes its own
    default without a word: another model. Layouts with a rotation for each kind of layer stay as they are.
    """
    rope = described.get("rope_parameters")
    if not isinstance(rope, dict) or not isinstance(rope.get("rope_theta"), int | float):
        return described
    older = {"rope_theta": rope["rope_theta"]}
    if rope.get("rope_type", "default") != "default":
        older["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    return described | older


def tokenizer_settings(described: dict, num_positions: int) -> dict:
    """tokenizer_config.json of a model, from that of its dataset: here a control token sent as text is one.

    A dataset's tokenizer reads source code, where `<|fim_prefix|>` is characters. A model's reads prompts, and every
    server without a `suffix` sends its markers as text. Ours never trust the file: they neutralise texts themselves.
    `extra_special_tokens` is left out, as a list is an error to transformers 4 and tokenizer.json names them all.
    """
    unwanted = (SPLITS_CONTROL_TEXTS, "extra_special_tokens")
    kept = {key: value for key, value in described.items() if key not in unwanted}
    return kept | {"model_max_length": num_positions}
