"""Images scaled into the square of the network, and boxes scaled back."""

import numpy as np
import pytest

from anon_ros.models.detection.backends.letterbox import Letterbox


@pytest.mark.parametrize("image_wh", [(1920, 1080), (333, 777), (5, 2000), (1, 1)])
def test_boxes_return_to_their_place(image_wh: tuple[int, int]) -> None:
    letterbox = Letterbox.plan(image_wh, 640, 32)
    assert all(side % 32 == 0 for side in letterbox.network_wh)
    (left, top), (width, height) = letterbox.offset_xy, letterbox.resized_wh
    whole = np.array([[left, top, left + width, top + height]], np.float32)
    assert letterbox.boxes_to_image(whole)[0].tolist() == pytest.approx([0, 0, *image_wh])
    beyond = np.array([[-50, -50, 5000, 5000]], np.float32)
    assert letterbox.boxes_to_image(beyond)[0].tolist() == [0, 0, *image_wh]
