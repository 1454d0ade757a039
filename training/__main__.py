"""Trains the generator: ``python -m training --figures DIR --work DIR --out generator``."""

import argparse
import sys
import time
from pathlib import Path

import torch

from training.checkpoint import read_num_steps
from training.crops import CropMaker
from training.errors import TrainingError
from training.export import export_pipeline
from training.figures import load_figures
from training.networks import load_weights, make_vae
from training.progress import Clock, choose_timer
from training.random_values import RandomValues
from training.streets import load_streets
from training.unet_training import train_unet
from training.vae_training import train_vae

_VAE_RATIO = 0.18
_BATCH_SIZES = {"cuda": 256, "cpu": 16}


def main() -> None:
    """Train VAE and UNet on random crops, and export them when the budget is spent."""
    options = _parse_arguments()
    started = time.monotonic()
    deadline, budget_s = started + options.stop_after_s, 60 * options.minutes
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    batch_size = options.batch_size or _BATCH_SIZES[device.type]
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    # A resumed run sees other crops.
    num_steps = sum(read_num_steps(work / name) for name in ("vae.pt", "unet.pt"))
    random = RandomValues.seed(options.seed + num_steps, device)
    figures = load_figures(options.figures).to(device)
    streets = load_streets(work, options.streets, options.seed)
    crops = CropMaker(figures, streets.to(device), random)
    print(f"{len(figures)} figures, {len(streets)} streets, {time.monotonic() - started:.0f} s")
    timer = choose_timer(device)
    start: Path | None = options.start
    if start is None:
        vae_clock = Clock(_VAE_RATIO * budget_s, deadline, timer=timer)
        vae = train_vae(
            crops, random, vae_clock, max(4, batch_size // 4), work / "vae.pt", options.report_s
        )
        budget_s -= vae_clock.planned_s
    else:
        vae = make_vae()
        load_weights(vae, start / "vae")
        vae = vae.to(device).eval().requires_grad_(False)
    unet_clock = Clock(budget_s, deadline, timer=timer)
    unet = train_unet(
        *(vae, crops, random, unet_clock, batch_size, work / "unet.pt", options.report_s),
        start and start / "unet",
    )
    if not unet_clock.is_spent:
        print(f"not finished, nothing exported yet; the same command goes on from {work}")
        return
    export_pipeline(vae, unet, options.out)
    print(f"{options.out}: {time.monotonic() - started:.0f} s, 100% of the budget")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    add = parser.add_argument
    add("--figures", type=Path, required=True, help="folder of python -m training.people")
    add("--work", type=Path, required=True, help="folder of checkpoints; a later run resumes them")
    add("--out", type=Path, required=True, help="folder of the diffusers pipeline to write")
    add("--start", type=Path, help="an exported pipeline: keep its VAE, train its UNet further")
    add(
        "--minutes",
        type=float,
        default=60,
        help="training time of all runs (%(default)s); on the CPU what the main thread computes",
    )
    add(
        "--stop-after-s",
        type=float,
        default=float("inf"),
        help="end this run so many seconds after its start; the same command goes on",
    )
    add("--streets", type=int, default=1500, help="different streets (%(default)s)")
    add("--seed", type=int, default=0)
    add("--batch-size", type=int, default=0, help="crops of 64 x 128 px a step (GPU 256, CPU 16)")
    add("--device", default="", help="cuda or cpu; default: cuda where there is one")
    add(
        "--report-s",
        type=float,
        default=20,
        help="seconds between lines (%(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except TrainingError as error:
        sys.exit(f"training: {error}")
