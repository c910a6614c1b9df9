"""The end of a training: the best weights, scored on held-out files, exported, and written down."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from effectiveness.common.boundary import MEMORY_ERRORS, is_out_of_memory, read_json_object
from effectiveness.common.invocation import as_word, typed
from effectiveness.common.ownership import note_made
from effectiveness.common.paths import display
from effectiveness.common.records import MEMORY_SCORE_FILE, UserError
from effectiveness.trainer import checkpoint, recut, run_directory, setup, starting
from effectiveness.trainer.adapters import share_of, take_share
from effectiveness.trainer.command_line import is_the_disk
from effectiveness.trainer.complete import Completion, complete_gaps, completion_scores, find_gaps
from effectiveness.trainer.config import Config
from effectiveness.trainer.evaluate import EvaluationScores, final_lines
from effectiveness.trainer.export import export_model
from effectiveness.trainer.journal import Journal, score
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.metrics import read_metrics
from effectiveness.trainer.model_card import model_card, prompting_of
from effectiveness.trainer.report import Outcome, write_report
from effectiveness.trainer.rows import open_rows
from effectiveness.trainer.run_directory import TrainingFacts
from effectiveness.trainer.steps import State

SHARES = (1.0, 0.8, 0.6)
MAX_SCORE_BYTES = 4096


def finish(run: setup.Run, trainer: Trainer, journal: Journal) -> None:
    """Take the best weights, score them on held-out files, export them, and write it all down."""
    trainer.forget_training()  # what remains to be done has more room than the training had
    best_step = _load_best(run, trainer.model, trainer.state)
    if run.config.quantization.lora_choose_scale:
        _choose_scale(run, trainer, journal.must_stop)
    val, test = (_score_split(run, trainer, split, journal.must_stop) for split in ("val", "test"))
    trainer.state.last_evaluation_is_finite &= all(e.is_finite for e in (val, test))
    for line in final_lines("Val at best", val, best_step):
        run.console.say(line)
    journal.report("test", {"evaluation": test})
    if run.engine.rank == 0:
        checkpoint.recover(run.checkpoints)  # what a disk that failed once did not let be removed
        _hand_over(run, trainer, journal, best_step, val, test)
    run.engine.barrier()


def _hand_over(
    run: setup.Run,
    trainer: Trainer,
    journal: Journal,
    best_step: int,
    val: EvaluationScores,
    test: EvaluationScores,
) -> None:
    """Complete held-out gaps, report, export: the first process's work alone. The export marks it finished."""
    model = trainer.model
    if run.engine.shards_weights:  # this process has only its share: make a whole one from the checkpoint
        model = whole_model(run, recut.num_source_tokens(trainer.batches.rows))
        _load_best(run, model, trainer.state)
        take_share(model, share_of(trainer.model))
    outcome = _outcome(run, model, best_step, journal, val, test)
    report = run.output / run_directory.REPORT_FILE
    if run.config.output.report:
        note_made(run.output, {report.name: None})
        write_report(report, outcome)
    export_model(
        run.output,
        model,
        tokenizer=run.dataset.tokenizer,
        control=run.vocabulary.control,
        config=run.config,
        card=model_card(outcome, prompting_of(model, run.vocabulary)),
        trained=TrainingFacts(
            facts=journal.facts,
            num_steps=trainer.state.step,
            best_step=best_step,
            is_finite=trainer.state.last_evaluation_is_finite,
        ),
    )
    run.console.say(f"model   {run.output}")
    if run.config.output.report:
        run.console.say(f"report  {report}")
    _tell_what_is_next(run.console.say, as_word(run.dataset.directory), as_word(run.output))


def _tell_what_is_next(say: Callable[[str], None], dataset: str, model: str) -> None:
    say(f"worth   {typed('proof')} --dataset {dataset} --model {model}")
    say(f"editor  {typed('serve')} {model} --dataset {dataset}")


def whole_model(run: setup.Run, num_train_tokens: int) -> nn.Module:
    """The model with all its shards; on the CPU where the device has no room for it."""
    try:
        return starting.build_model(run, num_train_tokens)[0]
    except UserError as error:
        if not is_out_of_memory(error.__cause__):
            raise
    run.console.say("out of memory: the whole model is completed and exported on the CPU")
    return starting.build_model(replace(run, device=torch.device("cpu")), num_train_tokens)[0]


def _score_split(
    run: setup.Run, trainer: Trainer, split: str, must_stop: Callable[[], bool]
) -> EvaluationScores:
    rows, one_shape = setup.open_split(run, split), trainer.batches.fixed_shape
    max_windows = trainer.state.max_windows or 0
    held_out = setup.make_held_out(run, rows, fixed_shape=one_shape, max_windows=max_windows)
    return score(run, trainer.wrapped, held_out, split, must_stop)


def _choose_scale(run: setup.Run, trainer: Trainer, must_stop: Callable[[], bool]) -> None:
    """Let adapters add the share of what was trained that is best on val: after many passes a weaker one may be."""
    if not run.dataset.num_held_out_bytes("val"):
        return
    nats: dict[float, float] = {}
    for share in SHARES:
        take_share(trainer.model, share)
        nats[share] = _score_split(run, trainer, "val", must_stop).headline.nats_per_token
    best = min(nats, key=lambda share: (not math.isfinite(nats[share]), nats[share]))
    take_share(trainer.model, best)
    told = ", ".join(f"{found:.4f} with {share:g}" for share, found in nats.items())
    run.console.say(f"adapters add {best:g} of what was trained: Val Loss {told}")


def _outcome(
    run: setup.Run,
    model: nn.Module,
    best_step: int,
    journal: Journal,
    val: EvaluationScores,
    test: EvaluationScores,
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
        memory_nats=_memory_nats(run),
    )
    for kind, scores in outcome.completion_scores.items():
        if scores:
            exact, similar = 100 * scores["exact_match_share"], scores["edit_similarity"]
            run.console.say(f"Completions, {kind}: {exact:.1f} % exact, edit similarity {similar:.3f}")
    return outcome


def _memory_nats(run: setup.Run) -> float | None:
    """What `effectiveness memory` measured on val, if it was asked."""
    file = run.dataset.directory / MEMORY_SCORE_FILE
    if not file.exists():
        return None
    way_out = f"run {typed('memory')} {as_word(run.dataset.directory)} again"
    try:
        score = read_json_object(file, max_bytes=MAX_SCORE_BYTES, way_out=way_out).get("val_nats_per_token")
    except UserError as error:
        run.console.say(f"the memory's line is left out of the report: {error}")
        return None
    return float(score) if isinstance(score, int | float) and score > 0 else None


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
    try:
        return complete_gaps(model, run.vocabulary, gaps)
    # After a whole training, whose model is worth more than these.
    except (UserError, *MEMORY_ERRORS) as error:
        if not (isinstance(error, UserError) or is_out_of_memory(error)):
            raise
        run.console.say(f"completions of held-out files are left out: {error or 'out of memory'}")
        return []


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
        told = f"the best checkpoint cannot be read ({error}), so no model was exported"
        if is_the_disk(error):
            raise UserError(told, exit_code=1) from OSError()
        if path.exists():
            raise UserError(
                f"{told}; put {display(path)} back as it was, or move it away and --resume exports the last weights",
                exit_code=1,
            ) from None
        run.console.say(f"no best checkpoint is there ({error}); exporting the last weights")
        return state.step
