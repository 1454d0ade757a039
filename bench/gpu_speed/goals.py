"""The goals, set for one H200, and what a run says of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Height, width, images in the UNet.
FAST_BATCH = (768, 384, 8)
GUIDED_1024 = (1024, 1024, 2)
BATCH_512 = (512, 512, 16)
_PERSONS = 5
_MIN_FP8_GAIN = 1.2
_MAX_FP8_ERROR = 0.05

# Results by step name, of each part by its name.
Parts = dict[str, dict[str, Any]]


def name_shape(shape: tuple[int, int, int]) -> str:
    height, width, count = shape
    return f"{width}x{height} x {count}"


@dataclass(frozen=True)
class Goal:
    """A figure with a limit.

    Attributes:
        name: of the figure, with its unit.
        limit: of the figure.
        read: returns the figure; KeyError if it was not measured.
        step: of the part, whose work explains the figure.
        is_minimum: False if the figure must not exceed the limit.
        part: that measures it.
    """

    name: str
    limit: float
    read: Callable[[dict[str, Any]], float]
    step: str
    is_minimum: bool = True
    part: str = "goals"

    def measure_gap(self, parts: Parts) -> float | None:
        """Return the factor that is missing, at most 1 if the goal is met; None if unknown."""
        figure = self.read_figure(parts)
        if figure is None:
            return None
        return self.limit / max(figure, 1e-9) if self.is_minimum else figure / self.limit

    def read_figure(self, parts: Parts) -> float | None:
        try:
            return self.read(parts[self.part])
        except (KeyError, TypeError):
            return None

    def judge(self, parts: Parts) -> str:
        """Return "met", "not met" or "not measured"."""
        gap = self.measure_gap(parts)
        return "not measured" if gap is None else "met" if gap <= 1 else "not met"


def _find_scene(results: dict[str, Any], profile: str) -> dict[str, Any]:
    # The keys of JSON are texts, those of the running part numbers.
    scenes = {int(count): scene for count, scene in results[profile]["scenes"].items()}
    scene: dict[str, Any] = scenes[_PERSONS]
    if scene["inpainted"] != _PERSONS:
        message = f"{profile}: {scene['inpainted']} of {_PERSONS} persons were drawn"
        raise KeyError(message)
    return scene


def _read_frame_s(results: dict[str, Any], profile: str) -> float:
    return float(_find_scene(results, profile)["frame_s"])


def _read_speedup(results: dict[str, Any]) -> float:
    (reference,) = results["diffusers, one by one"]["scenes"].values()
    return _PERSONS * float(reference["person_s"]) / _read_frame_s(results, "quality")


def _read_share(shape: tuple[int, int, int]) -> Callable[[dict[str, Any]], float]:
    return lambda results: float(results[f"UNet, {name_shape(shape)}"]["share_of_ceiling"])


def _read_host_ms(results: dict[str, Any]) -> float:
    return float(_find_scene(results, "fast")["stages_s"]["host"]) * 1e3


def _read_start_s(results: dict[str, Any]) -> float:
    return float(results["start"]["ready_s"])


GOALS = (
    Goal("quality, 5 persons: times as fast as diffusers one by one", 4, _read_speedup, "quality"),
    Goal(
        "UNet at 1024 px with guidance: share of the matrix product",
        0.45,
        _read_share(GUIDED_1024),
        f"UNet, {name_shape(GUIDED_1024)}",
    ),
    Goal(
        "UNet at 512 px, 8 persons with guidance: share of the matrix product",
        0.35,
        _read_share(BATCH_512),
        f"UNet, {name_shape(BATCH_512)}",
    ),
    Goal(
        "fast, 8 persons at 384 x 768 px: ms per person",
        25,
        lambda results: float(results["fast, batch"]["ms_per_person"]),
        "fast, batch",
        is_minimum=False,
    ),
    Goal(
        "fast, 5 persons, segmentation included: frames/s",
        10,
        lambda results: 1 / _read_frame_s(results, "fast"),
        "fast",
    ),
    Goal("fast, 5 persons: ms of the host per frame", 10, _read_host_ms, "fast", is_minimum=False),
    Goal(
        "start with an empty cache of compiled code: s",
        60,
        _read_start_s,
        "start",
        is_minimum=False,
        part="cold",
    ),
    Goal(
        "start with a filled cache: s",
        20,
        _read_start_s,
        "start",
        is_minimum=False,
        part="warm",
    ),
)


def find_largest_gap(results: dict[str, Any]) -> Goal | None:
    """Return the goal that the part "goals" is farthest from; None if it measured none."""
    parts = {"goals": results}
    measured = [goal for goal in GOALS if goal.measure_gap(parts) is not None]
    return max(measured, key=lambda goal: goal.measure_gap(parts) or 0, default=None)


def format_goals(parts: Parts) -> str:
    """Format the goals of these parts, the largest gap and the verdict on 8-bit layers."""
    lines = ["| goal, set for one H200 | at | measured | |", "| --- | ---: | ---: | --- |"]
    for goal in (goal for goal in GOALS if goal.part in parts):
        figure = goal.read_figure(parts)
        limit = f"{'>=' if goal.is_minimum else '<='} {goal.limit:g}"
        text = "" if figure is None else f"{figure:.2f}"
        lines.append(f"| {goal.name} | {limit} | {text} | {goal.judge(parts)} |")
    gap = parts.get("goals", {}).get("largest gap")
    if gap is not None:
        lines += ["", _format_gap(gap)]
    verdict = parts.get("fp8", {}).get("8-bit against bfloat16")
    if verdict is not None:
        lines += ["", format_fp8(verdict)]
    return "\n".join(lines) + "\n"


def _format_gap(gap: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {ms:.1f} ms" for kind, ms in list(gap["by_kind_ms"].items())[:4])
    return (
        f"Largest gap: {gap['goal']}, a factor of {gap['factor']:.2f}. Of {gap['wall_ms']:.1f} ms "
        f"the device is busy for {gap['busy_ms']:.1f} ms in {gap['kernels']} kernels: {kinds}."
    )


def judge_fp8(gains: dict[str, float], errors: dict[str, float]) -> dict[str, Any]:
    """Return the verdict on 8-bit layers from their gain per profile and error per call."""
    is_equal = max(errors.values()) <= _MAX_FP8_ERROR
    pays = min(gains.values()) >= _MIN_FP8_GAIN
    return {"gains": gains, "relative_errors": errors, "is_taken": is_equal and pays}


def format_fp8(verdict: dict[str, Any]) -> str:
    gains = ", ".join(f"{name} {gain:.2f}" for name, gain in verdict["gains"].items())
    return (
        f"8-bit linear layers: {'taken' if verdict['is_taken'] else 'not taken'}. "
        f"Times as fast end to end (needed: {_MIN_FP8_GAIN}): {gains}. Relative error of a call "
        f"(at most {_MAX_FP8_ERROR}): {max(verdict['relative_errors'].values()):.3f}."
    )
