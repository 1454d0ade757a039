"""Binary differences between a message of the input and the one that replaces it."""

import hashlib

import numpy as np
import zstandard

from anon_ros.errors import BagError

_DIGEST_BYTES = 16
_REPLACEMENT, _CHANGES = b"W", b"D"
_COMPRESSION_LEVEL = 1


def message_digest(data: bytes) -> bytes:
    """Return a digest of 16 bytes by which a message is recognized."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def make_delta(source: bytes, target: bytes) -> bytes:
    """Return the bytes from which ``apply_delta`` makes ``target``.

    They are few if ``target`` has the length of ``source`` and few bytes differ.

    Args:
        source: message of the input.
        target: message of the output.
    """
    digest = message_digest(source)
    if len(source) != len(target):
        return digest + _REPLACEMENT + zstandard.compress(target, _COMPRESSION_LEVEL)
    source_bytes, target_bytes = (np.frombuffer(data, np.uint8) for data in (source, target))
    differs = source_bytes != target_bytes
    changes = np.packbits(differs).tobytes() + target_bytes[differs].tobytes()
    return digest + _CHANGES + zstandard.compress(changes, _COMPRESSION_LEVEL)


def apply_delta(source: bytes, delta: bytes) -> bytes:
    """Return the message of the output.

    Args:
        source: message of the input.
        delta: from ``make_delta`` with the same ``source``.

    Raises:
        BagError: if ``source`` has changed: the differences are where persons *were*.
    """
    if delta[:_DIGEST_BYTES] != message_digest(source):
        message = "the input has changed since this run began; remove the unfinished output"
        raise BagError(message)
    kind, data = delta[_DIGEST_BYTES:][:1], zstandard.decompress(delta[_DIGEST_BYTES + 1 :])
    if kind == _REPLACEMENT:
        return data
    target = np.frombuffer(source, np.uint8).copy()
    bits, values = np.split(np.frombuffer(data, np.uint8), [(len(source) + 7) // 8])
    target[np.unpackbits(bits, count=len(source)).astype(np.bool_)] = values
    return target.tobytes()
