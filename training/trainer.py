"""The training loop: the same for every stage, on one process or many."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.averaging import WeightsAverage, tensors_of
from training.batch import Batch
from training.checkpoint import Checkpoint, State, find_checkpoint, load_checkpoint, save_checkpoint
from training.config import StageConfig
from training.errors import TrainingError
from training.feed import Feed
from training.log import Log
from training.networks import fill_piece
from training.pairs import PairSource
from training.processes import Processes
from training.schedule import RateSchedule
from training.stages import STAGES, Player, Terms

_AGREE_STEPS = 10
"""Processes agree on the time every so many steps: to do so, they wait for each other."""


@dataclass(frozen=True)
class RunLimits:
    """Where one run ends; the stage's configuration says where the stage ends."""

    minutes: float | None = None
    """Stop, and write a checkpoint, after so many minutes of training."""
    steps: int | None = None
    """Stop after this step of the stage, in place of the configuration's last one."""
    finish: bool = False
    """Let the learning rate fall to 0 by the end of `minutes`: the stage ends with this run."""


class Trainer:
    """One stage in one process."""

    def __init__(
        self,
        config: StageConfig,
        runs: Path,
        source: PairSource,
        processes: Processes,
        *,
        resume: bool,
    ) -> None:
        """Build the stage, and go on from its newest checkpoint if `resume`.

        Raises:
            TrainingError: an earlier stage is missing, there is a checkpoint and `resume` is off,
                or it does not fit.

        """
        if config.stage not in STAGES:
            raise TrainingError(
                f"There is no stage '{config.stage}'; choose one of: {', '.join(STAGES)}."
            )
        self._config, self._runs, self._processes = config, runs, processes
        device = processes.device
        torch.manual_seed(config.seed)
        self._stage = STAGES[config.stage](config, runs, device)
        self._autocast = config.precision == "bf16" or (
            config.precision == "auto" and device.type == "cuda"
        )
        self._optimizers = {p.name: _optimizer(p, config) for p in self._stage.players}
        self._objectives: dict[str, nn.Module] = {}
        self._average = WeightsAverage(self._stage.pieces, config.optimizer.average_decay)
        self._step, self._minutes, self._warm_from = 0, 0.0, 0
        if find_checkpoint(runs, config.stage):
            if not resume:
                raise TrainingError(
                    f"{runs / config.stage} holds a checkpoint already; add --resume to go on from"
                    " it, or give another folder."
                )
            self._restore(load_checkpoint(runs, config.stage))
        self._feed = Feed(source, config, processes.share(config.data.slots), device)

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state.model != self._config.model:
            raise TrainingError(
                f"The checkpoint is of the model '{checkpoint.state.model}', the configuration of"
                f" '{self._config.model}'; give another folder."
            )
        for piece, module in self._stage.pieces.items():
            fill_piece(module, checkpoint.weights, piece)
        self._average.take(checkpoint.averaged)
        self._step, self._minutes = checkpoint.state.step, checkpoint.state.minutes
        if checkpoint.optimizers is None:
            self._warm_from = self._step
            return
        self._warm_from = int(checkpoint.optimizers["warm_from"])
        for name, optimizer in self._optimizers.items():
            if name in checkpoint.optimizers:
                optimizer.load_state_dict(checkpoint.optimizers[name])

    @property
    def minutes(self) -> float:
        """Time spent in this stage, all runs together."""
        return self._minutes

    def run(self, limits: RunLimits) -> int:
        """Train until a limit is met; returns the number of finished steps of the stage."""
        config = self._config
        last = min(limits.steps or config.steps, config.steps)
        rates = RateSchedule(config.optimizer, config.steps, self._warm_from)
        is_first = self._processes.rank == 0
        log = Log(self._runs, config.stage, self._step) if is_first else None
        started, saved = time.monotonic(), 0.0
        spent_before = self._minutes
        self._record()
        self._objectives = {p.name: self._processes.wrap(p.objective) for p in self._stage.players}
        batches = self._feed.ahead(self._step)
        logged: list[dict[str, Tensor]] = []
        factor = 0.0
        try:
            spent = 0.0
            while self._step < last:
                if self._step % _AGREE_STEPS == 0:
                    spent = self._processes.agree(time.monotonic() - started) / 60
                self._minutes = spent_before + spent
                if limits.minutes is not None and spent >= limits.minutes:
                    break
                share = spent / limits.minutes if limits.finish and limits.minutes else None
                factor = rates.factor(self._step, share)
                logged.append(self._advance(next(batches), factor))
                if self._step % config.log_steps == 0 or self._step == last:
                    self._describe(log, logged, factor)
                    logged = []
                if spent - saved >= config.checkpoint_minutes:
                    self._save()
                    saved = spent
            if logged:
                self._describe(log, logged, factor)
        finally:
            batches.close()
            if log:
                log.close()
        self._save()
        return self._step

    def _advance(self, batches: list[Batch], factor: float) -> dict[str, Tensor]:
        """Do one step with this process's slots; the terms of all players, averaged over slots."""
        sums: dict[str, Tensor] = {}
        for player in self._stage.players:
            self._optimizers[player.name].zero_grad(set_to_none=True)
        for player in self._stage.players:
            self._look(player, batches)
        for index, batch in enumerate(batches):
            handed: Mapping[str, Tensor] = {}
            for player in self._stage.players:
                terms = self._learn(player, batch, handed, len(batches), index)
                handed = terms.handed
                for name, value in terms.logged.items():
                    key = name if len(self._stage.players) == 1 else f"{player.name}_{name}"
                    sums[key] = sums.get(key, 0.0) + value / len(batches)
        for player in self._stage.players:
            optimizer = self._optimizers[player.name]
            for group in optimizer.param_groups:
                group["lr"] = group["full_lr"] * factor
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            if player.whitened:
                player.whitened.whitening.enter()
            norm = nn.utils.clip_grad_norm_(parameters, self._config.optimizer.gradient_limit)
            # A gradient that is not finite is not learned from, and the log tells of it. Torch's
            # fused optimizers look at this mark themselves: the host need not wait for the GPU.
            optimizer.found_inf = (~norm.isfinite()).float()
            optimizer.step()
            if player.whitened:
                player.whitened.whitening.leave()
            sums[f"{player.name}_gradient"] = norm.detach()
        self._step += 1
        self._average.follow(self._step)
        return sums

    def _record(self) -> None:
        """Let players record graphs before the feed's threads use the GPU, too."""
        recorders = [player.record for player in self._stage.players if player.record]
        if not recorders or self._processes.device.type != "cuda":
            return
        batches = self._feed.at(self._step)
        # Gradients of a graph lie where it wrote them, and cannot be added up over slots.
        if len(batches) == 1:
            for record in recorders:
                record(batches[0])

    def _look(self, player: Player, batches: Sequence[Batch]) -> None:
        """Let a player see anew what its steps depend on, if that is due."""
        whitened = player.whitened
        if whitened and whitened.whitening.is_due(self._step):
            for batch in batches:
                whitened.look(batch)
            whitened.whitening.settle(self._processes.average)

    def _learn(
        self,
        player: Player,
        batch: Batch,
        handed: Mapping[str, Tensor],
        slots: int,
        index: int,
    ) -> Terms:
        objective = self._objectives[player.name]
        device = self._processes.device.type
        with self._processes.hold_gradients(objective, is_last=index == slots - 1):
            with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
                terms: Terms = objective(batch, handed)
            (terms.loss / slots).backward()
        return terms

    def _describe(
        self, log: Log | None, logged: Sequence[Mapping[str, Tensor]], factor: float
    ) -> None:
        """Write one line, the mean over steps and processes; every process takes part."""
        names = sorted({name for terms in logged for name in terms})
        values = torch.stack(
            [torch.stack([t[name].float() for t in logged if name in t]).mean() for name in names]
        )
        averaged = self._processes.average(values).tolist()
        if log:
            log.write(
                {
                    "step": self._step,
                    "minutes": round(self._minutes, 3),
                    "rate": round(factor, 4),
                    **{name: round(v, 6) for name, v in zip(names, averaged, strict=True)},
                }
            )

    def _save(self) -> None:
        if self._processes.rank == 0:
            state = State(self._config.stage, self._config.model, self._step, self._minutes)
            optimizers = {name: o.state_dict() for name, o in self._optimizers.items()}
            save_checkpoint(
                self._runs,
                Checkpoint(
                    state,
                    tensors_of(self._stage.pieces),
                    self._average.tensors,
                    {"warm_from": self._warm_from, **optimizers},
                ),
            )
        self._processes.wait()


class _Optimizer(torch.optim.AdamW):
    """Skips a step where `found_inf` is 1, as under a gradient scaler."""

    found_inf: Tensor


def _optimizer(player: Player, config: StageConfig) -> _Optimizer:
    """Build the optimizer of a player; modules that learn at one rate share a group."""
    settings = config.optimizer
    first, second = settings.betas
    by_rate: dict[float, list[nn.Parameter]] = {}
    for module, lr in player.groups:
        by_rate.setdefault(lr, []).extend(module.parameters())
    return _Optimizer(
        [{"params": params, "lr": lr, "full_lr": lr} for lr, params in by_rate.items()],
        betas=(first, second),
        weight_decay=settings.weight_decay,
        fused=True,
    )
