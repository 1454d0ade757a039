"""The start of the noise chain: the measure of privacy, for every scheduler and step count."""

from typing import Any

import diffusers
import pytest
import torch

from anon_ros.errors import ModelError
from anon_ros.models.inpainting.noise_schedule import make_scheduler, plan_timesteps

SCHEDULERS = ("euler", "dpm", "lcm", "tcd")


def make_test_scheduler(kind: str, **options: Any) -> Any:
    published = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
        **options,
    )
    return make_scheduler(kind, published)


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("beta_d", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
def test_schedule_starts_at_beta_d(kind: str, beta_d: float) -> None:
    real = make_test_scheduler(kind)
    for steps in range(1, 51):
        if int(steps * beta_d + 1e-6) < 1:
            with pytest.raises(ModelError, match=f"beta_d = {beta_d} with inpaint.steps = {steps}"):
                plan_timesteps(kind, real, steps, beta_d)
            continue
        chain = plan_timesteps(kind, real, steps, beta_d)
        start = chain.timesteps[0]
        assert abs(start - beta_d * 1000) <= 1000 / steps
        assert start >= beta_d * 1000 - 1  # never less noise than asked for
        assert len(chain.timesteps) == int(steps * beta_d + 1e-6)
        assert list(chain.timesteps) == sorted(set(chain.timesteps), reverse=True)
        # And the real scheduler adds the noise of that timestep, not of another.
        real.set_timesteps(timesteps=list(chain.timesteps))
        real.set_begin_index(0)
        assert int(real.timesteps[0]) == start
        noisy = real.add_noise(torch.ones(1, 1), torch.zeros(1, 1), real.timesteps[:1])
        signal = real.scale_model_input(noisy, real.timesteps[0])
        assert float(signal) == pytest.approx((1 - chain.noise_ratio**2) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("kind", ["lcm", "tcd"])
def test_distilled_uses_trained_timesteps(kind: str) -> None:
    for steps in range(2, 51):
        timesteps = plan_timesteps(kind, make_test_scheduler(kind), steps, 0.57).timesteps
        assert {(timestep + 1) % 20 for timestep in timesteps} == {0}


@pytest.mark.parametrize(
    ("kind", "steps", "beta_d", "timesteps"),
    [
        ("lcm", 5, 0.6, (599, 399, 199)),
        ("euler", 4, 0.75, (749, 499, 249)),
        ("euler", 8, 0.625, (624, 499, 374, 249, 124)),
        ("euler", 4, 0.6, (599, 299)),
    ],
)
def test_timesteps_of_few_steps(
    kind: str, steps: int, beta_d: float, timesteps: tuple[int, ...]
) -> None:
    assert plan_timesteps(kind, make_test_scheduler(kind), steps, beta_d).timesteps == timesteps


@pytest.mark.parametrize("kind", ["euler", "dpm"])
def test_power_moves_steps_towards_the_end(kind: str) -> None:
    real = make_test_scheduler(kind)
    even = plan_timesteps(kind, real, 10, 0.6).timesteps
    late = plan_timesteps(kind, real, 10, 0.6, 1.5)
    assert late.timesteps == (599, 456, 326, 212, 115, 40)
    assert even == (599, 499, 399, 299, 199, 99)
    assert late.noise_ratio == plan_timesteps(kind, real, 10, 0.6).noise_ratio


@pytest.mark.parametrize("steps", [1000, 500, 7])
def test_late_steps_stay_apart(steps: int) -> None:
    """At a power of 3 hundreds of steps would round to timestep 0."""
    timesteps = plan_timesteps("dpm", make_test_scheduler("dpm"), steps, 0.9, 3.0).timesteps
    assert len(timesteps) == int(steps * 0.9 + 1e-6)
    assert list(timesteps) == sorted(set(timesteps), reverse=True)
    assert timesteps[0] == 899
    assert timesteps[-1] >= 0


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_full_schedule_starts_as_noise(kind: str) -> None:
    chain = plan_timesteps(kind, make_test_scheduler(kind), 50, 1.0)
    assert len(chain.timesteps) == 50
    assert chain.from_noise
    assert chain.noise_ratio > 0.99


def test_empty_schedule_rejected() -> None:
    with pytest.raises(ModelError, match=r"runs no step; set inpaint\.steps to 10 or more"):
        plan_timesteps("euler", make_test_scheduler("euler"), 9, 0.1)


@pytest.mark.parametrize("kind", ["lcm", "tcd"])
def test_too_many_steps_rejected(kind: str) -> None:
    with pytest.raises(ModelError, match=r"set inpaint\.steps to 50 or fewer"):
        plan_timesteps(kind, make_test_scheduler(kind), 51, 0.6)


def test_karras_keeps_timesteps() -> None:
    real = make_test_scheduler("euler", use_karras_sigmas=True)
    chain = plan_timesteps("euler", real, 20, 0.6)
    real.set_timesteps(timesteps=list(chain.timesteps))
    assert int(real.timesteps[0]) == 599
