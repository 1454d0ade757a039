"""The command that renders synthetic people: python -m training.people --out DIR --count N."""

import argparse
import itertools
import multiprocessing
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

SHARD = 256  # figures per file


class Job(NamedTuple):
    """A shard: its file, how many figures it has, and the seed of its random numbers."""

    path: Path
    figures: int
    seed: list[int]


def main() -> None:
    """Write shards people_00000.npz and so on; those that exist are kept."""
    options = _parse()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = list_jobs(options.out, options.count, options.seed)
    if options.workers == 1:
        _write_shards(jobs)
        return
    # Fresh interpreters: an OpenGL context does not survive a fork.
    context = multiprocessing.get_context("spawn")
    shares = [jobs[first :: options.workers] for first in range(options.workers)]
    with context.Pool(options.workers) as pool:
        pool.map(_write_shards, shares, chunksize=1)


def list_jobs(folder: Path, count: int, seed: int) -> list[Job]:
    """Return the shards of a folder that are still to be written."""
    starts = range(0, count, SHARD)
    jobs = [
        Job(folder / f"people_{number:05}.npz", min(SHARD, count - start), [seed, number])
        for number, start in enumerate(starts)
    ]
    return [job for job in jobs if not job.path.exists()]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.people", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--count", type=int, required=True, help="number of figures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    return parser.parse_args()


def _write_shards(jobs: list[Job]) -> None:
    # Imported late: the command's help needs neither the model nor OpenGL.
    from training.people.bodies import BodyFactory  # noqa: PLC0415
    from training.people.rasterizer import Rasterizer  # noqa: PLC0415
    from training.people.sampler import iterate_figures  # noqa: PLC0415

    factory, rasterizer = BodyFactory(), Rasterizer()
    for job in jobs:
        figures = iterate_figures(np.random.default_rng(job.seed), factory, rasterizer)
        write_shard(job.path, np.stack(list(itertools.islice(figures, job.figures))))
        print(job.path, flush=True)


def write_shard(path: Path, figures: "np.typing.NDArray[np.uint8]") -> None:
    """Write figures (N, H, W, 4) to a file, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, figures=figures)
    os.replace(partial, path)  # noqa: PTH105 - atomic


if __name__ == "__main__":
    main()
