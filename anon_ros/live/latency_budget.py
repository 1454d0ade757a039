"""Forecast of the time that inpainting takes."""

from anon_ros.utils.units import NS_PER_MS

# Of the newest measurement in the running mean.
_EMA_WEIGHT = 0.3
# A forecast that forbids inpainting is never put right by measuring, so it fades: a stall of ten
# times the budget is forgotten after 230 frames.
_FORECAST_DECAY = 0.99


class LatencyBudget:
    """A forecast per person, from the time that it took before."""

    def __init__(self) -> None:
        self._person_ns = 0.0

    def allows(self, num_persons: int, passed_ns: int, budget_ms: float) -> bool:
        """Return True if that many persons are done in time.

        Args:
            num_persons: all that are inpainted before this frame can be published.
            passed_ns: since the frame arrived.
            budget_ms: from arrival to publication; 0 for no limit.
        """
        if not budget_ms or not num_persons:
            return True
        is_allowed = passed_ns + num_persons * self._person_ns <= budget_ms * NS_PER_MS
        if not is_allowed:
            self._person_ns *= _FORECAST_DECAY
        return is_allowed

    def update(self, num_persons: int, duration_ns: int) -> None:
        """Learn from the time that ``num_persons`` (1 or more) took together."""
        person_ns = duration_ns / num_persons
        if self._person_ns:
            person_ns = _EMA_WEIGHT * person_ns + (1 - _EMA_WEIGHT) * self._person_ns
        self._person_ns = person_ns
