"""``anon_ros image``: anonymize image files and folders."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from anon_ros.cli.config_flags import add_config_flags, parse_config
from anon_ros.cli.preview import LEGEND, draw_preview
from anon_ros.config import PERSON, Config
from anon_ros.core import AnonymizedFrame, Anonymizer, OutcomeKind, RgbImage, Tier
from anon_ros.errors import InputError, format_error
from anon_ros.images import (
    CompressedImageData,
    decode_compressed,
    describe_reduction,
    encode_compressed,
)
from anon_ros.models import build_anonymizer
from anon_ros.utils.files import require_regular, walk_files, write_atomic
from anon_ros.utils.text import escape_controls

_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_DESCRIPTION = """\
Anonymize JPEG and PNG files. A folder is mirrored below OUT. An image without persons keeps its
pixels as they are. Of all metadata only orientation and colors stay: pictures may hide in others.
An image in which a model drew persons says so in its metadata, unless --output.mark off.
An image that fails is reported and not written. Exit code: 0, or 1 if an image failed or existed
already.
"""
_EXAMPLES = """\
examples:
  anon_ros image photos/ -o anonymized/
  anon_ros image a.jpg -o b.jpg --inpaint.method fill
  anon_ros image photos/ -o anonymized/ --profile street
  anon_ros image a.jpg -o preview/ --preview --regions.always "0,0.8 1,0.8 1,1 0,1"
