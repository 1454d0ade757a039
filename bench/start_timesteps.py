"""Print where the noise chain starts, for each scheduler, step count and beta_d, as CSV.

The last column is where diffusers' own pipeline starts with strength = beta_d: far lower for few
steps. `make docs` writes the table to docs/start_timesteps.csv; a test keeps it up to date.
"""

import csv
import sys
from typing import Any, TextIO

from anon_ros.errors import ModelError
from anon_ros.models.inpainting.noise_schedule import make_scheduler, plan_timesteps
from anon_ros.models.weights.offline import disable_network_access

disable_network_access()

import diffusers  # noqa: E402 - after the switches

SCHEDULERS = ("euler", "dpm", "lcm", "tcd")
BETAS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
STEPS = range(1, 51)


def make_published_scheduler() -> Any:
    """Return the scheduler of SDXL's files."""
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )


def write(stream: TextIO) -> None:
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["scheduler", "steps", "beta_d", "steps_run", "start", "noise", "diffusers"])
    published = make_published_scheduler()
    for kind in SCHEDULERS:
        ours = make_scheduler(kind, published)
        stock = type(ours).from_config(published.config)
        for steps in STEPS:
            for beta_d in BETAS:
                try:
                    chain = plan_timesteps(kind, ours, steps, beta_d)
                    cells = [len(chain.timesteps), chain.timesteps[0], f"{chain.noise_ratio:.3f}"]
                except ModelError:
                    cells = ["refused", "", ""]
                rows.writerow(
                    [kind, steps, beta_d, *cells, _find_stock_start(stock, steps, beta_d)]
                )


def _find_stock_start(scheduler: Any, steps: int, beta_d: float) -> int | str:
    scheduler.set_timesteps(steps)
    run = int(steps * beta_d)
    return int(scheduler.timesteps[steps - run]) if run else "none"


if __name__ == "__main__":
    write(sys.stdout)
