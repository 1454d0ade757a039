"""Where the noise chain really starts (arXiv 2410.08551: at t = beta_d * 1000)."""

import math
from dataclasses import dataclass
from typing import Any

from anon_ros.errors import ModelError

# How far the start may lie from beta_d: one step of the schedule, within these bounds.
_LEAST_TOLERANCE, _MOST_TOLERANCE = 0.05, 0.1


@dataclass(frozen=True)
class ChainStart:
    """The first step that runs.

    Attributes:
        steps_run: how many steps of the schedule run.
        timestep: of the first of them.
        noise_ratio: standard deviation of the noise there, sqrt(1 - alpha_bar), in 0..1.
        strength: what makes a diffusers pipeline run exactly these steps.
    """

    steps_run: int
    timestep: int
    noise_ratio: float
    strength: float


def chain_start(scheduler: Any, steps: int, beta_d: float) -> ChainStart:
    """Compute the start for a diffusers scheduler; sets its timesteps.

    Raises:
        ModelError: if no step would run, or the chain would not start near beta_d. diffusers cuts
            steps * strength down to whole steps, and most schedules end below their share, so with
            few steps it starts far too low and leaves the person recognisable.
    """
    # 0.58 * 50 is 28.999999999999996.
    steps_run = int(steps * beta_d + 1e-6)
    asked = f"inpaint.beta_d = {beta_d} with inpaint.steps = {steps}"
    if steps_run < 1:
        message = f"{asked} runs no step; set inpaint.steps to {math.ceil(1 / beta_d)} or more"
        raise ModelError(message)
    scheduler.set_timesteps(steps)
    timestep = int(scheduler.timesteps[(steps - steps_run) * scheduler.order])
    start_ratio = timestep / scheduler.config.num_train_timesteps
    if abs(start_ratio - beta_d) > min(max(1 / steps, _LEAST_TOLERANCE), _MOST_TOLERANCE):
        message = (
            f"{asked} would start at timestep {timestep}, {start_ratio:.2f} of the chain; raise "
            f"inpaint.steps (50 is usual)"
        )
        raise ModelError(message)
    noise_ratio = float(1 - scheduler.alphas_cumprod[timestep]) ** 0.5
    # Half a step more keeps diffusers' int(steps * strength) from losing a step to rounding.
    strength = min(1.0, (steps_run + 0.5) / steps)
    return ChainStart(steps_run, timestep, noise_ratio, strength)
