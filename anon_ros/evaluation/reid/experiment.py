"""``anon_ros evaluate reid``: is anybody found again?"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anon_ros.cli.config_flags import parse_config
from anon_ros.errors import InputError
from anon_ros.evaluation.embedders import load_embedders
from anon_ros.evaluation.inputs.frames import read_image
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.person_crops import PersonCrops, extract_person_crops
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.reid.datasets import PersonImage, ReidDataset, load_reid_dataset
from anon_ros.evaluation.reid.tables import (
    ORIGINAL,
    ReidScores,
    reid_plot,
    reid_table,
    summarize_reid,
)
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import (
    ChanceLevel,
    Embedder,
    Features,
    FeatureSet,
    chance_level,
    evaluate_reid,
)
from anon_ros.utils.progress import track_progress

_BATCH = 64
_NOT_TOLD = (
    "An attacker may know more than these embedders: gait, place and time, or a network trained on "
    "anonymized images. A figure near chance is no proof; one far above it is one of the contrary."
)
_TRACKS = (
    "Persons are tracks: whoever was lost and found again counts as two, so that finding them "
    "counts as wrong, for the original, too."
)
_PLACES = (
    "Crops show some of the surroundings: who stands still is found again by them. What mask-out "
    "leaves to be found is found by that, and by the size."
)
_COLOURS = "The embedder colours sees clothing alone, and coarsely."


@dataclass(frozen=True)
class EmbeddedImages:
    """One side of the search: (N,) int64 persons and cameras, vectors by embedder."""

    persons: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    vectors: Mapping[str, Features]

    def side(self, embedder: str) -> FeatureSet:
        return FeatureSet(self.vectors[embedder], self.persons, self.cameras)


def evaluate_reid_set(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = parse_config(arguments)
    known = load_embedders(arguments, config)
    found = load_reid_dataset(arguments.input, arguments.format)
    if found is not None and arguments.anonymized is not None:
        message = "--anonymized is for recordings; the queries of a set are anonymized with --modes"
        raise InputError(message)
    modes = (
        None if arguments.anonymized else MethodRunner.load(config, arguments.modes, arguments.out)
    )
    if found is not None and modes is not None:
        chosen = found.query[:: arguments.every_nth][: arguments.limit or None]
        identity = _of_set(replace(found, query=chosen), known, modes)
        name, limits = found.name, _left_out(found)
    else:
        crops = extract_person_crops(arguments, config, modes)
        name, identity, limits = (
            arguments.input.name,
            evaluate_crops(crops, known),
            [_TRACKS, _PLACES],
        )
    return Report(
        f"Re-identification: {name}",
        summarize_reid(identity),
        [reid_table(identity)],
        [reid_plot(identity)],
        [_NOT_TOLD, *limits, _COLOURS, *(modes.limitations() if modes else [])],
        collect_provenance(config, () if modes is None else tuple(arguments.modes), known),
    )


def _left_out(found: ReidDataset) -> list[str]:
    several = (
        f"{found.num_junk_queries} junk images among the queries were left out: "
        "nobody to search for."
    )
    return [several] if found.num_junk_queries else []


def evaluate_crops(crops: PersonCrops, known: Sequence[Embedder]) -> ReidScores:
    """Search for anonymized crops among the original ones of other periods."""
    persons, periods = np.array(crops.persons, np.int64), np.array(crops.periods, np.int64)
    originals = {each.name: each.embed(crops.originals) for each in known}
    gallery = EmbeddedImages(persons, periods, originals)
    queries = {ORIGINAL: gallery}
    for mode, images in crops.anonymized.items():
        queries[mode] = EmbeddedImages(
            persons, periods, {each.name: each.embed(images) for each in known}
        )
    return _searched(queries, gallery, np.ones(len(persons), np.bool_))


def _of_set(images_of: ReidDataset, known: Sequence[Embedder], modes: MethodRunner) -> ReidScores:
    gallery = _embedded(images_of.gallery, known)
    seen: list[bool] = []
    parts: dict[str, dict[str, list[Features]]] = {}
    for start in track_progress(
        _starts(images_of.query), "queries", len(_starts(images_of.query)), "batches"
    ):
        images: dict[str, list[npt.NDArray[np.uint8]]] = {}
        for query in images_of.query[start : start + _BATCH]:
            original = read_image(query.path)
            found = modes.detect(original)
            seen.append(len(found) > 0)
            for mode, drawn in {ORIGINAL: original, **modes.anonymize(original, found)}.items():
                images.setdefault(mode, []).append(drawn)
        for mode, batch in images.items():
            for each in known:
                parts.setdefault(mode, {}).setdefault(each.name, []).append(each.embed(batch))
    persons, cameras = _numbers(images_of.query)
    queries = {
        mode: EmbeddedImages(
            persons, cameras, {name: np.concatenate(v) for name, v in vectors.items()}
        )
        for mode, vectors in parts.items()
    }
    return _searched(queries, gallery, np.array(seen, np.bool_))


def _embedded(images: Sequence[PersonImage], known: Sequence[Embedder]) -> EmbeddedImages:
    parts: dict[str, list[Features]] = {each.name: [] for each in known}
    starts = _starts(images)
    for start in track_progress(starts, "gallery", len(starts), "batches"):
        batch = [read_image(image.path) for image in images[start : start + _BATCH]]
        for each in known:
            parts[each.name].append(each.embed(batch))
    vectors = {name: np.concatenate(batches) for name, batches in parts.items()}
    return EmbeddedImages(*_numbers(images), vectors)


def _starts(images: Sequence[PersonImage]) -> range:
    return range(0, len(images), _BATCH)


def _numbers(images: Sequence[PersonImage]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    persons, cameras = ([getattr(i, name) for i in images] for name in ("person", "camera"))
    return np.array(persons, np.int64), np.array(cameras, np.int64)


def _searched(
    queries: Mapping[str, EmbeddedImages], gallery: EmbeddedImages, seen: npt.NDArray[np.bool_]
) -> ReidScores:
    rankings = {
        (embedder, mode): evaluate_reid(images.side(embedder), gallery.side(embedder))
        for embedder in gallery.vectors
        for mode, images in queries.items()
    }
    some = next(iter(gallery.vectors))
    by_chance: ChanceLevel = chance_level(queries[ORIGINAL].side(some), gallery.side(some))
    return ReidScores(rankings, by_chance, seen, len(gallery.persons))
