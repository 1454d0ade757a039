"""The command ``anon_ros verify`` on anonymized bags."""

from collections.abc import Callable
from pathlib import Path

import pytest

from anon_ros.cli import main, verify
from helpers.bag_editing import RunCommand
from helpers.bags import write_rosbag2
from helpers.fake_models import SentinelModelProvider, SentinelSegmenter


@pytest.fixture
def run_verify(monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run ``anon_ros verify IN OUT``; flags follow."""
    monkeypatch.setattr(verify, "build_segmenter", lambda _: SentinelSegmenter())
    monkeypatch.setattr(verify, "find_weights_by_hash", lambda _: ["yolov8x-seg.pt"])

    def run_verify(source: Path, output: Path, *flags: object) -> int:
        return main.main([str(word) for word in ("verify", source, output, *flags)])

    return run_verify


@pytest.fixture(scope="module")
def make_anonymized_bag(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Path, Path]]:
    """Input and output in a storage, made once."""
    made: dict[str, tuple[Path, Path]] = {}

    def make_anonymized_bag(storage: str) -> tuple[Path, Path]:
        if storage not in made:
            folder = tmp_path_factory.mktemp(storage)
            source = write_rosbag2(folder / "in", storage)
            models = SentinelModelProvider()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
                patch.setattr("anon_ros.cli.bag.model_hashes", lambda _: [])
                words = ["bag", str(source), str(folder / "out"), "--inpaint.method", "fill"]
                assert main.main(words) == 0
            made[storage] = source, folder / "out"
        return made[storage]

    return make_anonymized_bag
