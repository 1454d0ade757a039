"""A page with the most doubtful images of an anonymized bag.

It shows pixels of the output alone, and needs no network and no other file.
"""

import base64
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import escape
from pathlib import Path

import cv2
import numpy as np

from anon_ros.bags.verify.findings import Findings
from anon_ros.core import RgbImage
from anon_ros.utils.html_page import render_html_page
from anon_ros.utils.units import NS_PER_MS, NS_PER_S

_MAX_FRAMES = 48
_WIDTH_PX = 480
_JPEG_QUALITY = 80
_MAX_LINES = 200
_RED_BGR = (40, 40, 230)
_BOX_MARGIN_PX, _BOX_LINE_PX = 3, 2
_VERDICTS = {0: "clean", 1: "warnings", 2: "errors"}
_CSS = """body { max-width: 1500px }
.verdict { display: inline-block; padding: 2px 10px; border-radius: 4px; color: #fff }
.c0 { background: #26734d } .c1 { background: #8a5a00 } .c2 { background: #a32020 }
li, figcaption { overflow-wrap: anywhere }
.sheet { display: grid; gap: 20px; grid-template-columns: repeat(auto-fill, minmax(380px, 1fr)) }
figure { margin: 0; background: #fff; border: 1px solid #ccc; border-radius: 4px }
figure img { display: block; width: 100%; height: auto }
figcaption { padding: 8px 12px 12px }
.time { color: #555; font-variant-numeric: tabular-nums }
"""


@dataclass(frozen=True)
class ReviewFrame:
    """A frame that a person should look at.

    Attributes:
        priority: higher ones are shown first.
        topic: of the output.
        time_ns: log time.
        reasons: to look at it.
        boxes_xyxy: px, to draw.
    """

    priority: float
    topic: str
    time_ns: int
    reasons: Sequence[str]
    boxes_xyxy: Sequence[Sequence[float]]


@dataclass
class ReviewPage:
    """The most doubtful frames, as thumbnails; among equals the first ones."""

    _heap: list[tuple[tuple[float, int], ReviewFrame, bytes]] = field(default_factory=list)
    _num_offered: int = 0

    def offer(self, frame: ReviewFrame, image: RgbImage) -> None:
        """Add a frame, if it is doubtful enough.

        Args:
            frame: to add.
            image: (H, W, 3) uint8 RGB, of the output.
        """
        self._num_offered += 1
        # No two ranks are equal, so that nothing else is compared.
        rank = frame.priority, -self._num_offered
        if len(self._heap) < _MAX_FRAMES:
            heapq.heappush(self._heap, (rank, frame, _make_thumbnail(image, frame.boxes_xyxy)))
        elif rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (rank, frame, _make_thumbnail(image, frame.boxes_xyxy)))

    def write(self, path: Path, output: Path, findings: Findings, summary: str) -> None:
        """Write the page.

        Args:
            path: to write to; an older page is replaced.
            output: path of the bag.
            findings: of its verification.
            summary: of the checks.

        Raises:
            OSError: if it cannot be written.
        """
        code = findings.exit_code
        parts = [
            f"<p>{escape(summary)}</p>",
            _format_list("Not checked", findings.not_checked, len(findings.not_checked)),
            _format_list("Errors", findings.errors, findings.num_errors),
            self._format_figures(),
            _format_list("Warnings", findings.warnings, findings.num_warnings),
        ]
        title = f"Review of {output.absolute().name}"
        badge = f' <span class="verdict c{code}">{_VERDICTS[code]}</span>'
        path.write_bytes(render_html_page(title, "\n".join(parts), _CSS, badge))

    def _format_figures(self) -> str:
        if not self._heap:
            return "<p>No image to show.</p>"
        entries = sorted(self._heap, key=lambda entry: entry[0], reverse=True)
        figures = "\n".join(_format_figure(frame, jpeg) for _, frame, jpeg in entries)
        note = (
            "The most doubtful images, as they are in the output. Red: a person outside the "
            "replaced pixels. Images with errors are listed above, and not shown."
        )
        return f'<h2>Images</h2>\n<p>{note}</p>\n<div class="sheet">\n{figures}\n</div>'


def _format_figure(frame: ReviewFrame, jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode()
    reasons = "<br>".join(escape(reason) for reason in frame.reasons)
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="">'
        f"<figcaption><b>{escape(frame.topic)}</b><br>"
        f'<span class="time">{frame.time_ns} ns, {_format_time(frame.time_ns)}</span><br>'
        f"{reasons}</figcaption></figure>"
    )


def _format_list(heading: str, lines: Sequence[str], count: int) -> str:
    if not count:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:_MAX_LINES])
    more = f"<p>... and {count - _MAX_LINES} more</p>" if count > _MAX_LINES else ""
    return f"<h2>{heading}: {count}</h2>\n<ul>{items}</ul>{more}"


def _format_time(time_ns: int) -> str:
    try:
        time = datetime.fromtimestamp(time_ns // NS_PER_S, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return "no date"
    return f"{time:%Y-%m-%d %H:%M:%S}.{time_ns % NS_PER_S // NS_PER_MS:03d} UTC"


def _make_thumbnail(image: RgbImage, boxes_xyxy: Sequence[Sequence[float]]) -> bytes:
    """Return an image as a small JPEG with red boxes."""
    height_px, width_px = image.shape[:2]
    scale = _WIDTH_PX / width_px
    size_wh = _WIDTH_PX, max(1, round(height_px * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.cvtColor(cv2.resize(image, size_wh, interpolation=interpolation), cv2.COLOR_RGB2BGR)
    for box_xyxy in boxes_xyxy:
        x0, y0, x1, y1 = (round(side * scale) for side in box_xyxy)
        # Around the person, so that small persons are not hidden by it.
        top_left, bottom_right = (
            (x0 - _BOX_MARGIN_PX, y0 - _BOX_MARGIN_PX),
            (x1 + _BOX_MARGIN_PX, y1 + _BOX_MARGIN_PX),
        )
        cv2.rectangle(small, top_left, bottom_right, _RED_BGR, _BOX_LINE_PX)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return bytes(cv2.imencode(".jpg", np.asarray(small), parameters)[1].tobytes())
