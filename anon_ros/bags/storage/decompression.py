"""Decompression within a limit: a few hundred bytes may declare, or become, gigabytes."""

import bz2
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Protocol

import lz4.frame
import zstandard

from anon_ros.config import Config
from anon_ros.errors import SizeLimitError
from anon_ros.utils.units import BYTES_PER_MIB

DEFAULT_MAX_BYTES = Config().fail.max_decompressed_bytes

# So few compressed bytes at a time become no more than 64 MiB.
_ZSTD_INPUT_BYTES, _LZ4_INPUT_BYTES = 2**11, 2**16
_BZ2_OUTPUT_BYTES = 2**20
_CUT_OFF = "it is cut off"
# Of the libraries; bz2 raises OSError.
_DAMAGE = (zstandard.ZstdError, RuntimeError, OSError, EOFError, ValueError)


class _Decompressor(Protocol):
    """Decompressor of a single frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def reject_oversized(num_bytes: int, max_bytes: int) -> None:
    """Reject data that have, or declare, more than ``max_bytes``.

    Raises:
        SizeLimitError: names size and parameter.
    """
    if num_bytes > max_bytes:
        limit = f"{max_bytes // BYTES_PER_MIB} MiB (fail.max_decompressed_mib)"
        message = f"{num_bytes} bytes or more, over the limit of {limit}"
        raise SizeLimitError(message)


def decompress(data: bytes, compression: str, num_declared: int | None, max_bytes: int) -> bytes:
    """Decompress a single frame, block by block.

    Args:
        data: compressed.
        compression: "zstd", "lz4" or "bz2".
        num_declared: bytes that a record declares them to become; None if it does not.
        max_bytes: that they may become.

    Raises:
        SizeLimitError: if they become, or declare, more than ``max_bytes``.
        ValueError: if they are damaged, or do not become what is declared.
    """
    reject_oversized(num_declared or 0, max_bytes)
    limit = max_bytes if num_declared is None else num_declared
    blocks, num_bytes = [], 0
    try:
        for block in _ITERATORS[compression](data):
            num_bytes += len(block)
            if num_bytes > limit:
                break
            blocks.append(block)
    except _DAMAGE as error:
        message = f"cannot be decompressed: {error}"
        raise ValueError(message) from error
    if num_declared is not None and num_bytes != num_declared:
        message = f"cannot be decompressed: it has not the {num_declared} bytes that it declares"
        raise ValueError(message)
    reject_oversized(num_bytes, max_bytes)
    return b"".join(blocks)


def iter_zstd_frames(stream: BinaryIO) -> Iterator[bytes]:
    """Decompress zstd frames, one behind another, block by block.

    Raises:
        zstandard.ZstdError, ValueError: if they are damaged.
        OSError: if they cannot be read.
    """
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    while piece := stream.read(_ZSTD_INPUT_BYTES):
        while piece:
            if decompressor.eof:
                decompressor = zstandard.ZstdDecompressor().decompressobj()
            yield decompressor.decompress(piece)
            piece = decompressor.unused_data if decompressor.eof else b""
    if not decompressor.eof:
        raise ValueError(_CUT_OFF)


def _iter_zstd(data: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    return _iter_frame(decompressor, data, _ZSTD_INPUT_BYTES)


def _iter_lz4(data: bytes) -> Iterator[bytes]:
    return _iter_frame(lz4.frame.LZ4FrameDecompressor(), data, _LZ4_INPUT_BYTES)


def _iter_frame(decompressor: _Decompressor, data: bytes, num_input: int) -> Iterator[bytes]:
    for start in range(0, len(data), num_input):
        yield decompressor.decompress(data[start : start + num_input])
        if decompressor.eof:
            # What nobody decompresses, nobody has looked at.
            if decompressor.unused_data or start + num_input < len(data):
                message = "there are bytes behind its end"
                raise ValueError(message)
            return
    raise ValueError(_CUT_OFF)


def _iter_bz2(data: bytes) -> Iterator[bytes]:
    decompressor = bz2.BZ2Decompressor()
    rest = data
    while not decompressor.eof:
        yield decompressor.decompress(rest, _BZ2_OUTPUT_BYTES)
        if decompressor.needs_input and not decompressor.eof:
            raise ValueError(_CUT_OFF)
        rest = b""


_ITERATORS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "zstd": _iter_zstd,
    "lz4": _iter_lz4,
    "bz2": _iter_bz2,
}
