"""The command ``anon_ros bag`` with models that know one colour; see sentinel.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sentinel import SentinelModels

from anon_ros.cli import bag, main


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> SentinelModels:
    """In place of those that a command would load."""
    models = SentinelModels()
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    monkeypatch.setattr(bag, "model_hashes", lambda _: [{"parameter": "detect.weights"}])
    return models


@pytest.fixture
def run(models: SentinelModels) -> Callable[..., int]:
    """Run ``anon_ros bag IN OUT``; flags follow."""
    assert models

    def run(source: Path, output: Path, *flags: object) -> int:
        words = ["bag", source, output, "--inpaint.method", "fill", *flags]
        return main.main([str(word) for word in words])

    return run
