"""What the trainer can be asked for: train, evaluate only, show the plan, complete a text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from corpus.boundary import reading
from corpus.ownership import note_made
from corpus.records import LATER, UserError
from training import checkpoint, resuming, run_directory, setup, starting_model
from training.complete import (
    MIN_POSITIONS,
    Completion,
    check_vocabulary,
    complete_gaps,
    complete_text,
    completion_scores,
    find_gaps,
    read_prompt,
)
from training.config import Config
from training.devices import choose_device
from training.evaluate import Evaluation
from training.export import export_model, generation_settings
from training.journal import Journal, score
from training.loop import State, Stopped, Trainer
from training.metrics import read_metrics
from training.objective import Objective
from training.report import Outcome, model_card, write_report
from training.rows import open_rows, refuse_nothing_held_out
from training.stopping import StopRequest, stop_requests
from training.training_facts import TrainingFacts, read_training_facts
from training.vocabulary import Vocabulary


def train(config: Config, arguments: argparse.Namespace) -> int:
    """Train, evaluate, export. Returns the exit code: 0, or 130/143 after a signal (everything is saved)."""
    _refuse_overwriting_the_source(config, arguments.checkpoint)
    run = setup.open_run(config, arguments)
    with stop_requests() as stop:  # to the very end: what is said of a signal is then true
        try:
            return _train(run, arguments, stop)
        finally:
            run.console.close()
            run.engine.close()


def _train(run: setup.Run, arguments: argparse.Namespace, stop: StopRequest) -> int:
    resume, overwrite = arguments.resume, getattr(arguments, "overwrite", False)
    may_hold = {"resume": resume, "overwrite": overwrite}
    run_directory.refuse_unless_free(run.output, run.dataset.tokenizer, **may_hold)
    found = _newest_checkpoint(run) if resume else None
    rows = setup.open_training_rows(run)
    changed = resuming.changes(found, run) if found else []
    batches = setup.make_batches(run, rows)
    model, what = starting_model.build_model(run, setup.num_source_tokens(rows))
    trainer = setup.make_trainer(
        run, model, batches, resuming.state_of(found, run.config) if found else State()
    )
    _restore(run, trainer, found)
    facts = setup.facts(run, what, model)
    with _locked(run, may_hold):  # nothing was written so far
        if overwrite and run.engine.rank == 0:
            run_directory.delete_run(run.output, run.console.say)
        _say_start(run, trainer, facts)
        for line in changed:
            run.console.say(line)
        if found is not None and _is_finished(run, trainer):
            return _say_finished(run, trainer)
        return _train_and_finish(
            run, trainer, Journal(run, trainer, facts, stop, is_resumed=found is not None), stop
        )


def _train_and_finish(run: setup.Run, trainer: Trainer, journal: Journal, stop: StopRequest) -> int:
    try:
        trainer.train(journal.hooks())
        run.console.close()
        _finish(run, trainer, journal)
    except Stopped:
        run.console.say(f"stopped by a signal at step {trainer.state.step}; go on with --resume")
        return 128 + stop.signal_number
    finally:
        journal.close()
    if problem := _what_is_not_finite(trainer.state):
        raise UserError(problem, exit_code=1)
    run.console.say_end("COMPLETE")
    return 0


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
    configs = (exported.facts["config"], json.loads(json.dumps(run.config.as_dict())))
    first, second = ({key: c[key] for key in c.keys() - {"output"}} for c in configs)
    return exported.is_finite and exported.num_steps == trainer.state.step and first == second


def _say_finished(run: setup.Run, trainer: Trainer) -> int:
    run.console.say(
        f"finished at step {trainer.state.step}: nothing is left to do, nothing was changed; more --epochs (or "
        "training.max_steps) go on"
    )
    run.console.say_end("COMPLETE")
    return 0


def _refuse_overwriting_the_source(config: Config, source: Path | None) -> None:
    if source is not None and source.resolve() == Path(config.output.directory).resolve():
        raise UserError(f"--checkpoint and --output are both {source}; choose another --output, or --resume")


# --- start -----------------------------------------------------------------------------------------------


@contextmanager
def _locked(run: setup.Run, may_hold: dict[str, bool]):
    """The output is this run's alone; who waited for another run finds it there."""
    if run.engine.rank != 0:
        yield
        return
    with run_directory.locked(run.output):
        run_directory.refuse_unless_free(run.output, run.dataset.tokenizer, **may_hold)
        run_directory.take(run.output, run.dataset.tokenizer)
        yield


def _newest_checkpoint(run: setup.Run) -> checkpoint.Checkpoint | None:
    """The one to go on from. Raises UserError where there is a run, but none that can be gone on with."""
    found = checkpoint.newest(run.checkpoints, run.console.say)
    if found is not None:
        return found
    held = run_directory.what_it_holds(run.output)
    if held and held != "best weights":  # those of before the first step
        raise UserError(
            f"{run.output} holds {held}, but no whole checkpoint to resume from; --overwrite deletes it, or start a "
            f"new run from its weights: --checkpoint {run.output} --output ANOTHER"
        )
    run.console.say(f"no checkpoint in {run.checkpoints}: starting from the beginning")
    return None


