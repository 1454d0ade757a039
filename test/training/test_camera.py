import cv2
import numpy as np
import torch

from training.camera import blur, compress_jpeg, photograph
from training.crops import CropMaker
from training.random_values import RandomValues


def test_jpeg_like_that_of_a_library(crop_maker: CropMaker) -> None:
    """Against libjpeg: the same loss, not the same rounding of every step."""
    images = (crop_maker.make_batch(4, 128, 64).images + 1) / 2
    for quality in (40, 75, 95):
        ours = compress_jpeg(images, torch.full((4,), float(quality)))
        theirs = torch.stack([_compress_by_opencv(image, quality) for image in images])
        lost = (theirs - images).abs().mean()
        assert (ours - theirs).abs().mean() < 0.35 * lost + 0.002
        assert ((ours - images).abs().mean() - lost).abs() < 0.3 * lost + 0.002


def _compress_by_opencv(image: torch.Tensor, quality: int) -> torch.Tensor:
    bgr = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255).round().astype(np.uint8)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return torch.from_numpy(decoded[..., ::-1].copy()).permute(2, 0, 1).float() / 255


def test_blur_per_image() -> None:
    point = torch.zeros(2, 1, 15, 15)
    point[:, :, 7, 7] = 1
    sharp, soft = blur(point, torch.tensor([0.0, 1.5]))
    assert sharp[0, 7, 7] == 1
    spread = torch.arange(-7.0, 8) ** 2 @ soft[0].sum(0)
    assert abs(spread.item() - 1.5**2) < 0.15


def test_photographs_are_images(random: RandomValues) -> None:
    images = torch.rand(16, 3, 64, 32)
    seen = photograph(images, random)
    assert seen.shape == images.shape
    assert seen.min() >= 0
    assert seen.max() <= 1
