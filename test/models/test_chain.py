import diffusers
import pytest

from anon_ros.errors import ModelError
from anon_ros.models.chain import chain_start


def scheduler(spacing: str = "leading") -> object:
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing=spacing,
        steps_offset=1,
    )


@pytest.mark.parametrize(
    ("steps", "beta_d", "steps_run", "timestep"),
    [(50, 0.6, 30, 581), (50, 0.3, 15, 281), (50, 0.58, 29, 561), (50, 0.55, 27, 521)],
)
def test_where_the_published_schedule_starts(
    steps: int, beta_d: float, steps_run: int, timestep: int
) -> None:
    start = chain_start(scheduler(), steps, beta_d)
    assert (start.steps_run, start.timestep) == (steps_run, timestep)
    assert int(steps * start.strength) == steps_run


def test_the_whole_chain_starts_from_pure_noise() -> None:
    start = chain_start(scheduler(), 50, 1.0)
    assert start.steps_run == 50
    assert start.strength == 1.0
    assert start.noise_ratio > 0.99


@pytest.mark.parametrize("steps", [2, 4, 5])
def test_few_steps_that_start_far_too_low_are_refused(steps: int) -> None:
    with pytest.raises(ModelError, match="would start at timestep"):
        chain_start(scheduler(), steps, 0.6)


def test_few_steps_that_start_where_asked_are_taken() -> None:
    assert chain_start(scheduler("trailing"), 5, 0.6).timestep == 599


def test_a_chain_of_no_steps_is_refused_with_the_number_needed() -> None:
    with pytest.raises(ModelError, match=r"runs no step; set inpaint\.steps to 10 or more"):
        chain_start(scheduler(), 9, 0.1)


@pytest.mark.parametrize("beta_d", [0.05 * n for n in range(1, 21)])
def test_fifty_steps_are_enough_for_any_beta_d(beta_d: float) -> None:
    assert abs(chain_start(scheduler(), 50, beta_d).timestep / 1000 - beta_d) <= 0.05
