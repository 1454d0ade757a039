import numpy as np
import pytest

from training.people.cameras import aim_camera, fit_window, sample_camera
from training.people.geometry import to_vector

TARGET = to_vector(0.2, -0.1, 0.9)


def test_camera_sees_front_upright() -> None:
    camera = aim_camera(TARGET, yaw=0.0, pitch=0.0, distance=5.0)
    points = TARGET + np.stack([to_vector(1, 0, 0), to_vector(0, -1, 0), to_vector(0, 0, 1)])
    left, front, up = camera.transform(points)
    assert left == pytest.approx((1, 0, -5), abs=1e-5)  # the person's left is the picture's right
    assert front == pytest.approx((0, 0, -4), abs=1e-5)
    assert up == pytest.approx((0, 1, -5), abs=1e-5)


def test_cameras_are_high_and_low_near_and_far(rng: np.random.Generator) -> None:
    cameras = [sample_camera(rng, TARGET) for _ in range(300)]
    distances = [np.linalg.norm(camera.place - TARGET) for camera in cameras]
    pitches = np.degrees([np.arcsin(camera.rotation[2, 2]) for camera in cameras])
    assert 3 <= min(distances) < 4
    assert 30 < max(distances) <= 40.001
    assert pitches.min() >= -0.01
    assert 40 < pitches.max() < 50.001
    assert (pitches < 25).mean() > 0.7


@pytest.mark.parametrize("spread", [(0.3, 0.3, 0.9), (2.0, 0.2, 0.3)])
def test_window_fills_share(rng: np.random.Generator, spread: tuple[float, float, float]) -> None:
    """Of the side that binds; distances on both axes keep their ratio."""
    points = TARGET + rng.uniform(-1, 1, (500, 3)) * spread
    flat = aim_camera(TARGET, 0.0, 0.3, 6.0).transform(points)
    matrix = fit_window(flat).project(0.96)
    clip = np.c_[flat, np.ones(500)] @ matrix.T
    seen = clip[:, :3] / clip[:, 3:]
    size = np.ptp(seen[:, :2], axis=0) / 2
    assert size.max() == pytest.approx(0.96, abs=1e-4)
    assert matrix[1, 1] / matrix[0, 0] == pytest.approx(128 / 192, rel=1e-5)
    assert np.abs(seen).max() <= 1


def test_crop_fits_visible_part(rng: np.random.Generator) -> None:
    flat = aim_camera(TARGET, 0.0, 0.0, 6.0).transform(TARGET + rng.uniform(-1, 1, (500, 3)))
    window = fit_window(flat)
    same = window.crop(0.96, np.array([-0.96, -0.64]), np.array([0.96, 0.64]))
    assert same.project(0.96) == pytest.approx(window.project(0.96), rel=0.05)
