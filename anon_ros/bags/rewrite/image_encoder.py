"""Encode anonymized images as messages, and note them for the journal."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from anon_ros.bags.rewrite.anonymize_stage import ImageResult
from anon_ros.bags.run_files.mask_png import encode_mask_png
from anon_ros.bags.run_files.masks_db import ALWAYS, ANONYMIZED, LOST, ImageRecord
from anon_ros.bags.run_files.message_delta import make_delta
from anon_ros.config import PERSON, Config
from anon_ros.core import AnonymizedFrame, CoverReason, Outcome, OutcomeKind, Tier
from anon_ros.errors import ModelError, SegmentationError, format_error
from anon_ros.utils.failure_streak import FailureStreak


@dataclass
class ImageEncoder:
    """Encoder of image messages. For the caller's thread.

    Attributes:
        config: of the run.
        keep_masks: put masks into the records.
    """

    config: Config
    keep_masks: bool
    _streak: FailureStreak = field(init=False)

    def __post_init__(self) -> None:
        self._streak = FailureStreak(self.config.fail.max_consecutive)

    def encode(self, finished: ImageResult) -> tuple[ImageRecord, bytes | None]:
        """Return the record of an image, and its message; None if it is not written.

        Raises:
            ModelError: if segmentation has failed too often.
        """
        task = finished.task
        topic, log_time_ns = task.message.channel.topic, task.message.log_time_ns
        record = ImageRecord(task.file, task.number, topic, log_time_ns, ANONYMIZED)
        if task.outcome:
            return replace(record, outcome=task.outcome, reason=task.problem), None
        try:
            data, result = self._encode_message(finished)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            self._record_failure(error)
            return replace(record, outcome=LOST, reason=format_error(error)), None
        self._streak.record_success()
        return self._complete_record(record, finished, result, data), data

    def _encode_message(self, finished: ImageResult) -> tuple[bytes, AnonymizedFrame]:
        result, frame = finished.result, finished.task.frame
        if isinstance(result, Exception):
            raise result
        assert result is not None  # noqa: S101 - narrows the type
        assert frame is not None  # noqa: S101 - narrows the type
        return frame.encode(result, self.config.output), result

    def _complete_record(
        self, record: ImageRecord, finished: ImageResult, result: AnonymizedFrame, data: bytes
    ) -> ImageRecord:
        boxes = [[round(float(x), 1) for x in box] for box in result.detections.boxes_xyxy]
        rows = list(zip(boxes, result.outcomes, strict=True))
        persons = [index for index, (_, outcome) in enumerate(rows) if outcome.target == PERSON]
        targets = [outcome for outcome in result.outcomes if outcome.target != PERSON]
        target_boxes: dict[str, list[list[float]]] = {}
        for box, outcome in rows:
            if outcome.target != PERSON:
                target_boxes.setdefault(outcome.target, []).append(box)
        if result.fixed_regions:
            bounds = ([r.x0, r.y0, r.x1, r.y1] for r in result.fixed_regions)
            target_boxes[ALWAYS] = [[float(side) for side in sides] for sides in bounds]
        return replace(
            record,
            boxes_xyxy=[boxes[index] for index in persons],
            cover_reasons=_list_covers(result.outcomes[index] for index in persons),
            mask=encode_mask_png(result.replaced_mask) if self.keep_masks else None,
            delta=make_delta(finished.task.message.data, data),
            track_ids=[result.track_ids[i] for i in persons] if result.track_ids else (),
            num_propagated=finished.num_propagated,
            is_keyframe=finished.is_keyframe,
            num_small=sum(outcome.tier is Tier.SMALL for outcome in result.outcomes),
            target_boxes_xyxy=target_boxes,
            num_drawn_targets=sum(outcome.kind is OutcomeKind.INPAINTED for outcome in targets),
            target_failures=[
                (reason, text) for reason, text in _list_covers(targets) if not reason.is_expected
            ],
        )

    def _record_failure(self, error: Exception) -> None:
        if isinstance(error, SegmentationError):
            self._streak.record_failure()
        if self._streak.is_too_long:
            message = f"{self._streak.format_limit('images')}: {format_error(error)}"
            raise ModelError(message) from error


def _list_covers(outcomes: Iterable[Outcome]) -> list[tuple[CoverReason, str]]:
    """Return the reasons of those who were covered, each with its text."""
    return [
        (outcome.cover_reason, outcome.reason_text)
        for outcome in outcomes
        if outcome.kind is OutcomeKind.COVERED and outcome.cover_reason
    ]
