"""The training command: a run is opened, its directory taken, the loop run, and its result exported."""

from __future__ import annotations

import argparse
import json
from contextlib import contextmanager
from pathlib import Path

from effectiveness.common.console import count
from effectiveness.common.paths import display
from effectiveness.common.recipes import ADAPTER, MEASURED, recipe_of
from effectiveness.common.records import UserError
from effectiveness.trainer import checkpoint, defaults, recut, resuming, run_directory, setup, starting
from effectiveness.trainer.command_line import Standing, StopRequest, stop_requests
from effectiveness.trainer.config import Config, filled, without_gone
from effectiveness.trainer.engines import joined
from effectiveness.trainer.finishing import finish
from effectiveness.trainer.journal import Journal
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.run_directory import KNOWN_BEFORE, read_training_facts
from effectiveness.trainer.steps import State, StopTraining


def train(config: Config, arguments: argparse.Namespace, standing: Standing | None = None) -> int:
    """Train, evaluate, export. Returns the exit code: 0, or 130/143 after a signal (everything is saved).

    Raises CannotPrint where nobody reads what is printed: everything is saved then, too.
    """
    _refuse_overwriting_the_source(config, arguments.checkpoint)
    run = setup.open_run(config, arguments)
    # The signals to the very end: what is said of one is then true.
    with stop_requests() as stop, joined(run.engine, lambda: _what_is_saved(run)):
        try:
            exit_code = _train(run, arguments, stop, standing or Standing())
            if not exit_code and standing is not None:  # else another command's log goes on
                run.console.say_end("COMPLETE")
            if not exit_code and run.console.trouble:
                raise run.console.trouble
            return exit_code
        finally:
            run.console.close()


def _train(run: setup.Run, arguments: argparse.Namespace, stop: StopRequest, standing: Standing) -> int:
    resume, overwrite = arguments.resume, getattr(arguments, "overwrite", False)
    may_hold = {"resume": resume, "overwrite": overwrite}
    # What is there: the directory, the checkpoint to go on from, the rows and what follows from them.
    run_directory.refuse_unless_free(run.output, run.dataset.tokenizer, **may_hold)
    found = resuming.newest_checkpoint(run) if resume else None
    run = resuming.from_the_same_start(found, run) if found else run
    rows = setup.open_training_rows(run)
    run = setup.with_defaults(run, rows)
    changed = resuming.changes(found, run) if found else []
    # What trains.
    batches = setup.make_batches(run, rows)
    model, what = starting.build_model(run, recut.num_source_tokens(rows))
    trainer = starting.make_trainer(
        run, model, batches, resuming.state_of(found, run.config) if found else State()
    )
    if found is not None:
        resuming.restore(run, trainer, found)
    facts = run_directory.facts_of_run(run, what, model, found.facts if found else None)
    # It begins; nothing was written so far.
    with _locked(run, may_hold, standing):
        if overwrite and run.engine.rank == 0:
            _delete_run(run, standing)
        run.console.hold_trouble()
        _say_start(run, trainer, facts)
        for line in changed:
            run.console.say(line)
        if found is not None and _is_finished(run, trainer):
            return _say_finished(run, trainer, standing)
        journal = Journal(
            run, trainer, facts, lambda: stop() or bool(run.console.trouble), is_resumed=found is not None
        )
        return _train_and_finish(run, trainer, journal, stop, standing)


def _train_and_finish(
    run: setup.Run, trainer: Trainer, journal: Journal, stop: StopRequest, standing: Standing
) -> int:
    try:
        trainer.train(journal.hooks())
        run.console.close()
        finish(run, trainer, journal)
        problem = _what_is_not_finite(trainer.state)
        if not problem:
            _stands(run, standing)
    except StopTraining:
        number = run.engine.largest(stop.signal_number)  # it may have come to another process
        if run.console.trouble and not number:
            raise run.console.trouble from None
        run.console.say(f"stopped by a signal at step {trainer.state.step}; go on with --resume")
        return 128 + number if number else 1
    finally:
        journal.close()
    if problem:
        raise UserError(problem, exit_code=1)
    return 0


def _stands(run: setup.Run, standing: Standing) -> None:
    standing.exit_code = 0
    standing.in_words = lambda: f"{display(run.output)} holds the finished model, complete"


