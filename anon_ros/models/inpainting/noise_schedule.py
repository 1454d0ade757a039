"""Timesteps of the diffusion, from beta_d * 1000 down (arXiv 2410.08551)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anon_ros.config import DISTILLED_TRAINING_STEPS, num_denoising_steps
from anon_ros.errors import ModelError

# Classes of diffusers by the value of inpaint.scheduler.
_SCHEDULER_CLASSES = {
    "euler": "EulerDiscreteScheduler",
    "dpm": "DPMSolverMultistepScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
}
# Models distilled for few steps know every 20th timestep alone: 19, 39, ..., 999.
_DISTILLED_SCHEDULERS = {"lcm", "tcd"}
# Options that a model's own configuration may set differently and explicit timesteps forbid.
_EXPLICIT_TIMESTEPS = {
    "timestep_spacing": "trailing",
    "timestep_type": "discrete",
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}


@dataclass(frozen=True)
class NoiseSchedule:
    """The timesteps that run.

    Attributes:
        timesteps: falling; the first is where the noise is added.
        noise_ratio: standard deviation of the noise there, sqrt(1 - alpha_bar), in 0..1.
        from_noise: start from noise alone, as with beta_d = 1.
    """

    timesteps: tuple[int, ...]
    noise_ratio: float
    from_noise: bool


def make_scheduler(name: str, model_scheduler: Any) -> Any:
    """Return a diffusers scheduler with the noise levels that the model was trained with.

    Args:
        name: value of ``inpaint.scheduler``.
        model_scheduler: the scheduler that came with the model.
    """
    import diffusers  # noqa: PLC0415 - slow

    options = {key: value for key, value in model_scheduler.config.items() if key[0] != "_"}
    return getattr(diffusers, _SCHEDULER_CLASSES[name]).from_config(options | _EXPLICIT_TIMESTEPS)


def plan_timesteps(
    scheduler_name: str, scheduler: Any, steps: int, beta_d: float, power: float = 1.0
) -> NoiseSchedule:
    """Choose the timesteps: int(steps * beta_d) of them, from beta_d * 1000 down to 0.

    With a ``power`` above 1 they come closer towards 0. With few even steps the last one has to
    remove much noise at once, which blurs; so solvers choose them closer at its end (arXiv
    2206.00364, equation 5).

    diffusers' ``strength`` keeps the last steps of a schedule instead, and with few of them starts
    far too low: 4 steps at 0.6 start at timestep 251, where the person is still recognizable.

    Raises:
        ModelError: if no step would run, or more than a distilled model knows.
    """
    asked = f"inpaint.beta_d = {beta_d} with inpaint.steps = {steps}"
    count = num_denoising_steps(steps, beta_d)
    if count < 1:
        message = f"{asked} runs no step; set inpaint.steps to {math.ceil(1 / beta_d)} or more"
        raise ModelError(message)
    if scheduler_name in _DISTILLED_SCHEDULERS and steps > DISTILLED_TRAINING_STEPS:
        message = (
            f"{asked}: inpaint.scheduler = {scheduler_name} knows "
            f"{DISTILLED_TRAINING_STEPS} steps; "
            f"set inpaint.steps to {DISTILLED_TRAINING_STEPS} or fewer"
        )
        raise ModelError(message)
    num_train_timesteps = int(scheduler.config.num_train_timesteps)
    grid = (
        num_train_timesteps // DISTILLED_TRAINING_STEPS
        if scheduler_name in _DISTILLED_SCHEDULERS
        else 1
    )
    ratios = (beta_d * ((count - index) / count) ** power for index in range(count))
    # Rounded up to the grid, so that there is never less noise than asked for.
    rounded = [math.ceil(ratio * num_train_timesteps / grid - 1e-6) * grid - 1 for ratio in ratios]
    timesteps = _separate(rounded)
    noise_ratio = float(1 - scheduler.alphas_cumprod[timesteps[0]]) ** 0.5
    return NoiseSchedule(timesteps, noise_ratio, from_noise=timesteps[0] == num_train_timesteps - 1)


def _separate(timesteps: Sequence[int]) -> tuple[int, ...]:
    """Raise timesteps that fall together so far that each is above the next."""
    separate: list[int] = []
    for timestep in reversed(timesteps):
        separate.append(max(timestep, separate[-1] + 1) if separate else timestep)
    return tuple(reversed(separate))
