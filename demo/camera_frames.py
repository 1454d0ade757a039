"""Frames of the demo's camera: the same frame for the same index, in every process."""

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

WIDTH_PX, HEIGHT_PX = 640, 480
PERIOD_NS = 200_000_000
# The live camera plays them slower: two cores detect and draw the persons of two frames a second.
LIVE_PERIOD_S = 0.5
START_NS = 1_700_000_000_000_000_000

# Pedestrians, 768 x 576 px; their README tells where they are from.
STREET = Path(__file__).resolve().parents[1] / "test" / "data" / "vtest"

BgrImage = npt.NDArray[np.uint8]


class Panning:
    """Camera that pans over still images of a street, and cuts to the next every 20 frames."""

    def __init__(self) -> None:
        paths = sorted(STREET.glob("*.jpg"))
        self._stills = [np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR)) for path in paths]

    def frame(self, index: int) -> BgrImage:
        still = self._stills[index // 20 % len(self._stills)]
        left_px = self._place(index / 9, still.shape[1] - WIDTH_PX)
        top_px = self._place(index / 13, still.shape[0] - HEIGHT_PX)
        window = still[top_px : top_px + HEIGHT_PX, left_px : left_px + WIDTH_PX]
        return np.ascontiguousarray(window, np.uint8)

    @staticmethod
    def _place(phase: float, room_px: int) -> int:
        return round(room_px * (0.5 + 0.5 * math.sin(phase)))


class Video:
    """Frames of a video file, from its beginning."""

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path))
        self._next = 0
        if not self._capture.isOpened():
            message = f"{path} cannot be read as a video"
            raise SystemExit(message)

    def frame(self, index: int) -> BgrImage:
        while self._next <= index:
            read, image = self._capture.read()
            self._next += 1
        if not read:
            message = f"the video ends before frame {index}"
            raise SystemExit(message)
        return np.asarray(cv2.resize(image, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA))


def open_camera(video: Path | None) -> Panning | Video:
    return Panning() if video is None else Video(video)


def stamp_ns(index: int) -> int:
    """Return the header stamp of a frame, from which the check derives its index."""
    return START_NS + index * PERIOD_NS


def index_of(stamp: int) -> int:
    return (stamp - START_NS) // PERIOD_NS