def _what_is_saved(run: setup.Run) -> str:
    """How a run that was begun goes on."""
    if steps := checkpoint.step_directories(run.checkpoints):
        number = int(steps[-1].name.partition("-")[2])
        return f"the checkpoint of step {number} is there, go on with --resume"
    again = "--overwrite" if (run.output / run_directory.WEIGHTS_FILE).exists() else "--resume"
    return f"no checkpoint was saved, start again with {again}"


def _delete_run(run: setup.Run, standing: Standing) -> None:
    begun, standing.in_words = (
        standing.in_words,
        lambda: "the run of before is deleted in part, start again with --overwrite",
    )
    run_directory.delete_run(run.output, run.console.say)
    standing.in_words = begun


def _what_is_not_finite(state: State) -> str:
    """Why a run that came to its end is none to rely on; "" for one that is."""
    if state.last_evaluation_is_finite:
        return ""
    return (
        f"the held-out loss was not finite at the end (nor in {state.num_not_finite} evaluations before it): the "
        f"training has diverged; exported is step {state.best_step}, the best before; lower optimization.learning_rate"
    )


def _is_finished(run: setup.Run, trainer: Trainer) -> bool:
    """Whether nothing is left to do: the last step is made, and the model of just these settings is exported."""
    if not trainer.is_done() or not run_directory.is_whole(run.output):
        return False
    try:
        exported = read_training_facts(run.output)
    except UserError:  # not exported, or not whole: it is made again
        return False
    configs = (without_gone(exported.facts["config"]), json.loads(json.dumps(run.config.as_dict())))
    first, second = ({key: c[key] for key in c.keys() - {"output"}} for c in configs)
    return exported.is_finite and exported.num_steps == trainer.state.step and first == second


def _say_finished(run: setup.Run, trainer: Trainer, standing: Standing) -> int:
    _stands(run, standing)
    run.console.say(
        f"finished at step {trainer.state.step}: nothing is left to do, nothing was changed; more --epochs (or "
        "training.max_steps) go on"
    )
    return 0


def _refuse_overwriting_the_source(config: Config, source: Path | None) -> None:
    if source is not None and source.resolve() == Path(config.output.directory).resolve():
        raise UserError(f"--checkpoint and --output are both {source}; choose another --output, or --resume")


# --- start -----------------------------------------------------------------------------------------------


@contextmanager
def _locked(run: setup.Run, may_hold: dict[str, bool], standing: Standing):
    """The output is this run's alone; who waited for another run finds it there."""
    if run.engine.rank != 0:
        yield
        return
    with run_directory.locked(run.output):
        run_directory.refuse_unless_free(run.output, run.dataset.tokenizer, **may_hold)
        standing.in_words, standing.has_begun = lambda: _what_is_saved(run), True
        run_directory.take(run.output, run.dataset.tokenizer)
        yield


def _say_start(run: setup.Run, trainer: Trainer, facts: dict) -> None:
    say, state = run.console.say, trainer.state
    processes = f", {run.engine.world_size} processes" if run.engine.world_size > 1 else ""
    plan = trainer.batches.epoch(min(state.epoch, filled(trainer.limits.num_epochs) - 1))
    say(f"model   {facts['model']}: {facts['num_parameters']:,} parameters")
    say(f"device  {facts['device']}, {facts['precision']}{processes}")
    say(f"recipe  {defaults.in_words(run.config)}; {_read_of_built(run, len(trainer.batches.rows))}")
    say(
        f"data    {count(len(trainer.batches.rows), 'row')}, {count(plan.num_packs, 'pack')} and "
        f"{count(plan.num_steps, 'step')} an epoch, about {count(trainer.schedule.num_updates, 'step')} in all"
    )
    if not run.dataset.num_held_out_bytes("val"):
        say("data    no val file is held out: nothing is evaluated, and the last weights are exported")
    if facts[KNOWN_BEFORE]:
        say(f"measure {facts[KNOWN_BEFORE]}")
    if state.step:
        say(f"resumed at step {state.step}, epoch {state.epoch + 1}")


def _read_of_built(run: setup.Run, num_rows: int) -> str:
    """What is read of what was built, and by which recipe that was."""
    name, built = run.config.recipe, recipe_of(run.dataset.metadata)
    name = MEASURED if name == ADAPTER else name  # it reads the same rows
    in_all = run.dataset.metadata.get("train_sequences", num_rows)
    words = f"{num_rows:,} of the {in_all:,} training rows are read"
    words += f", --recipe {name} builds no others" if num_rows < in_all and name == MEASURED else ""
    return words if name == built else f"{words}; the dataset was built for {built}"