def _restore(run: setup.Run, trainer: Trainer, found: checkpoint.Checkpoint | None) -> None:
    if found is None:
        return
    try:
        checkpoint.load_model_tensors(trainer.model, found.tensors["model"])
        checkpoint.load_optimizer_tensors(trainer.optimizers, trainer.model, found.tensors["optimizer"])
        if trainer.average is not None:
            for name, weights in trainer.average.weights.items():
                weights.copy_(checkpoint.shard_like(found.tensors["ema"][name], weights))
    except (checkpoint.DamagedCheckpoint, KeyError) as error:
        raise UserError(
            f"cannot resume from {found.path} ({error}); use the configuration it was made with"
        ) from error
    resuming.place(trainer, run.config)
    trainer.heed_early_end()


def _say_start(run: setup.Run, trainer: Trainer, facts: dict) -> None:
    say, state = run.console.say, trainer.state
    processes = f", {run.engine.world_size} processes" if run.engine.world_size > 1 else ""
    plan = trainer.batches.epoch(min(state.epoch, trainer.limits.num_epochs - 1))
    say(f"model   {facts['model']}: {facts['num_parameters']:,} parameters")
    say(f"device  {facts['device']}, {facts['precision']}{processes}")
    say(
        f"data    {len(trainer.batches.rows):,} rows, {plan.num_packs:,} packs and {plan.num_steps:,} steps "
        f"an epoch, about {trainer.schedule.num_updates:,} steps in all"
    )
    if not run.dataset.num_held_out_bytes("val"):
        say("data    no val file is held out: nothing is evaluated, and the last weights are exported")
    if state.step:
        say(f"resumed at step {state.step}, epoch {state.epoch + 1}")


# --- the end ---------------------------------------------------------------------------------------------


def _finish(run: setup.Run, trainer: Trainer, journal: Journal) -> None:
    """Take the best weights, score them on held-out files, export them, and write it all down."""
    best_step = _load_best(run, trainer.model, trainer.state)
    val, test = (_score_split(run, trainer, split, journal.must_stop) for split in ("val", "test"))
    trainer.state.last_evaluation_is_finite &= all(e.is_finite for e in (val, test))
    journal.report("test", {"evaluation": test})
    if run.engine.rank == 0:
        _hand_over(run, trainer, journal, best_step, val, test)
    run.engine.barrier()


def _hand_over(
    run: setup.Run, trainer: Trainer, journal: Journal, best_step: int, val: Evaluation, test: Evaluation
) -> None:
    """Complete held-out gaps, export, report: the first process's work alone."""
    model = trainer.model
    if run.engine.shards_weights:  # this process has only its share: make a whole one from the checkpoint
        model, _ = starting_model.build_model(run, setup.num_source_tokens(trainer.batches.rows))
        _load_best(run, model, trainer.state)
    outcome = _outcome(run, model, best_step, journal, val, test)
    export_model(
        run.output,
        model,
        tokenizer=run.dataset.tokenizer,
        control=run.vocabulary.control,
        config=run.config,
        card=model_card(outcome),
        trained=TrainingFacts(
            facts=journal.facts,
            num_steps=trainer.state.step,
            best_step=best_step,
            is_finite=trainer.state.last_evaluation_is_finite,
        ),
    )
    run.console.say(f"model   {run.output}")
    if run.config.output.report:
        note_made(run.output, {run_directory.REPORT_FILE: None})
        write_report(run.output / run_directory.REPORT_FILE, outcome)
        run.console.say(f"report  {run.output / run_directory.REPORT_FILE}")


def _score_split(run: setup.Run, trainer: Trainer, split: str, must_stop: Callable[[], bool]) -> Evaluation:
    rows, one_shape = setup.open_split(run, split), trainer.batches.fixed_shape
    held_out = setup.make_held_out(run, rows, variants=True, fixed_shape=one_shape)
    return score(run, trainer.wrapped, held_out, must_stop)


def _outcome(
    run: setup.Run, model: nn.Module, best_step: int, journal: Journal, val: Evaluation, test: Evaluation
) -> Outcome:
    completions = {kind: _complete_held_out(run, model, fill) for kind, fill in _kinds(run.config)}
    outcome = Outcome(
        facts=journal.facts,
        records=read_metrics(run.output / run_directory.METRICS_FILE),
        best_step=best_step,
        val=val,
        test=test,
        completions=completions,
        completion_scores={kind: completion_scores(found) for kind, found in completions.items()},
    )
    for kind, scores in outcome.completion_scores.items():
        if scores:
            exact, similar = 100 * scores["exact_match_share"], scores["edit_similarity"]
            run.console.say(f"Completions, {kind}: {exact:.1f} % exact, edit similarity {similar:.3f}")
    return outcome


