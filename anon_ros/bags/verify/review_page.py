"""The most doubtful images of an anonymized recording on one page.

It shows pixels of the output alone, and needs nothing but itself: no network, no other file.
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

_MOST = 48
_WIDTH_PX = 480
_QUALITY = 80
_LISTED = 200
_RED_BGR = (40, 40, 230)
_WORDS = {0: "clean", 1: "suspicions", 2: "broken"}
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
    """A frame that somebody should look at.

    Attributes:
        priority: more is shown first.
        topic: of the output.
        time_ns: log time.
        reasons: why it is doubtful.
        boxes_xyxy: px, to draw.
    """

    priority: float
    topic: str
    time_ns: int
    reasons: Sequence[str]
    boxes_xyxy: Sequence[Sequence[float]]


@dataclass
class ReviewPage:
    """Keeps the most doubtful frames, as thumbnails; among equals those that came first."""

    _heap: list[tuple[tuple[float, int], ReviewFrame, bytes]] = field(default_factory=list)
    _offered: int = 0

    def offer(self, frame: ReviewFrame, image: RgbImage) -> None:
        """Take a frame in, if it is doubtful enough.

        Args:
            frame: what is doubtful about it.
            image: (H, W, 3) uint8 RGB, of the output.
        """
        self._offered += 1
        rank = frame.priority, -self._offered  # no two are equal, so nothing else is compared
        if len(self._heap) < _MOST:
            heapq.heappush(self._heap, (rank, frame, _thumbnail(image, frame.boxes_xyxy)))
        elif rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (rank, frame, _thumbnail(image, frame.boxes_xyxy)))

    def write(self, path: Path, output: Path, findings: Findings, summary: str) -> None:
        """Write the page.

        Args:
            path: to write to; an older one is replaced.
            output: the recording.
            findings: of its verification.
            summary: what was checked.

        Raises:
            OSError: if it cannot be written.
        """
        code = findings.exit_code
        parts = [
            f"<p>{escape(summary)}</p>",
            _list("Not checked", findings.not_checked, len(findings.not_checked)),
            _list("Broken", findings.errors, findings.broken_count),
            self._figures(),
            _list("Suspicions", findings.warnings, findings.suspicion_count),
        ]
        title = f"Review of {output.absolute().name}"
        badge = f' <span class="verdict c{code}">{_WORDS[code]}</span>'
        path.write_bytes(render_html_page(title, "\n".join(parts), _CSS, badge))

    def _figures(self) -> str:
        if not self._heap:
            return "<p>No image to show.</p>"
        shown = sorted(self._heap, key=lambda each: each[0], reverse=True)
        figures = "\n".join(_figure(frame, jpeg) for _, frame, jpeg in shown)
        told = (
            "The most doubtful images, as they are in the output. Red: a person outside of what "
            "was replaced. Images that are broken are listed above, and not shown."
        )
        return f'<h2>Images</h2>\n<p>{told}</p>\n<div class="sheet">\n{figures}\n</div>'


def _figure(frame: ReviewFrame, jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode()
    reasons = "<br>".join(escape(reason) for reason in frame.reasons)
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="">'
        f"<figcaption><b>{escape(frame.topic)}</b><br>"
        f'<span class="time">{frame.time_ns} ns, {_human(frame.time_ns)}</span><br>'
        f"{reasons}</figcaption></figure>"
    )


def _list(heading: str, lines: Sequence[str], count: int) -> str:
    if not count:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:_LISTED])
    more = f"<p>... and {count - _LISTED} more</p>" if count > _LISTED else ""
    return f"<h2>{heading}: {count}</h2>\n<ul>{items}</ul>{more}"


def _human(time_ns: int) -> str:
    try:
        time = datetime.fromtimestamp(time_ns // NS_PER_S, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return "no date"
    return f"{time:%Y-%m-%d %H:%M:%S}.{time_ns % NS_PER_S // NS_PER_MS:03d} UTC"


def _thumbnail(image: RgbImage, boxes: Sequence[Sequence[float]]) -> bytes:
    height_px, width_px = image.shape[:2]
    gain = _WIDTH_PX / width_px
    size_wh = _WIDTH_PX, max(1, round(height_px * gain))
    interpolation = cv2.INTER_AREA if gain < 1 else cv2.INTER_NEAREST
    small = cv2.cvtColor(cv2.resize(image, size_wh, interpolation=interpolation), cv2.COLOR_RGB2BGR)
    for box in boxes:
        x0, y0, x1, y1 = (round(side * gain) for side in box)
        # Around the person, so that small ones are not hidden by it.
        cv2.rectangle(small, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), _RED_BGR, 2)
    encoded = cv2.imencode(".jpg", np.asarray(small), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return bytes(encoded.tobytes())
