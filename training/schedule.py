"""The learning rate over a stage: warm-up, plateau, decay."""

from dataclasses import dataclass

from training.config import OptimizerConfig


@dataclass(frozen=True)
class RateSchedule:
    """A factor between 0 and 1 on every learning rate."""

    config: OptimizerConfig
    steps: int
    """Of the whole stage."""
    warm_from: int
    """The step from which the optimizer's state is counted."""

    def factor(self, step: int, time_share: float | None = None) -> float:
        """Return the factor of a step.

        Args:
            step: from 0.
            time_share: how much of the run's minutes is spent, for runs that end by the clock.

        """
        warm = min(1.0, (step - self.warm_from + 1) / max(1, self.config.warmup_steps))
        spent = max(step / self.steps, time_share or 0.0)
        left = (1 - spent) / max(self.config.decay_share, 1e-9)
        return warm * min(1.0, max(0.0, left))