"""
_SMALL = Tier.SMALL.value
_TARGET = "target "
_CONFIG_GROUPS = (
    "detect",
    "mask",
    "regions",
    "targets",
    "inpaint",
    "compute",
    "output",
    "fail.max_pixels",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add inputs, output and parameters."""
    parser.usage = "anon_ros image IN [IN ...] -o OUT [options]"
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="image file or folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="output folder; for a single input file also a file name",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--preview",
        action="store_true",
        help="draw detections, regions and tiles on the anonymized images",
    )
    add_config_flags(parser, _CONFIG_GROUPS)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Anonymize the inputs; return 0, or 1 if an image failed or existed already.

    Raises:
        AnonRosError: if inputs, parameters or models are wrong.
    """
    config = parse_config(arguments)
    flags = {"force": arguments.force, "has_preview": arguments.preview}
    return run_image(arguments.inputs, arguments.output, config, **flags)


def run_image(
    inputs: Sequence[Path],
    output: Path,
    config: Config,
    *,
    force: bool = False,
    has_preview: bool = False,
) -> int:
    """Anonymize the inputs and write them below ``output``.

    Files that fail are reported and not written; existing files are kept unless ``force``. With
    ``has_preview`` they show what was looked for.

    Returns:
        0, or 1 if an input failed or its output existed already.

    Raises:
        AnonRosError: if inputs, parameters or models are wrong.
    """
    jobs = _plan_jobs(inputs, output)
    existing = [] if force else [destination for _, destination in jobs if destination.exists()]
    skipped = set(existing)
    todo = [job for job in jobs if job[1] not in skipped]
    counts: Counter[str] = Counter()
    if todo:
        if has_preview:
            print(LEGEND)
        anonymizer = build_anonymizer(config)
        draw = partial(draw_preview, anonymizer=anonymizer, config=config) if has_preview else None
        for source, destination in tqdm(todo, unit="image", disable=None):
            try:
                result = _anonymize_file(source, destination, anonymizer, config, draw)
            except Exception as error:  # noqa: BLE001 - a bad file must not lose the rest
                counts["failed"] += 1
                text = f"{source}: failed, not written: {format_error(error)}"
                tqdm.write(escape_controls(text), file=sys.stderr)
            else:
                outcomes = Counter(_list_outcomes(result))
                counts += outcomes
                text = f"{source}: {_format_persons(outcomes)}{_format_reasons(result)}"
                tqdm.write(escape_controls(text))
    print(_format_summary(counts, len(todo)))
    for destination in existing:
        text = f"{destination}: exists, kept; --force overwrites it"
        print(escape_controls(text), file=sys.stderr)
    return 1 if existing or counts["failed"] else 0


def _plan_jobs(inputs: Sequence[Path], output: Path) -> list[tuple[Path, Path]]:
    """Return pairs of source and destination."""
    jobs = [job for path in inputs for job in _iter_jobs(path, output, single=len(inputs) == 1)]
    if not jobs:
        message = f"no {', '.join(_FORMATS)} file in {', '.join(map(str, inputs))}"
        raise InputError(message)
    duplicates = [str(path) for path, count in Counter(job[1] for job in jobs).items() if count > 1]
    if duplicates:
        message = f"several inputs would be written to {duplicates[0]}; anonymize them separately"
        raise InputError(message)
    return jobs


def _iter_jobs(path: Path, output: Path, *, single: bool) -> Iterator[tuple[Path, Path]]:
    if path.is_dir():
        if output.resolve().is_relative_to(path.resolve()):
            message = f"the output {output} lies in the input folder {path}; choose one outside"
            raise InputError(message)
        yield from _iter_folder(path, output)
    elif not path.is_file():
        message = f"{path} does not exist"
        raise InputError(message)
    elif path.suffix.lower() not in _FORMATS:
        message = f"{path} is not a {', '.join(_FORMATS)} file"
        raise InputError(message)
    elif single and output.suffix.lower() in _FORMATS and not output.is_dir():
        if _FORMATS[output.suffix.lower()] != _FORMATS[path.suffix.lower()]:
            message = f"{path} keeps its format; end the output {output} in {path.suffix}"
            raise InputError(message)
        yield path, output
    else:
        yield path, output / path.name


def _iter_folder(folder: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    ignored = []
    for file in _list_files(folder, output):
        if file.suffix.lower() in _FORMATS:
            yield file, output / file.relative_to(folder)
        else:
            ignored.append(file.name)
    if ignored:
        formats, names = ", ".join(_FORMATS), ", ".join(ignored[:3])
        more = ", ..." if ignored[3:] else ""
        message = f"{len(ignored)} files left out, not {formats}: {names}{more}"
        print(escape_controls(f"{folder}: {message}"), file=sys.stderr)


def _list_files(folder: Path, output: Path) -> list[Path]:
    """Return the files below a folder, also those that links lead to."""
    try:
        files = list(walk_files(folder))
    except OSError as error:
        raise InputError(format_error(error)) from error
    target = output.resolve()
    for parent in {file.parent for file in files}:
        if target.is_relative_to(parent.resolve()):
            message = f"the output {output} lies in {parent}, to which a link leads; choose another"
            raise InputError(message)
    return files


def _anonymize_file(
    source: Path,
    destination: Path,
    anonymizer: Anonymizer,
    config: Config,
    draw: Callable[[AnonymizedFrame, RgbImage], RgbImage] | None,
) -> AnonymizedFrame:
    """Write an image anonymized, with what ``draw`` draws on it."""
    require_regular(source)
    original = CompressedImageData(_FORMATS[source.suffix.lower()], source.read_bytes())
    image = decode_compressed(original, config.fail.max_pixels)
    height_px, width_px = image.shape[:2]
    if warning := describe_reduction(width_px, height_px, config.detect.inference_px):
        print(escape_controls(f"{source}: {warning}"), file=sys.stderr)
    result = anonymizer.anonymize(image, config.inpaint.seed)
    shown, changed = result.image, result.replaced_mask
    if draw is not None:
        shown = draw(result, image)
        changed = changed | (shown != result.image).any(axis=2)
    data = encode_compressed(
        original,
        shown,
        changed,
        config.output.jpeg_quality,
        adds_mark=config.output.mark and result.drawn_beta_d is not None,
    )
    write_atomic(destination, data)
    return result


def _list_outcomes(result: AnonymizedFrame) -> list[str]:
    small = [_SMALL for outcome in result.outcomes if outcome.tier is Tier.SMALL]
    return [
        outcome.kind.value
        if outcome.target == PERSON
        else f"{_TARGET}{outcome.target} {outcome.kind.value}"
        for outcome in result.outcomes
    ] + small


def _format_persons(counts: Counter[str]) -> str:
    inpainted, covered = (counts[kind.value] for kind in OutcomeKind)
    small = f" ({counts[_SMALL]} by {_SMALL})" if counts[_SMALL] else ""
    targets = (
        f", {count} {name.removeprefix(_TARGET)} as target"
        for name, count in sorted(counts.items())
        if name.startswith(_TARGET)
    )
    persons = f"{inpainted + covered} persons, {inpainted} inpainted{small}, {covered} covered"
    return persons + "".join(targets)


def _format_reasons(result: AnonymizedFrame) -> str:
    reasons = {outcome.reason_text for outcome in result.outcomes if outcome.reason_text}
    return f" ({'; '.join(sorted(reasons))})" if reasons else ""


def _format_summary(counts: Counter[str], images: int) -> str:
    failed = counts["failed"]
    return (
        f"{images - failed} of {images} images written, {_format_persons(counts)}, {failed} failed"
    )
