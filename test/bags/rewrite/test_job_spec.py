"""A run is recognized by all that decides about its result, its version included."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from anon_ros.bags.rewrite import job_spec
from anon_ros.bags.rewrite.job_spec import Fingerprint
from anon_ros.bags.run_files.journal import Journal
from helpers.bag_editing import RunCommand
from helpers.bags import write_rosbag2
from helpers.fake_models import SentinelModelProvider


def test_fingerprint_names_differences() -> None:
    parts = {"input": [1, 2], "prefix": "", "versions": {"anon_ros": "2"}}
    fingerprint = Fingerprint(parts)
    assert fingerprint.list_differences(parts) == []
    assert fingerprint.list_differences({**parts, "prefix": "/anon"}) == ["prefix"]
    assert fingerprint.list_differences({"input": [1, 2]}) == ["prefix", "versions"]
    assert fingerprint.digest == Fingerprint(dict(reversed(parts.items()))).digest
    assert fingerprint.digest != Fingerprint({**parts, "prefix": "/anon"}).digest


def test_unfinished_run_of_other_version_is_refused(
    tmp_path: Path,
    run_bag: RunCommand,
    sentinel_models: SentinelModelProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    partial_dir = tmp_path / "out.partial"
    partial_dir.mkdir()
    with closing(Journal(partial_dir / "journal.db")) as journal:
        journal.set("identity", json.dumps({"versions": {"anon_ros": "0.0.1"}}))
    monkeypatch.setattr(job_spec, "package_versions", lambda: {"anon_ros": "0.2.0"})
    assert run_bag(source, output) == 2
    assert "unfinished run that differs in: " in (text := capsys.readouterr().err)
    assert "versions" in text
    assert not sentinel_models.inpainter.batch_sizes
    assert not output.exists()
