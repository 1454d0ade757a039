"""Forecast of the time that inpainting takes."""

from collections import Counter

from anon_ros.core import Tier
from anon_ros.utils.units import NS_PER_MS

# Of the newest measurement in the running mean.
_EMA_WEIGHT = 0.3
# A forecast that forbids inpainting is never put right by measuring, so it fades: a stall of ten
# times the budget is forgotten after 230 frames.
_FORECAST_DECAY = 0.99


class LatencyBudget:
    """A forecast per person and model, from the time that it took before."""

    def __init__(self) -> None:
        self._person_ns = dict.fromkeys(Tier, 0.0)

    def allows(self, num_persons: Counter[Tier], passed_ns: int, budget_ms: float) -> bool:
        """Return True if that many persons are done in time.

        Args:
            num_persons: all that are inpainted before this frame can be published, by model.
            passed_ns: since the frame arrived.
            budget_ms: from arrival to publication; 0 for no limit.
        """
        if not budget_ms or not num_persons:
            return True
        is_allowed = passed_ns + self._forecast_ns(num_persons) <= budget_ms * NS_PER_MS
        if not is_allowed:
            for tier in num_persons:
                self._person_ns[tier] *= _FORECAST_DECAY
        return is_allowed

    def update(self, num_persons: Counter[Tier], duration_ns: int) -> None:
        """Learn from the time that ``num_persons`` (1 or more) took together.

        Of two models, the one that was not measured yet gets the time that the other leaves; once
        both are, they share the time as forecast.
        """
        forecast_ns = self._forecast_ns(num_persons)
        unmeasured = [tier for tier in num_persons if not self._person_ns[tier]]
        if unmeasured:
            count = sum(num_persons[tier] for tier in unmeasured)
            person_ns = max(duration_ns - forecast_ns, 0.0) / count
            self._person_ns |= dict.fromkeys(unmeasured, person_ns)
            return
        for tier in num_persons:
            gain = 1 + _EMA_WEIGHT * (duration_ns / forecast_ns - 1)
            self._person_ns[tier] *= gain

    def _forecast_ns(self, num_persons: Counter[Tier]) -> float:
        return sum(count * self._person_ns[tier] for tier, count in num_persons.items())
