"""What an exported model says so that other programs read it as ours do: transformers 4 and 5, llama.cpp's tools."""

from __future__ import annotations

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
