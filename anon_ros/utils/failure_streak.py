"""Limit on frames that fail one after the other."""


class FailureStreak:
    """Counter of consecutive failures, which a single success resets.

    Models that fail with every frame must end a run: the result would be an empty recording, or a
    topic without images.

    Args:
        max_consecutive: failures in a row that are too many; 0 for no limit.
    """

    def __init__(self, max_consecutive: int) -> None:
        self._max_consecutive = max_consecutive
        self._count = 0

    def record_success(self) -> None:
        """Start to count anew."""
        self._count = 0

    def record_failure(self) -> None:
        """Count a failure."""
        self._count += 1

    @property
    def is_too_long(self) -> bool:
        """True once the limit is reached."""
        return 0 < self._max_consecutive <= self._count

    def format_limit(self, unit: str) -> str:
        """Return the beginning of an error text: "3 images in a row failed (...)".

        Args:
            unit: counted things, in the plural.
        """
        return f"{self._count} {unit} in a row failed (fail.max_consecutive)"
