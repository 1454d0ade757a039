"""Cameras of the street: high and low, near and far, and the window that fits a figure."""

import math
from dataclasses import dataclass

import numpy as np

from training.figures import HEIGHT_PX, WIDTH_PX
from training.people.geometry import Floats


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks at a point: rotation to x right, y up, z backward, and its place."""

    rotation: Floats  # (3, 3)
    place: Floats  # (3,)

    def transform(self, points: Floats) -> Floats:
        """Return world points (N, 3) in camera space."""
        return (points - self.place) @ self.rotation.T


def sample_camera(rng: np.random.Generator, target: Floats) -> Camera:
    """Return a camera that looks at a point from any side, mostly from not far above."""
    pitch = abs(rng.normal(0, 0.2)) if rng.random() < 0.75 else rng.uniform(0.2, 0.87)
    distance = math.exp(rng.uniform(math.log(3), math.log(40)))
    return aim_camera(target, rng.uniform(0, 2 * math.pi), min(pitch, 0.87), distance)


def aim_camera(target: Floats, yaw: float, pitch: float, distance: float) -> Camera:
    """Return a camera at angles and a distance in metres; yaw 0 sees the front."""
    flat = np.array([math.sin(yaw), -math.cos(yaw), 0])
    backward = flat * math.cos(pitch) + np.array([0, 0, math.sin(pitch)])
    right = np.array([math.cos(yaw), math.sin(yaw), 0])
    rotation = np.stack([right, np.cross(backward, right), backward]).astype(np.float32)
    return Camera(rotation, (target + backward * distance).astype(np.float32))


@dataclass(frozen=True)
class Window:
    """The part of the image plane that is rendered: x, y at distance 1, and depths in metres."""

    low: Floats  # (2,)
    high: Floats  # (2,)
    near: float
    far: float

    def project(self, share: float) -> Floats:
        """Return the matrix (4, 4) with which the window fills a share of the image."""
        scales = self._scale(share)
        near, far = self.near, self.far
        matrix = np.zeros((4, 4), np.float32)
        matrix[0, 0], matrix[1, 1] = scales
        matrix[:2, 2] = scales * (self.low + self.high) / 2
        matrix[2, 2:] = -(far + near) / (far - near), -2 * far * near / (far - near)
        matrix[3, 2] = -1
        return matrix

    def crop(self, share: float, low: Floats, high: Floats) -> "Window":
        """Return the window of a part of the image, whose corners are from -1 to 1."""
        scales, center = self._scale(share), (self.low + self.high) / 2
        return Window(low / scales + center, high / scales + center, self.near, self.far)

    def _scale(self, share: float) -> Floats:
        # One scale for both axes keeps the aspect ratio; the tighter side binds.
        size = np.maximum(self.high - self.low, 1e-6)
        scale = 2 * share * min(1 / size[1], WIDTH_PX / HEIGHT_PX / size[0])
        return np.array([scale * HEIGHT_PX / WIDTH_PX, scale])


def fit_window(points: Floats) -> Window:
    """Return the window around camera points (N, 3)."""
    depth = -points[:, 2]
    flat = points[:, :2] / depth[:, None]
    near, far = float(depth.min()) * 0.95, float(depth.max()) * 1.05
    return Window(flat.min(axis=0), flat.max(axis=0), near, far)
