"""Point clouds that show a camera's view, or of which a picture can be made."""

import re
from typing import Any

from anon_ros.images import has_color_fields

_POLARITY = {"p", "pol", "polarity"}
_BRIGHTNESS = re.compile(r"inten|reflec|signal|ampl|lumin|albedo|bright", re.IGNORECASE)
_NEAR_INFRARED = re.compile(r"near_?ir|infra|ambient|(?:^|_)n?ir(?:$|_)", re.IGNORECASE)
_MIN_DENSE_POINTS = 60_000


def find_cloud_problem(cloud: Any) -> str:
    """Return why a PointCloud2 must not be copied; empty if it may."""
    names = [field.name for field in cloud.fields]
    if has_color_fields(names):
        return "points with the colours of a camera"
    is_events = {"x", "y"} <= set(names) and _POLARITY & {name.lower() for name in names}
    return "events of an event camera: pictures can be made of them" if is_events else ""


def list_cloud_notices(cloud: Any) -> str:
    """Return what must be said of a PointCloud2 that is copied; empty if there is nothing."""
    names = [field.name for field in cloud.fields]
    is_organized = cloud.height > 1 and cloud.width > 1
    is_dense = is_organized or cloud.width * cloud.height >= _MIN_DENSE_POINTS
    notices = []
    if infrared := list(filter(_NEAR_INFRARED.search, names)):
        notices.append(f"{', '.join(infrared)}: persons may be seen as in a camera image")
    if is_dense and (brightness := list(filter(_BRIGHTNESS.search, names))):
        notices.append(f"dense {', '.join(brightness)}: a picture can be made of it")
    if is_organized and not notices:
        notices.append("organized points: persons' shapes can be seen as in a depth image")
    return "; ".join(notices)
