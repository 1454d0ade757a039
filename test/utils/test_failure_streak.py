"""Limit on frames that fail one after the other."""

from anon_ros.utils.failure_streak import FailureStreak


def test_streak_is_too_long_at_limit() -> None:
    streak = FailureStreak(2)
    streak.record_failure()
    assert not streak.is_too_long
    streak.record_failure()
    assert streak.is_too_long
    assert streak.format_limit("images") == "2 images in a row failed (fail.max_consecutive)"


def test_success_resets_streak() -> None:
    streak = FailureStreak(2)
    for _ in range(5):
        streak.record_failure()
        streak.record_success()
    streak.record_failure()
    assert not streak.is_too_long


def test_zero_is_no_limit() -> None:
    streak = FailureStreak(0)
    assert not streak.is_too_long
    for _ in range(1000):
        streak.record_failure()
    assert not streak.is_too_long
