"""The command that renders synthetic people: python -m training.people --out DIR --count N."""

import argparse
from pathlib import Path

from training.errors import TrainingError
from training.people.shards import list_jobs, run_jobs


def main() -> None:
    """Write shards people_00000.npz and so on; those that exist are kept."""
    parser = argparse.ArgumentParser(prog="python -m training.people", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--count", type=int, required=True, help="number of figures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        run_jobs(list_jobs(options.out, options.count, options.seed), options.workers)
    except TrainingError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
