"""What is asked of a model or a plan without training: evaluate, complete a text, show what a run would be."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from effectiveness.common.boundary import reading
from effectiveness.common.endings import print_line
from effectiveness.common.records import LATER, UserError
from effectiveness.trainer import setup, starting_model
from effectiveness.trainer.complete import MIN_POSITIONS, check_vocabulary, complete_text
from effectiveness.trainer.config import Config
from effectiveness.trainer.devices import choose_device
from effectiveness.trainer.engines import joined
from effectiveness.trainer.evaluation_text import full_lines
from effectiveness.trainer.export import generation_settings
from effectiveness.trainer.gap_record import can_fill, how_it_fills
from effectiveness.trainer.journal import score
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.rows import refuse_nothing_held_out
from effectiveness.trainer.vocabulary import Vocabulary


def evaluate_only(config: Config, arguments: argparse.Namespace) -> int:
    """Score val and test files with the model of --checkpoint (or --output). Changes no byte on disk."""
    arguments.checkpoint = arguments.checkpoint or Path(config.output.directory)
    run = setup.open_run(config, arguments)
    with joined(run.engine):
        refuse_nothing_held_out(run.dataset, "val", "test", LATER)
        model, what = starting_model.build_model(run, 0)
        wrapped = run.engine.wrap(Objective(model, run.precision))
        run.console.say(f"model   {what}")
        held_out = [("val", "Val Loss"), ("test", "Test Loss")]
        held_out += [(LATER, "Later Loss")] if run.dataset.has_later else []
        for split, label in held_out:
            rows = setup.open_split(run, split, write_cache=False)
            scored = score(run, wrapped, setup.make_held_out(run, rows, variants=True), split)
            for line in full_lines(label, scored):
                run.console.say(line)
    run.console.say_end("COMPLETE")
    return 0


def show_plan(config: Config, arguments: argparse.Namespace) -> int:
    """Print what a run would be, and train nothing."""
    from effectiveness.trainer.plan import make_plan

    run = setup.open_run(config, arguments)
    with joined(run.engine):
        for line in make_plan(run):
            run.console.say(line)
    return 0


def complete(config: Config, arguments: argparse.Namespace) -> int:
    """Print the prompt and what the model of --checkpoint (or --output) continues it with."""
    from effectiveness.trainer.models import load_pretrained

    source = arguments.checkpoint or Path(config.output.directory)
    if not (source / "config.json").is_file():
        raise UserError(f"{source} holds no finished model; give the --output of a training")
    text, suffix = arguments.complete, arguments.suffix
    device = choose_device(config.device_backend.device)
    vocabulary = Vocabulary(source)
    model = load_pretrained(str(source), window=MIN_POSITIONS, vocab_size=1).to(device)
    check_vocabulary(str(source), model, vocabulary)
    if suffix is not None and not can_fill(model, vocabulary, source):
        raise UserError(
            f"--suffix: {source} never learnt to fill in the middle; train it with --set objectives.fim_rate=0.5, or "
            "leave --suffix out"
        )
    settings = generation_settings(config.inference, vocabulary.control)
    with reading(f"{source} cannot complete", "give the --output of a training"):
        written = complete_text(model, vocabulary, text, suffix, settings, seed=config.training.seed)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if config.inference.do_sample:
        print(f"sampled with --seed {config.training.seed}", file=sys.stderr, flush=True)
    if suffix is not None:
        print(how_it_fills(model), file=sys.stderr, flush=True)
    print_line(text + written + (suffix or ""))
    return 0
