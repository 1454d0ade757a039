"""``anon_ros evaluate reid``: are anonymized persons recognized?"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.embedders import load_embedders
from anon_ros.evaluation.inputs.frames import read_image
from anon_ros.evaluation.inputs.tracked_frames import FramePairSource
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.options import ReidOptions
from anon_ros.evaluation.person_crops import PersonCrops, extract_person_crops
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.reid.datasets import PersonImage, ReidDataset, load_reid_dataset
from anon_ros.evaluation.reid.tables import (
    ORIGINAL,
    ReidScores,
    make_reid_plot,
    make_reid_table,
    summarize_reid,
)
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import Embedder, Features, FeatureSet, compute_chance_level, evaluate_reid
from anon_ros.utils.progress import track_progress

_BATCH_SIZE = 64
_ATTACKER_LIMITATION = (
    "An attacker may know more than these embedders: gait, place and time, or a network trained on "
    "anonymized images. A rate near the chance level is no proof of protection; a rate far above "
    "it is proof of a lack of it."
)
_TRACK_LIMITATION = (
    "Persons are tracks: a person whose track was lost and started anew counts as two, so that a "
    "correct match counts as wrong, for the original, too."
)
_SURROUNDINGS_LIMITATION = (
    "Crops show some of the surroundings: a person who stands still is recognized by them. What "
    "mask-out leaves to recognize is that, and the size."
)
_COLOR_LIMITATION = "The embedder colours sees clothing alone, and coarsely."


@dataclass(frozen=True)
class EmbeddedImages:
    """Queries or gallery.

    Attributes:
        persons: (N,) int64 numbers of the persons.
        cameras: (N,) int64 numbers of the cameras.
        vectors: (N, D) features by embedder.
    """

    persons: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    vectors: Mapping[str, Features]

    def get_features(self, embedder: str) -> FeatureSet:
        """Return the features of one embedder."""
        return FeatureSet(self.vectors[embedder], self.persons, self.cameras)


def evaluate_reid_set(options: ReidOptions, config: Config) -> Report:
    """Search for anonymized persons among the originals.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    embedders = load_embedders(options.embedders, config, options.output)
    frames, comparison = options.frames, options.comparison
    dataset = load_reid_dataset(frames.path, options.dataset_format)
    if dataset is not None and comparison.anonymized is not None:
        message = (
            "--anonymized is for recordings; the queries of a dataset are anonymized with --methods"
        )
        raise InputError(message)
    runner = None
    if comparison.anonymized is None:
        runner = MethodRunner.load(config, comparison.methods, options.output)
    if dataset is not None and runner is not None:
        queries = dataset.query[:: frames.stride][: frames.max_frames or None]
        scores = _evaluate_dataset(replace(dataset, query=queries), embedders, runner)
        name, limitations = dataset.name, _list_dataset_limitations(dataset)
    else:
        pairs = FramePairSource(frames, comparison, options.fps)
        crops = extract_person_crops(pairs, options.period_s, config, runner)
        scores = evaluate_crops(crops, embedders)
        name, limitations = frames.path.name, [_TRACK_LIMITATION, _SURROUNDINGS_LIMITATION]
    covered = runner.limitations() if runner else []
    methods = () if runner is None else comparison.methods
    return Report(
        f"Re-identification: {name}",
        summarize_reid(scores),
        [make_reid_table(scores)],
        [make_reid_plot(scores)],
        [_ATTACKER_LIMITATION, *limitations, _COLOR_LIMITATION, *covered],
        collect_provenance(config, methods, embedders),
    )


def _list_dataset_limitations(dataset: ReidDataset) -> list[str]:
    left_out = (
        f"{dataset.num_junk_queries} junk images among the queries were left out: they show no "
        "person to search for."
    )
    return [left_out] if dataset.num_junk_queries else []


def evaluate_crops(crops: PersonCrops, embedders: Sequence[Embedder]) -> ReidScores:
    """Search for anonymized crops among the original ones of other periods."""
    persons, periods = np.array(crops.persons, np.int64), np.array(crops.periods, np.int64)
    vectors = {embedder.name: embedder.embed(crops.originals) for embedder in embedders}
    gallery = EmbeddedImages(persons, periods, vectors)
    queries = {ORIGINAL: gallery}
    for method, images in crops.anonymized.items():
        vectors = {embedder.name: embedder.embed(images) for embedder in embedders}
        queries[method] = EmbeddedImages(persons, periods, vectors)
    return _search(queries, gallery, np.ones(len(persons), np.bool_))


def _evaluate_dataset(
    dataset: ReidDataset, embedders: Sequence[Embedder], runner: MethodRunner
) -> ReidScores:
    gallery = _embed_images(dataset.gallery, embedders)
    has_detection: list[bool] = []
    batches: dict[str, dict[str, list[Features]]] = defaultdict(lambda: defaultdict(list))
    starts = range(0, len(dataset.query), _BATCH_SIZE)
    for start in track_progress(starts, "queries", len(starts), "batches"):
        images: dict[str, list[RgbImage]] = defaultdict(list)
        for query in dataset.query[start : start + _BATCH_SIZE]:
            original = read_image(query.path)
            detections = runner.detect(original)
            has_detection.append(len(detections) > 0)
            anonymized = runner.anonymize(original, detections)
            for method, image in {ORIGINAL: original, **anonymized}.items():
                images[method].append(image)
        for method, batch in images.items():
            for embedder in embedders:
                batches[method][embedder.name].append(embedder.embed(batch))
    persons, cameras = _collect_ids(dataset.query)
    queries = {
        method: EmbeddedImages(persons, cameras, _join_batches(vectors))
        for method, vectors in batches.items()
    }
    return _search(queries, gallery, np.array(has_detection, np.bool_))


def _embed_images(images: Sequence[PersonImage], embedders: Sequence[Embedder]) -> EmbeddedImages:
    batches: dict[str, list[Features]] = {embedder.name: [] for embedder in embedders}
    starts = range(0, len(images), _BATCH_SIZE)
    for start in track_progress(starts, "gallery", len(starts), "batches"):
        batch = [read_image(image.path) for image in images[start : start + _BATCH_SIZE]]
        for embedder in embedders:
            batches[embedder.name].append(embedder.embed(batch))
    return EmbeddedImages(*_collect_ids(images), _join_batches(batches))


def _join_batches(batches: Mapping[str, Sequence[Features]]) -> dict[str, Features]:
    return {name: np.concatenate(features) for name, features in batches.items()}


def _collect_ids(
    images: Sequence[PersonImage],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    persons, cameras = ([getattr(i, name) for i in images] for name in ("person", "camera"))
    return np.array(persons, np.int64), np.array(cameras, np.int64)


def _search(
    queries: Mapping[str, EmbeddedImages],
    gallery: EmbeddedImages,
    has_detection: npt.NDArray[np.bool_],
) -> ReidScores:
    results = {
        (embedder, method): evaluate_reid(
            images.get_features(embedder), gallery.get_features(embedder)
        )
        for embedder in gallery.vectors
        for method, images in queries.items()
    }
    any_embedder = next(iter(gallery.vectors))
    chance = compute_chance_level(
        queries[ORIGINAL].get_features(any_embedder), gallery.get_features(any_embedder)
    )
    return ReidScores(results, chance, has_detection, len(gallery.persons))
