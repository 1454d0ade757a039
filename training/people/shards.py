"""The shards of figures: which are missing, and how they are written."""

import itertools
import multiprocessing
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.people.bodies import BodyFactory
from training.people.rasterizer import Rasterizer
from training.people.sampler import iterate_figures

SHARD = 256  # figures per file


class Job(NamedTuple):
    """A shard: its file, how many figures it has, and the seed of its random numbers."""

    path: Path
    figures: int
    seed: list[int]


def list_jobs(folder: Path, count: int, seed: int) -> list[Job]:
    """Return the shards of a folder that are still to be written."""
    starts = range(0, count, SHARD)
    jobs = [
        Job(folder / f"people_{number:05}.npz", min(SHARD, count - start), [seed, number])
        for number, start in enumerate(starts)
    ]
    return [job for job in jobs if not job.path.exists()]


def run_jobs(jobs: list[Job], workers: int) -> None:
    """Write shards, in some processes.

    Raises:
        TrainingError: if a package or OpenGL is missing.
    """
    if workers == 1:
        _write_shards(jobs)
        return
    # Fresh interpreters: an OpenGL context does not survive a fork.
    context = multiprocessing.get_context("spawn")
    shares = [jobs[first::workers] for first in range(workers)]
    with context.Pool(workers) as pool:
        pool.map(_write_shards, shares, chunksize=1)


def _write_shards(jobs: list[Job]) -> None:
    if not jobs:
        return
    # In this order: libraries that are loaded after Mesa crash.
    factory, rasterizer = BodyFactory(), Rasterizer()
    for job in jobs:
        figures = iterate_figures(np.random.default_rng(job.seed), factory, rasterizer)
        _write_shard(job.path, np.stack(list(itertools.islice(figures, job.figures))))
        print(job.path, flush=True)


def _write_shard(path: Path, figures: npt.NDArray[np.uint8]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, figures=figures)
    os.replace(partial, path)  # noqa: PTH105 - atomic
