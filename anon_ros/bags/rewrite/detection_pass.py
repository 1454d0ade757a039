"""First pass over a bag: detect the persons of all images before any image is written.

Only then the memory can cover a person in the images before their first detection.
"""

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.rewrite.batch_reader import BatchReader, ImageTask, Item
from anon_ros.bags.rewrite.detection_store import DetectionStore, StoredDetections
from anon_ros.bags.rewrite.job_spec import RewriteJob
from anon_ros.bags.run_files.message_delta import message_digest
from anon_ros.bags.storage.records import DamageLog, StorageReader
from anon_ros.core import Anonymizer, Detections, RgbImage
from anon_ros.errors import ModelError, SegmentationError, format_error
from anon_ros.tracking import FrameObservation, observe_frame
from anon_ros.utils.failure_streak import FailureStreak
from anon_ros.utils.prefetch import Prefetcher
from anon_ros.utils.progress import ProgressListener

_MAX_BATCHES_AHEAD = 2


@dataclass
class DetectionPass:
    """The detection pass of a run, from where the store ends.

    Attributes:
        job: of the run.
        anonymizer: also detects the persons who count in a track only.
        store: gets the detections.
        scratch: folder for files that must be decompressed.
        progress: counts the images.
    """

    job: RewriteJob
    anonymizer: Anonymizer
    store: DetectionStore
    scratch: Path
    progress: ProgressListener
    _streak: FailureStreak = field(init=False)

    def __post_init__(self) -> None:
        self._streak = FailureStreak(self.job.config.fail.max_consecutive)

    def run(self) -> None:
        """Detect the persons in all files.

        Raises:
            BagDamageError: if the input is damaged and must not be salvaged.
            ModelError: if detection always fails.
            OSError, sqlite3.Error: if a file cannot be read or written.
        """
        job = self.job
        # No more than are searched together: all of a batch stay in memory until then.
        max_images = self.anonymizer.max_detection_batch
        reader = BatchReader(job.bag, job.bag_plan, job.config, max_images, output_compression=None)
        finished_files = self.store.read_finished_files()
        for index, file in enumerate(job.bag.files):
            if index in finished_files:
                self._replay_file(reader, index)
            else:
                self._search_file(reader, index, file)
                self.store.finish_file(index)

    def _replay_file(self, reader: BatchReader, index: int) -> None:
        for topic, log_time_ns, num_persons in self.store.iter_file(index):
            reader.accept_frame(topic, log_time_ns)
            self.progress.advance(num_persons, is_new=False)

    def _search_file(self, reader: BatchReader, index: int, file: Path) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        # The losses are reported when the files are written.
        losses = DamageLog(salvage=self.job.salvage)
        with closing(self.job.bag.open(file, losses, self.scratch)) as source:
            if reader.has_images(source):  # or all of it would be read for nothing
                self._search_batches(reader, source, index, losses)
        shutil.rmtree(self.scratch)

    def _search_batches(
        self, reader: BatchReader, source: StorageReader, index: int, losses: DamageLog
    ) -> None:
        num_done = self.store.count_done(index)
        batches = reader.iter_batches(source, index, losses, num_done, {})
        with Prefetcher(batches, _MAX_BATCHES_AHEAD, "reader") as prefetched:
            for batch in prefetched:
                self._search_batch(batch, num_done)

    def _search_batch(self, batch: list[Item], num_done: int) -> None:
        tasks = [item for item in batch if isinstance(item, ImageTask)]
        new = self._search_images([task for task in tasks if task.number >= num_done])
        self.store.add(new)
        for _ in tasks[: len(tasks) - len(new)]:
            self.progress.advance(0, is_new=False)
        for detections in new:
            observation = detections.observation
            self.progress.advance(len(observation.persons) if observation else 0, is_new=True)

    def _search_images(self, tasks: Sequence[ImageTask]) -> list[StoredDetections]:
        # The rest are skipped, or lost for a reason that is met again.
        frames = {
            t.number: (t.image, t.message.channel.topic) for t in tasks if t.image is not None
        }
        results = self.anonymizer.detect_batch([*frames.values()])
        by_number = dict(zip(frames, results, strict=True))
        return [self._store_image(task, by_number.get(task.number)) for task in tasks]

    def _store_image(
        self, task: ImageTask, detections: Detections | Exception | None
    ) -> StoredDetections:
        observation, problem = None, task.problem
        if task.image is not None and detections is not None:
            try:
                observation = self._observe(task.image, task, detections)
            except SegmentationError as error:
                problem = format_error(error)
        message = task.message
        return StoredDetections(
            *((task.file, task.number), message.channel.topic, message.log_time_ns),
            *(message_digest(message.data), problem, observation),
        )

    def _observe(
        self, image: RgbImage, task: ImageTask, detections: Detections | Exception
    ) -> FrameObservation:
        if isinstance(detections, SegmentationError):
            self._streak.record_failure()
            if self._streak.is_too_long:
                message = f"{self._streak.format_limit('images')}: {format_error(detections)}"
                raise ModelError(message) from detections
        if isinstance(detections, Exception):
            raise detections
        self._streak.record_success()
        return observe_frame(image, detections, task.stamp_ns)
