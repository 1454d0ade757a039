"""Switches that stop the model libraries from installing, downloading, reporting, running code."""

import os
from pathlib import Path

_SWITCHES = {
    "YOLO_AUTOINSTALL": "false",  # or it runs pip when an import is missing
    "YOLO_OFFLINE": "true",  # no look-ups at import, no downloads, no usage statistics
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "1",  # of a pickle only the classes of a network, and no code
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # diffusers imports onnxruntime, which otherwise reports to its vendor and keeps a device id.
    "ORT_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_VERBOSITY": "error",  # it warns of explicit timesteps, which we use on purpose
}


def disable_network_access() -> None:
    """Set the libraries' switches for this process. Call it before their first import."""
    os.environ.update(_SWITCHES)
    # Ultralytics writes a settings file at import: let it be a cache, not the user's own.
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(cache) / "anon_ros"))
