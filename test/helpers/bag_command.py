"""The command ``anon_ros bag`` with models that know one colour; see sentinel.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

from anon_ros.cli import bag, main
from helpers.fake_models import SentinelModelProvider


@pytest.fixture
def sentinel_models(monkeypatch: pytest.MonkeyPatch) -> SentinelModelProvider:
    """In place of those that a command would load."""
    sentinel_models = SentinelModelProvider()
    monkeypatch.setattr(bag, "build_tracking_anonymizer", sentinel_models.anonymizer)
    monkeypatch.setattr(bag, "model_hashes", lambda _: [{"parameter": "detect.weights"}])
    return sentinel_models


@pytest.fixture
def run_bag(sentinel_models: SentinelModelProvider) -> Callable[..., int]:
    """Run ``anon_ros bag IN OUT``; flags follow."""
    assert sentinel_models

    def run_bag(source: Path, output: Path, *flags: object) -> int:
        words = ["bag", source, output, "--inpaint.method", "fill", *flags]
        return main.main([str(word) for word in words])

    return run_bag


@pytest.fixture
def draw_bag(
    sentinel_models: SentinelModelProvider, run_bag: Callable[..., int]
) -> Callable[..., int]:
    """Run ``anon_ros bag IN OUT`` with a model that draws small persons, too, as a diffusion."""
    sentinel_models.inpainter.draws_persons = True
    return lambda *words: run_bag(*words[:2], "--inpaint.min_person_px", "0", *words[2:])
