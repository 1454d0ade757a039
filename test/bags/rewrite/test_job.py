"""The end of a run, which may be killed there, too."""

from pathlib import Path

import pytest

from anon_ros.bags.rewrite.job import remove_run


@pytest.mark.parametrize("num_removed", range(6))
def test_journal_is_removed_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_removed: int
) -> None:
    """Whatever is left of a folder that is being removed is recognized by its journal."""
    folder = tmp_path / "out.partial"
    (folder / "out").mkdir(parents=True)
    for name in ("a.db", "journal.db", "lock", "z.db", "out/file"):
        (folder / name).touch()
    unlink, num_left = Path.unlink, num_removed

    def unlink_some(path: Path) -> None:
        nonlocal num_left
        if not num_left:
            raise KeyboardInterrupt
        num_left -= 1
        unlink(path)

    monkeypatch.setattr(Path, "unlink", unlink_some)
    try:
        remove_run(folder)
    except KeyboardInterrupt:
        assert (folder / "journal.db").exists()
    else:
        assert not folder.exists()
    remove_run(tmp_path / "nothing")
