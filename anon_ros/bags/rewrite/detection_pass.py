"""Looking for persons in all images of a recording before the first one is written.

Only then it is known who was missed before he was first found.
"""

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.rewrite.batch_reader import BatchReader, ImageTask, Item
from anon_ros.bags.rewrite.detection_store import DetectionStore, StoredDetections
from anon_ros.bags.run_files.journal import message_digest
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import DamageLog, StorageReader
from anon_ros.config import Config
from anon_ros.core import Anonymizer
from anon_ros.errors import ModelError, SegmentationError, drop_traceback, format_error
from anon_ros.tracking import observe_frame
from anon_ros.utils.failure_streak import FailureStreak
from anon_ros.utils.prefetch import Prefetcher
from anon_ros.utils.progress import ProgressListener

_BATCHES_AHEAD = 2


@dataclass
class DetectionPass:
    """Finds the persons in every image, from where ``seen`` stops.

    Attributes:
        bag: the recording.
        bag_plan: what becomes of each topic.
        config: of what is skipped.
        anonymizer: finds the persons, those too that count only in a track.
        seen: what was found.
        salvage: leave out what is damaged and go on.
        scratch: a folder for files that must be decompressed.
        progress: is told.
    """

    bag: Bag
    bag_plan: BagPlan
    config: Config
    anonymizer: Anonymizer
    seen: DetectionStore
    salvage: bool
    scratch: Path
    progress: ProgressListener

    def __post_init__(self) -> None:
        self._failures = FailureStreak(self.config.fail.max_consecutive)

    def run(self) -> None:
        """Look at all files.

        Raises:
            BagDamageError: if the input is damaged and not to be salvaged.
            ModelError: if no persons can be found any more.
            OSError, sqlite3.Error: if a file cannot be read or written.
        """
        # They are told when the files are written.
        losses = DamageLog(salvage=self.salvage)
        intake = BatchReader(self.bag, self.bag_plan, self.config, losses, output_compression=None)
        finished = self.seen.finished()
        for index, file in enumerate(self.bag.files):
            if index in finished:
                for topic, log_time_ns, persons in self.seen.iter_file(index):
                    intake.accepts(topic, log_time_ns)
                    self.progress.advance(persons, is_new=False)
            else:
                self._look_at(intake, index, file)
                self.seen.finish(index)

    def _look_at(self, intake: BatchReader, index: int, file: Path) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        with closing(self.bag.open(file, intake.losses, self.scratch)) as source:
            if intake.has_images(source):  # or all of it would be read for nothing
                self._take_all(intake, source, index)
        shutil.rmtree(self.scratch)

    def _take_all(self, intake: BatchReader, source: StorageReader, index: int) -> None:
        done = self.seen.done(index)
        batches = intake.iter_batches(source, index, done, {})
        with Prefetcher(batches, _BATCHES_AHEAD, "reader") as read:
            for batch in read:
                self._take(batch, done)

    def _take(self, batch: list[Item], done: int) -> None:
        slots = [each for each in batch if isinstance(each, ImageTask)]
        new = [self._looked(slot) for slot in slots if slot.number >= done]
        self.seen.add(new)
        for _ in slots[: len(slots) - len(new)]:
            self.progress.advance(is_new=False)
        for looked in new:
            persons = len(looked.moment.persons) if looked.moment else 0
            self.progress.advance(persons)

    def _looked(self, slot: ImageTask) -> StoredDetections:
        message = slot.message
        known = message.channel.topic, message.log_time_ns, message_digest(message.data)
        looked = StoredDetections((slot.file, slot.number), *known)
        if slot.image is None:  # skipped, or lost for a reason that is found again
            return replace(looked, problem=slot.problem)
        image, slot.image = slot.image, None
        try:
            found = self.anonymizer.detect_persons(image)
        except SegmentationError as error:
            self._count_failure(drop_traceback(error))
            return replace(looked, problem=format_error(error))
        self._failures.record_success()
        return replace(looked, moment=observe_frame(image, found, slot.stamp_ns))

    def _count_failure(self, error: Exception) -> None:
        """Models that fail with everything must not turn a recording into an empty one."""
        self._failures.record_failure()
        if self._failures.is_too_long:
            message = f"{self._failures.format_limit('images')}: {format_error(error)}"
            raise ModelError(message) from error
