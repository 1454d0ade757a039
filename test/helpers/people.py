"""The renderer of synthetic people, run as its command and watched."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from helpers.paths import ROOT

COUNT, SEED = 192, 4
# Runs the command, and writes to the file of its first argument which files and modules it used.
_WATCHED = """
import json, runpy, sys
from pathlib import Path
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
log = sys.argv.pop(1)
runpy.run_module("training.people", run_name="__main__", alter_sys=True)
Path(log).write_text(json.dumps([sorted(opened), sorted(sys.modules)]))
"""


@dataclass(frozen=True)
class Rendering:
    """A folder of figures, and what its program opened and imported."""

    folder: Path
    figures: npt.NDArray[np.uint8]  # (N, 192, 128, 4)
    opened: list[str]
    modules: list[str]


def render_people(folder: Path) -> Rendering:
    """Return figures and what the program used."""
    log = folder / "log.json"
    run_people(folder, "-c", _WATCHED, str(log))
    opened, modules = json.loads(log.read_text(encoding="utf-8"))
    with np.load(folder / "people_00000.npz") as shard:
        return Rendering(folder, shard["figures"], opened, modules)


def run_people(folder: Path, *program: str) -> None:
    """Run a Python program with the arguments of the renderer's command."""
    subprocess.run(
        [sys.executable, *program, "--out", folder, "--count", str(COUNT), "--seed", str(SEED)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        timeout=200,
    )


def has_opengl() -> bool:
    """Return whether a context can be had; asked in a process that may crash."""
    code = "import moderngl; moderngl.create_context(standalone=True, backend='egl')"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=200
    )
    return done.returncode == 0
