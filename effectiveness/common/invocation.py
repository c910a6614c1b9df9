"""What a person types to start a command: the scripts of a checkout, else what pip installed."""

from effectiveness import isolation

SCRIPTS = {
    "dataset": "create_training_dataset_effectiveness.py",
    "train": "training/model_trainer_unified.py",
}


def typed(command: str) -> str:
    """The words before the arguments.

    >>> typed("serve") in ("python3 -m effectiveness serve", "effectiveness serve")
    True
    """
    if not isolation.IS_CHECKOUT:
        return f"effectiveness {command}"
    return f"python3 {SCRIPTS.get(command, f'-m effectiveness {command}')}"
