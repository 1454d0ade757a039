"""The demo's recorded drive: anonymized with the profile street, checked, shown."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from helpers.paths import ROOT

FRAMES = 3
CODE = f"""
import sys
from pathlib import Path
sys.path.insert(0, "demo")
from bag_demo import anonymize_drive, record_drive
from camera_frames import Panning
from run import CONFIGS
from write_pictures import write_pictures
folder, weights = map(Path, sys.argv[1:])
record_drive(folder / "drive", Panning(), range({FRAMES}))
configs = [*CONFIGS, folder / "short.yaml"]
assert anonymize_drive(folder / "drive", folder / "out", configs, weights)
print(*write_pictures(folder / "drive", folder / "out", folder, (100, 50, 320, 240)))
"""
SHORT = """
/**:
  ros__parameters:
    inpaint: {steps: 4}
    detect: {inference_px: 320}
"""


def test_drive_shows_synthetic_persons(demo_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path, demo_weights],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (topic,) = (
        topic
        for topic in json.loads((tmp_path / "out" / "report.json").read_text())["topics"]
        if topic["decision"] == "ANONYMIZE"
    )
    assert topic["inpainted"] > 0.8 * topic["persons"] > 0
    picture, clip, loop = map(Path, done.stdout.split()[-3:])
    image = cv2.imread(str(picture))
    left, right = image[:, :320], image[:, -320:]
    assert image.shape == (240, 648, 3)
    assert 0 < np.mean((left != right).any(axis=2)) < 0.5
    assert clip.stat().st_size > 1000
    with Image.open(loop) as frames:
        assert (frames.n_frames, frames.format) == (FRAMES, "WEBP")
