"""The thread of the models, between the reader and the writer of a bag."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from anon_ros.bags.rewrite.batch_reader import ImageTask, Item
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.storage.records import Record
from anon_ros.config import Config
from anon_ros.core import AnonymizedFrame, Anonymizer, CoveredFrame
from anon_ros.errors import BagError, drop_traceback
from anon_ros.tracking import SyntheticCache, reuses_synthetics

_NOT_INPAINTED = "skipped"


@dataclass(frozen=True)
class ImageResult:
    """An image task that the models have finished.

    Attributes:
        task: without its pixels.
        result: the anonymized frame, or the reason for which there is none; None for a task that
            the models did not see.
        is_keyframe: later results depend on nothing before this image.
        num_propagated: persons, the last ones, who were detected in neighboring images only.
    """

    task: ImageTask
    result: AnonymizedFrame | Exception | None = None
    is_keyframe: bool = False
    num_propagated: int = 0


FinishedItem = Record | ImageResult


@dataclass(frozen=True)
class _CoveredTask:
    """A task whose persons are covered and wait for the inpainter."""

    index: int
    finished: ImageResult
    frame: CoveredFrame
    cache: SyntheticCache
    stamp_ns: int


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
    _caches: dict[str, SyntheticCache] = field(default_factory=dict)

    def run(self, batches: Iterable[list[Item]]) -> Generator[list[FinishedItem], None, None]:
        """Iterate over the batches of one storage file, with results in the place of tasks.

        Raises:
            BagError: if the input has changed since the detection pass.
        """
        self._caches.clear()
        for batch in batches:
            finished = self._process_batch(batch)
            del batch  # its images are not needed any more
            yield finished

    def _process_batch(self, batch: Sequence[Item]) -> list[FinishedItem]:
        tasks = [item for item in batch if isinstance(item, ImageTask) and item.image is not None]
        # If a result depends on the result before it, images are processed one by one.
        groups = [[task] for task in tasks] if reuses_synthetics(self.config) else [tasks]
        results = (result for group in groups for result in self._anonymize(group))
        return [
            item
            if not isinstance(item, ImageTask)
            else ImageResult(item)
            if item.image is None
            else next(results)
            for item in batch
        ]

    def _anonymize(self, tasks: Sequence[ImageTask]) -> list[ImageResult]:
        results: list[ImageResult] = []
        pending: list[_CoveredTask] = []
        for index, task in enumerate(tasks):
            finished = ImageResult(replace(task, image=None))
            try:
                covered = self._cover(index, task, finished)
                finished = covered.finished
                if task.is_cover_only:
                    frame = self.anonymizer.finish_covered(covered.frame, _NOT_INPAINTED)
                    finished = replace(finished, result=frame)
                else:
                    pending.append(covered)
            except BagError:
                raise
            except Exception as error:  # noqa: BLE001 - of this frame alone
                finished = replace(finished, result=drop_traceback(error))
            results.append(finished)
        for covered, result in zip(pending, self._inpaint(pending), strict=True):
            results[covered.index] = replace(covered.finished, result=result)
        return results

    def _cover(self, index: int, task: ImageTask, finished: ImageResult) -> _CoveredTask:
        cache = self._caches.setdefault(task.message.channel.topic, SyntheticCache(self.config))
        frame, num_propagated = self._cover_persons(task)
        inpaints = not task.is_cover_only
        frame = cache.attach(frame, self.anonymizer, task.stamp_ns, inpaints=inpaints)
        finished = replace(finished, is_keyframe=cache.is_keyframe, num_propagated=num_propagated)
        return _CoveredTask(index, finished, frame, cache, task.stamp_ns)

    def _cover_persons(self, task: ImageTask) -> tuple[CoveredFrame, int]:
        """Return the covered frame and the number of propagated persons."""
        assert task.image is not None  # noqa: S101 - narrows the type
        if self.tracked_persons is None:
            return self.anonymizer.detect_and_cover(task.image, self.config.inpaint.seed), 0
        message = task.message
        key = task.file, task.number
        persons = self.tracked_persons.get(message.channel.topic, key, message.data)
        return self.anonymizer.cover_persons(task.image, persons), persons.num_propagated

    def _inpaint(self, pending: Sequence[_CoveredTask]) -> list[AnonymizedFrame | Exception]:
        results = self.anonymizer.inpaint_frames([task.frame for task in pending])
        for task, result in zip(pending, results, strict=True):
            if not isinstance(result, Exception):
                task.cache.store(task.frame, self.anonymizer, result, task.stamp_ns)
        return results
