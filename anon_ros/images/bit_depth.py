"""16-bit samples as the 8 bits that the models see, and back.

Cameras with 10, 12 or 14 bits fill only the low bits of a 16-bit sample, and no message says how
many. So white is the smallest 2**n - 1, n >= 8, that holds all but a thousandth of the samples: one
hot pixel must not darken an image until nobody is detected in it.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.images.layout import Samples

_WHITE_8BIT = 255
_BELOW_WHITE = 0.999
_SAMPLED = 100_000


def white_level(samples: Samples) -> int:
    """Return the value that stands for white: 255 for uint8, 255..65535 for uint16."""
    if samples.dtype == np.uint8:
        return _WHITE_8BIT
    some = samples.reshape(-1)[:: max(1, samples.size // _SAMPLED)]
    rank = math.ceil(_BELOW_WHITE * (len(some) - 1))
    return max((1 << int(np.partition(some, rank)[rank]).bit_length()) - 1, _WHITE_8BIT)


def to_8bit(samples: Samples) -> npt.NDArray[np.uint8]:
    """Return ``samples`` with their white level brought to 255; uint8 is returned as it is."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return np.asarray(
        cv2.convertScaleAbs(samples, alpha=_WHITE_8BIT / white_level(samples)), np.uint8
    )


def from_8bit(values: npt.NDArray[np.uint8], white: int) -> Samples:
    """Invert ``to_8bit`` for samples of the given white level; uint8 for white 255.

    Values survive ``to_8bit`` exactly.
    """
    if white == _WHITE_8BIT:
        return values
    table = np.rint(np.arange(256) * (white / _WHITE_8BIT)).astype(np.uint16)
    return np.asarray(cv2.LUT(values, table), np.uint16)
