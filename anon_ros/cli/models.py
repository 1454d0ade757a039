"""``anon_ros models``."""

from anon_ros.config import Config
from anon_ros.models import NeededModel, evaluation_models, needed_models

_MIB = 2**20


def print_models(config: Config) -> int:
    """Tell of each model that ``config`` needs; return 1 if one is missing, else 0."""
    needed = needed_models(config)
    print("\n\n".join(map(_text, needed)))
    if config.inpaint.kind != "sdxl":
        print(f"\ninpaint.kind = {config.inpaint.kind} needs no model")
    print("\nfor anon_ros evaluate quality, which goes without:\n")
    print("\n\n".join(map(_text, evaluation_models())))
    return 1 if any(model.path is None for model in needed) else 0


def _text(model: NeededModel) -> str:
    lines = [f"{model.parameter}: {model.name}", f"  licence: {model.licence}"]
    if model.path is not None:
        lines.append(f"  found:   {model.path.absolute()} ({model.size_bytes / _MIB:.0f} MiB)")
    else:
        lines.append(f"  missing: {model.problem.removeprefix(f'{model.parameter}: ')}")
    return "\n".join(lines)
