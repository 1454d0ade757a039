"""Street scene of 1920 x 1080 px with fixed near and far persons."""

import numpy as np
import numpy.typing as npt

SCENES = (1, 5, 20)

# x, y of the upper left corner, width, height in px; the first N are the scene of N persons.
_PERSONS = (
    (820, 380, 150, 400),
    (300, 420, 110, 300),
    (1400, 300, 220, 620),
    (600, 450, 70, 190),
    (1150, 440, 80, 210),
    (100, 430, 90, 240),
    (980, 455, 60, 160),
    (1650, 410, 130, 340),
    (450, 460, 55, 150),
    (700, 465, 50, 140),
    (1060, 460, 55, 145),
    (1270, 450, 65, 175),
    (210, 455, 60, 160),
    (1800, 400, 110, 350),
    (540, 470, 45, 120),
    (1330, 470, 45, 125),
    (20, 440, 70, 200),
    (760, 475, 40, 110),
    (1010, 478, 38, 105),
    (1560, 440, 80, 220),
)

BOXES_XYXY: npt.NDArray[np.float32] = np.array(
    [(x, y, x + width, y + height) for x, y, width, height in _PERSONS], np.float32
)


def make_image() -> npt.NDArray[np.uint8]:
    """(1080, 1920, 3) uint8 with texture of the same kind each time."""
    coarse = np.random.default_rng(0).integers(0, 256, (68, 120, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(16, axis=0).repeat(16, axis=1)[:1080])
