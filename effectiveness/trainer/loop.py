"""The training loop: batches in, updates out. It is handed its model, engine and batches, and knows no files.

for each step:   micro-batches -> forward, backward -> clip -> update -> schedule     (steps.py)
now and then:    log, evaluate, save - through the `Hooks` that the command gives
"""

from __future__ import annotations

import dataclasses
import math
import time

from effectiveness.trainer.config import filled
from effectiveness.trainer.evaluate import EvaluationScores
from effectiveness.trainer.metrics import Period
from effectiveness.trainer.steps import Hooks, Stepper, StopTraining


class Trainer(Stepper):
    """One run: its steps, and when it logs, evaluates, saves and ends."""

    def train(self, hooks: Hooks) -> None:
        """Train until the last epoch, `max_steps`, patience, or a stop request (raises Stopped, after saving)."""
        try:
            while not self.is_done():
                if self.state.evaluation_is_due:
                    self._evaluate(hooks)
                    continue
                self._one_step(hooks)
        except StopTraining:
            self._read(hooks)
            hooks.save()
            raise
        finally:
            if self._ahead is not None:
                self._ahead.close()

    def is_done(self) -> bool:
        return not self.state.evaluation_is_due and self._run_ends()

    def _run_ends(self) -> bool:
        state = self.state
        ended_early = state.last_update is not None and state.num_updates >= state.last_update
        out_of_steps = self.limits.max_steps is not None and state.step >= self.limits.max_steps
        return state.epoch >= filled(self.limits.num_epochs) or ended_early or out_of_steps

    def _one_step(self, hooks: Hooks) -> None:
        state, limits = self.state, self.limits
        if self.engine.any(hooks.must_stop()):  # several processes stop at the same step
            raise StopTraining
        started_at = time.perf_counter()
        plan = self.batches.epoch(state.epoch)
        if plan.num_steps == 0:  # rows of weight 0.3 alone may leave an epoch without a visit
            state.evaluation_is_due = True
            return
        made, data_wait_s = self._step(plan, hooks)
        self._unread.append(made)
        state.step += 1
        state.step_in_epoch += 1
        self._read(hooks, unread=1 if self.reads_late else 0)
        epoch_ends = state.step_in_epoch == plan.num_steps
        mid_evaluation = limits.eval_steps is not None and state.step % limits.eval_steps == 0
        is_logged, is_saved = state.step % limits.logging_steps == 0, state.step % limits.save_steps == 0
        if epoch_ends or mid_evaluation or is_logged or is_saved or self._run_ends():
            self._read(hooks)
        for period in (self.epoch_period, self.log_period):
            period.elapsed_s += time.perf_counter() - started_at
            period.data_wait_s += data_wait_s
        if is_logged:
            hooks.report("step", self._take_log())
        state.evaluation_is_due = epoch_ends or mid_evaluation or self._run_ends()
        if is_saved and not state.evaluation_is_due:
            hooks.save()

    def _take_log(self) -> dict:
        period, self.log_period = self.log_period, Period()
        lr = self.optimizers[0].param_groups[0]["lr"]
        return {"period": period, "learning_rate": lr}

    def _evaluate(self, hooks: Hooks) -> None:
        """Score the held-out rows, keep the best, and close the epoch where it ends."""
        state = self.state
        evaluation = hooks.evaluate()
        plan_is_done = state.step_in_epoch == self.batches.epoch(state.epoch).num_steps
        if self._is_best(evaluation, hooks):
            nats = evaluation.headline.nats_per_token  # not a number where nothing is held out
            state.best_nats = nats if math.isfinite(nats) else None
            state.best_step, state.num_evaluations_without_gain = state.step, 0
            hooks.save_best(evaluation)
        elif not state.last_evaluation_is_finite or self._reads_whole_windows():
            state.num_evaluations_without_gain += 1
        hooks.report("evaluation", {"evaluation": evaluation})
        if state.step and (plan_is_done or self._run_ends()):
            hooks.report("epoch", {"period": self.epoch_period, "evaluation": evaluation})
        if plan_is_done:
            self.epoch_period = Period()
            state.epoch, state.step_in_epoch, state.first_pack = state.epoch + 1, 0, 0
        state.evaluation_is_due = False
        self._heed_patience(hooks)
        if state.step and (state.step % self.limits.save_steps == 0 or self.is_done()):
            hooks.save()

    def _reads_whole_windows(self) -> bool:
        """While windows grow the held-out loss may stand still: it is of whole windows, and a model that reads shorter
        ones cannot learn what stands further back. Such evaluations do not count against patience.
        """
        state = self.state
        return self.batches.are_whole(state.epoch, max(0, state.step_in_epoch - 1))

    def _is_best(self, evaluation: EvaluationScores, hooks: Hooks) -> bool:
        """The lowest finite loss so far, of finite weights; the latest weights where nothing is held out."""
        state, nats = self.state, evaluation.headline.nats_per_token
        doubtful = "loss" if not evaluation.is_finite else "" if hooks.weights_are_finite() else "weights"
        state.last_evaluation_is_finite = not doubtful
        if doubtful:
            state.num_not_finite += 1
            what = "held-out loss is" if doubtful == "loss" else "weights are"
            hooks.say(f"step {state.step}: {what} not finite, never the best ({state.num_not_finite} so far)")
            return False
        return state.best_nats is None or evaluation.headline.num_tokens == 0 or nats < state.best_nats

    def _heed_patience(self, hooks: Hooks) -> None:
        state, patience = self.state, self.limits.patience
        if not patience or state.num_evaluations_without_gain < patience or state.last_update is not None:
            return
        cooldown = 0
        if self.schedule.shape == "flat_cooldown":
            cooldown = min(self.schedule.cooldown_updates, self.schedule.num_updates - state.num_updates)
        state.last_update = state.num_updates + max(0, cooldown)
        self.shorten_schedule()
        then = f"cooling down for {cooldown} updates" if cooldown > 0 else "stopping"
        hooks.say(f"held-out loss has not improved for {patience} evaluations (patience): {then}")

    def shorten_schedule(self) -> None:
        """Let the schedule end at `state.last_update`, where patience has set one."""
        if self.state.last_update is not None:
            self.schedule = dataclasses.replace(self.schedule, num_updates=self.state.last_update)

    def state_to_save(self) -> dict:
        """The state as JSON values; floats survive JSON bit for bit."""
        self.state.epoch_sums, self.state.log_sums = self.epoch_period.exact(), self.log_period.exact()
        self.state.loss_scale = self.scaler.state_dict() if self.scaler.is_enabled() else {}
        return dataclasses.asdict(self.state)
