"""The thread of the models, between the reader and the writer of a bag."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from anon_ros.bags.rewrite.batch_reader import ImageTask, Item
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.storage.records import Record
from anon_ros.config import Config
from anon_ros.core import AnonymizedFrame, Anonymizer, CoverReason, FramePersons
from anon_ros.errors import BagError, drop_traceback
from anon_ros.tracking import FrameProcessor, FrameTask, reuses_synthetics


@dataclass(frozen=True)
class ImageResult:
    """An image task that the models have finished.

    Attributes:
        task: without its pixels.
        result: the anonymized frame, or the error that leaves none; None for a task that the
            models did not see.
        is_keyframe: later results depend on nothing before this image.
        num_propagated: persons, the last ones, who were detected in neighboring images only.
    """

    task: ImageTask
    result: AnonymizedFrame | Exception | None = None
    is_keyframe: bool = False
    num_propagated: int = 0


FinishedItem = Record | ImageResult


@dataclass
class AnonymizeStage:
    """The models at work: anonymizes the image tasks of batches, and passes on the rest.

    Attributes:
        anonymizer: replaces the persons.
        config: of the run.
        tracked_persons: of the detection pass; None to detect the persons in each image alone.
    """

    anonymizer: Anonymizer
    config: Config
    tracked_persons: TrackedPersons | None
    _processor: FrameProcessor = field(init=False)

    def __post_init__(self) -> None:
        self._processor = FrameProcessor(self.config)

    def run(self, batches: Iterable[list[Item]]) -> Generator[list[FinishedItem], None, None]:
        """Iterate over the batches of one storage file, with results in the place of tasks.

        Raises:
            BagError: if the input has changed since the detection pass.
        """
        for batch in batches:
            finished = self._process_batch(batch)
            del batch  # its images are not needed any more
            yield finished

    def _process_batch(self, batch: Sequence[Item]) -> list[FinishedItem]:
        tasks = [item for item in batch if isinstance(item, ImageTask) and item.image is not None]
        # If a result depends on the result before it, images are processed one by one.
        groups = [[task] for task in tasks] if reuses_synthetics(self.config) else [tasks]
        results = {
            result.task.number: result for group in groups for result in self._anonymize(group)
        }
        return [
            results.get(item.number, ImageResult(item)) if isinstance(item, ImageTask) else item
            for item in batch
        ]

    def _anonymize(self, tasks: Sequence[ImageTask]) -> Iterator[ImageResult]:
        """Iterate over the results in any order."""
        failed: list[ImageResult] = []
        frames = self._iter_frames(tasks, failed)
        for result in self._processor.process(self.anonymizer, frames):
            yield replace(result.source, result=result.frame, is_keyframe=result.is_keyframe)
        yield from failed

    def _iter_frames(
        self, tasks: Sequence[ImageTask], failed: list[ImageResult]
    ) -> Iterator[FrameTask[ImageResult]]:
        """Iterate over the frames to process; tasks without known persons go to ``failed``."""
        for task in tasks:
            assert task.image is not None  # noqa: S101 - narrows the type
            result = ImageResult(replace(task, image=None))
            try:
                persons = self._find_persons(task)
            except BagError:
                raise
            except Exception as error:  # noqa: BLE001 - of this image alone
                failed.append(replace(result, result=drop_traceback(error)))
                continue
            yield FrameTask(
                source=replace(result, num_propagated=persons.num_propagated if persons else 0),
                stream=task.message.channel.topic,
                image=task.image,
                time_ns=task.stamp_ns,
                cover_reason=CoverReason.SKIPPED if task.is_cover_only else None,
                persons=persons,
            )

    def _find_persons(self, task: ImageTask) -> FramePersons | None:
        """Return the tracked persons; None to detect them."""
        if self.tracked_persons is None:
            return None
        message, key = task.message, (task.file, task.number)
        return self.tracked_persons.get(message.channel.topic, key, message.data)