def _kinds(config: Config) -> list[tuple[str, bool]]:
    """(name, whether a gap is filled): models that never saw fill-in-the-middle are not asked for it."""
    kinds = [("next line", False)] if config.evaluation.completions else []
    return kinds + ([("fill in the middle", True)] if kinds and config.objectives.fim_rate else [])


def _complete_held_out(run: setup.Run, model: nn.Module, fill: bool) -> list[Completion]:
    config = run.config
    rows = open_rows(run.dataset, "test")
    gaps = find_gaps(
        rows, run.vocabulary, config.evaluation.completions, fill=fill, seed=config.training.seed
    )
    return complete_gaps(model, run.vocabulary, gaps)


def _load_best(run: setup.Run, model: nn.Module, state: State) -> int:
    """Put the best weights into `model`; the step they are of. Raises UserError (exit code 1) where none ever were."""
    path = run.checkpoints / run_directory.BEST
    if state.num_not_finite and not path.exists():
        raise UserError(
            f"no evaluation was finite ({state.num_not_finite} were not), so there is no model to export; lower "
            "optimization.learning_rate and train again with --overwrite",
            exit_code=1,
        )
    try:
        best = checkpoint.read(path)
        checkpoint.load_model_tensors(model, best.tensors["model"])
        return best.state["step"]
    except checkpoint.DamagedCheckpoint as error:
        run.console.say(f"the best checkpoint cannot be read ({error}); exporting the last weights")
        return state.step


# --- other commands --------------------------------------------------------------------------------------


def evaluate_only(config: Config, arguments: argparse.Namespace) -> int:
    """Score val and test files with the model of --checkpoint (or --output). Changes no byte on disk."""
    arguments.checkpoint = arguments.checkpoint or Path(config.output.directory)
    run = setup.open_run(config, arguments)
    try:
        refuse_nothing_held_out(run.dataset, "val", "test", LATER)
        model, what = starting_model.build_model(run, 0)
        wrapped = run.engine.wrap(Objective(model, run.precision))
        run.console.say(f"model   {what}")
        held_out = [("val", "Val Loss"), ("test", "Test Loss")]
        held_out += [(LATER, "Later Loss")] if run.dataset.has_later else []
        for split, label in held_out:
            rows = setup.open_split(run, split, write_cache=False)
            _say_evaluation(run, label, score(run, wrapped, setup.make_held_out(run, rows, variants=True)))
    finally:
        run.engine.close()
    run.console.say_end("COMPLETE")
    return 0


def _say_evaluation(run: setup.Run, label: str, evaluation: Evaluation) -> None:
    headline, say = evaluation.headline, run.console.say
    if headline.num_tokens == 0:
        say(f"{label}: none, no file is held out")
        return
    say(
        f"{label}: {headline.nats_per_token:.4f} nats per token, perplexity {headline.perplexity:.3f}, "
        f"{headline.bits_per_byte:.4f} bits per byte, {headline.num_tokens:,} tokens"
    )
    groups = {
        "role": evaluation.by_role,
        "language": evaluation.by_language,
        "variant": evaluation.by_variant,
    }
    for group, scores in groups.items():
        for name, part in scores.items():
            say(
                f"  {group} {name}: {part.nats_per_token:.4f} nats per token, "
                f"{part.bits_per_byte:.4f} bits per byte, {part.num_tokens:,} tokens"
            )


def show_plan(config: Config, arguments: argparse.Namespace) -> int:
    """Print what a run would be, and train nothing."""
    from training.plan import make_plan

    run = setup.open_run(config, arguments)
    try:
        for line in make_plan(run):
            run.console.say(line)
    finally:
        run.engine.close()
    return 0


def complete(config: Config, arguments: argparse.Namespace) -> int:
    """Print the prompt and what the model of --checkpoint (or --output) continues it with."""
    from training.models import load_pretrained

    source = arguments.checkpoint or Path(config.output.directory)
    if not (source / "config.json").is_file():
        raise UserError(f"{source} holds no finished model; give the --output of a run as --checkpoint")
    text, suffix = read_prompt(arguments.complete), arguments.suffix
    device = choose_device(config.device_backend.device)
    vocabulary = Vocabulary(source)
    model = load_pretrained(str(source), window=MIN_POSITIONS, vocab_size=1).to(device)
    check_vocabulary(str(source), model, vocabulary)
    if suffix is not None and not starting_model.can_fill(model, vocabulary):
        raise UserError(
            f"--suffix: {source} never learnt to fill in the middle; train it with --set objectives.fim_rate=0.5, or "
            "leave --suffix out"
        )
    settings = generation_settings(config.inference, vocabulary.control)
    with reading(f"{source} cannot complete", "give the --output of a run as --checkpoint"):
        written = complete_text(model, vocabulary, text, suffix, settings, seed=config.training.seed)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if config.inference.do_sample:
        print(f"sampled with --seed {config.training.seed}", file=sys.stderr, flush=True)
    print(text + written + (suffix or ""), flush=True)
    return 0
