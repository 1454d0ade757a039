"""Whether there is time to inpaint."""

from anon_ros.utils.units import NS_PER_MS

# Of the newest measurement in the running mean.
_NEWEST = 0.3
# A forecast that forbids inpainting is never put right by measuring, so it fades: a stall of ten
# times the budget is forgotten after 230 frames.
_FADE = 0.99


class LatencyBudget:
    """Foretells how long inpainting takes from how long it took, per person."""

    def __init__(self) -> None:
        self._person_ns = 0.0

    def allows(self, persons: int, passed_ns: int, budget_ms: float) -> bool:
        """Whether that many persons are done in time.

        Args:
            persons: all that are drawn before this frame can be published.
            passed_ns: since the frame arrived.
            budget_ms: from arrival to publication; 0 for no limit.
        """
        if not budget_ms or not persons:
            return True
        allowed = passed_ns + persons * self._person_ns <= budget_ms * NS_PER_MS
        if not allowed:
            self._person_ns *= _FADE
        return allowed

    def update(self, persons: int, taken_ns: int) -> None:
        """Take in how long ``persons`` (1 or more) took together."""
        newest = taken_ns / persons
        if self._person_ns:
            newest = _NEWEST * newest + (1 - _NEWEST) * self._person_ns
        self._person_ns = newest
