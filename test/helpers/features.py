"""Sets of features with known statistics."""

import numpy as np
import torch


class IdentityFeatures(torch.nn.Module):
    """The features are the images."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


def make_feature_sets(count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    mixing = random.normal(size=(features, features)) / np.sqrt(features)
    one = random.normal(size=(count, features)) @ mixing
    other = 0.4 + 1.3 * random.normal(size=(count + 7, features)) @ mixing[::-1]
    return one.astype(np.float32), other.astype(np.float32)
