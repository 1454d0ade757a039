"""Encodings of luma and chroma: yuv422, yuv422_yuy2, nv12, nv21, nv24.

Colours are ITU-R BT.601 in limited range, as OpenCV, cv_bridge and rosbags-image take them.

Exactly the luma samples under the mask are rewritten, and every chroma sample that a pixel of the
mask has a part in. Its new value is the mean over those pixels of the mask alone: the other pixels
of the cell still show the original's chroma, which must not be mixed in again.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.images.layout import RowBuffer
from anon_ros.images.packed import sample_view

Plane: TypeAlias = npt.NDArray[np.uint8]
Planes: TypeAlias = tuple[Plane, Plane, Plane]

# ITU-R BT.601: luma 16..235, chroma 16..240 around 128. Columns: R, G, B, constant.
_RGB_TO_YUV = np.array(
    [
        [65.481 / 255, 128.553 / 255, 24.966 / 255, 16],
        [-37.797 / 255, -74.203 / 255, 112.0 / 255, 128],
        [112.0 / 255, -93.786 / 255, -18.214 / 255, 128],
    ]
)
_YUV_TO_RGB = np.linalg.inv(np.vstack([_RGB_TO_YUV, [0, 0, 0, 1]]))[:3]


@dataclass(frozen=True)
class Yuv422Layout:
    """A layout of two pixels in four bytes, with a common U and V.

    Attributes:
        luma_index: index of the luma byte of a pixel: 0 for YUY2 (YUYV), 1 for UYVY.
    """

    luma_index: int
    size_multiple_hw: tuple[int, int] = (1, 2)
    min_px: int = 1

    def row_bytes(self, width_px: int) -> int:
        return width_px * 2

    def row_count(self, height_px: int) -> int:
        return height_px

    def decode(self, rows: RowBuffer) -> RgbImage:
        code = cv2.COLOR_YUV2RGB_UYVY if self.luma_index else cv2.COLOR_YUV2RGB_YUY2
        return np.asarray(cv2.cvtColor(sample_view(rows, 2, 1), code), np.uint8)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        samples = sample_view(rows, 2, 1).astype(np.uint8, copy=False)
        chroma = samples[..., 1 - self.luma_index]
        planes = (samples[..., self.luma_index], chroma[:, 0::2], chroma[:, 1::2])
        _paint(planes, self.size_multiple_hw, image, mask, roi)


@dataclass(frozen=True)
class SemiPlanarLayout:
    """A layout of a plane of luma, then a plane of chroma pairs.

    ``height`` and ``step`` of the message are those of the luma plane: so depthai's driver fills
    it, and sensor_msgs/image_encodings.hpp (getHeightScaling) and rviz take it. A row of chroma
    has ``step`` bytes for nv12 and nv21 and 2 * ``step`` for nv24, as the kernel's V4L2 formats
    say and rtsp_image_transport reads it.

    Attributes:
        u_at: index of U in a pair: 0 for nv12 and nv24, 1 for nv21.
        size_multiple_hw: pixels that share a pair: (2, 2), or (1, 1) for nv24.
    """

    u_at: int
    size_multiple_hw: tuple[int, int]
    min_px: int = 1

    def row_bytes(self, width_px: int) -> int:
        return width_px

    def row_count(self, height_px: int) -> int:
        cell_height_px, cell_width_px = self.size_multiple_hw
        return height_px + 2 * height_px // (cell_height_px * cell_width_px)

    def decode(self, rows: RowBuffer) -> RgbImage:
        if self.size_multiple_hw == (1, 1):
            luma, *chroma = self._view_planes(rows)
            # OpenCV 4 has no code for 4:4:4; like its others, black is all that is below 16.
            samples = np.dstack([np.maximum(luma, 16), *chroma])
            return np.asarray(cv2.transform(samples, _YUV_TO_RGB), np.uint8)
        code = cv2.COLOR_YUV2RGB_NV21 if self.u_at else cv2.COLOR_YUV2RGB_NV12
        return np.asarray(cv2.cvtColor(rows.data[:, : rows.width_px], code), np.uint8)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        _paint(self._view_planes(rows), self.size_multiple_hw, image, mask, roi)

    def _view_planes(self, rows: RowBuffer) -> Planes:
        cell_height_px, cell_width_px = self.size_multiple_hw
        luma = rows.data[: rows.height_px, : rows.width_px]
        pairs = rows.data[rows.height_px :].reshape(rows.height_px // cell_height_px, -1)
        pairs = pairs[:, : 2 * rows.width_px // cell_width_px]
        return luma, pairs[:, self.u_at :: 2], pairs[:, 1 - self.u_at :: 2]


def _paint(planes: Planes, cell_hw: tuple[int, int], image: RgbImage, mask: Mask, roi: Roi) -> None:
    cell_height_px, cell_width_px = cell_hw
    inside = mask[roi.slices]
    yuv_values = np.asarray(cv2.transform(image[roi.slices], _RGB_TO_YUV), np.uint8)
    luma, *chroma = planes
    np.copyto(luma[roi.slices], yuv_values[..., 0], where=inside)
    count = _sum_cells(inside, cell_hw)
    cells = (
        slice(roi.y0 // cell_height_px, roi.y1 // cell_height_px),
        slice(roi.x0 // cell_width_px, roi.x1 // cell_width_px),
    )
    for plane, values in zip(chroma, (yuv_values[..., 1], yuv_values[..., 2]), strict=True):
        total = _sum_cells(values * inside, cell_hw)
        mean = (total + count // 2) // np.maximum(count, 1)
        np.copyto(plane[cells], mean.astype(np.uint8), where=count > 0)


def _sum_cells(values: npt.NDArray[np.generic], cell_hw: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Return (H / h, W / w), the sum over each cell of h x w pixels."""
    cell_height_px, cell_width_px = cell_hw
    parts = [
        values[row::cell_height_px, column::cell_width_px]
        for row in range(cell_height_px)
        for column in range(cell_width_px)
    ]
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint16))
