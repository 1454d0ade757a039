"""Former names of parameters work for one release, with a warning."""

from pathlib import Path

import pytest

from anon_ros.cli.main import main
from anon_ros.config import RENAMED_PARAMETERS, Config, all_parameters, load_config, with_overrides
from anon_ros.errors import ConfigError


def test_renamed_parameters_are_complete() -> None:
    assert set(RENAMED_PARAMETERS.values()) <= all_parameters().keys()
    assert not RENAMED_PARAMETERS.keys() & all_parameters().keys()


@pytest.mark.parametrize(("former", "current"), RENAMED_PARAMETERS.items())
def test_former_name_is_accepted_with_warning(
    former: str, current: str, caplog: pytest.LogCaptureFixture
) -> None:
    value = all_parameters()[current].default
    assert with_overrides(Config(), {former: value}) == Config()
    assert caplog.messages == [
        f"parameter {former} is now called {current}; the former name will be removed"
    ]


def test_former_name_in_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("/**:\n  ros__parameters:\n    memory: {s: 2.5}\n    inpaint: {crop: bucket}\n")
    config = load_config(file)
    assert (config.memory.duration_s, config.inpaint.aspect) == (2.5, "auto")
    assert "value bucket of inpaint.aspect is now called auto" in caplog.text


@pytest.mark.parametrize("mode", ["default", "reduce-overhead", "max-autotune"])
def test_whole_network_modes_mean_blocks(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("compute.compile_mode", "compute.compile"):
        assert with_overrides(Config(), {name: mode}).compute.compile_mode == "blocks"
    assert caplog.text.count(f"value {mode} of compute.compile_mode is now called blocks") == 2


def test_override_by_current_name_wins_over_former_name_in_file(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("/**:\n  ros__parameters:\n    memory: {s: 2.5}\n")
    assert load_config(file, {"memory.duration_s": 3.0}).memory.duration_s == 3.0


@pytest.mark.parametrize("names", [("memory.s", "memory.duration_s")])
def test_both_names_are_refused(names: tuple[str, str]) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(ConfigError, match=r"give only memory\.duration_s"):
            with_overrides(Config(), dict.fromkeys(order, 2.0))


def test_value_of_former_name_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"memory\.duration_s: 99\.0 is not allowed"):
        with_overrides(Config(), {"memory.s": 99.0})


def test_former_flags(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--inpaint.kind", "fill", "--detect.weights", "absent.pt"]) == 1
    assert "inpaint.method = fill needs no model" in capsys.readouterr().out
    assert "parameter inpaint.kind is now called inpaint.method" in caplog.text
    assert main(["models", "--inpaint.kind", "fill", "--inpaint.method", "fill"]) == 2
    assert "give only inpaint.method" in capsys.readouterr().err


def test_former_flags_are_not_in_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--help"])
    shown = capsys.readouterr().out
    assert "--inpaint.method" in shown
    assert "--inpaint.kind" not in shown
