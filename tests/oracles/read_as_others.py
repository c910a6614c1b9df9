"""Run by another Python: reads what we wrote with the libraries it has, and prints what it saw as one JSON object.

Questions come as JSON on standard input: {"tokenizers": {name: directory}, "texts": [..], "models": {name: directory},
"adapters": {name: [base, adapter]}, "datasets": {name: directory}}.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
IDS = list(range(5, 17))


def main() -> None:
    """Answer the questions of standard input."""
    import transformers

    asked = json.load(sys.stdin)
    found: dict = {"transformers": transformers.__version__}
    found["ids"] = {name: _ids(place, asked["texts"]) for name, place in asked.get("tokenizers", {}).items()}
    found["logits"] = {name: _logits(_model(place)) for name, place in asked.get("models", {}).items()}
    found["adapted"] = {name: _adapted(*places) for name, places in asked.get("adapters", {}).items()}
    found["rows"] = {name: _rows(place) for name, place in asked.get("datasets", {}).items()}
    print(json.dumps(found))


def _ids(directory: str, texts: list[str]) -> list[list[int]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def _model(directory: str):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(directory).eval()


def _logits(model) -> list[float]:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([IDS])).logits[0, -1].tolist()


def _adapted(base: str, adapter: str) -> list[float]:
    from peft import AutoPeftModelForCausalLM, PeftModel

    if os.path.exists(os.path.join(adapter, "tokenizer.json")):  # by which it makes room for new tokens
        return _logits(AutoPeftModelForCausalLM.from_pretrained(adapter).eval())
    return _logits(PeftModel.from_pretrained(_model(base), adapter).eval())


def _rows(directory: str) -> dict[str, list[int]]:
    from datasets import load_dataset

    loaded = load_dataset(directory)
    return {split: [len(rows), sum(map(len, rows["tokens"]))] for split, rows in loaded.items()}


if __name__ == "__main__":
    main()
