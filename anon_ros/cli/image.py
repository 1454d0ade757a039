"""``anon_ros image``: files and folders."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from anon_ros.config import Config
from anon_ros.core import AnonymizedFrame, Anonymizer, OutcomeKind
from anon_ros.errors import InputError, format_error
from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed
from anon_ros.models import build_anonymizer
from anon_ros.utils.files import write_atomic

_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


def run_image(inputs: Sequence[Path], output: Path, config: Config, *, force: bool = False) -> int:
    """Anonymize each input and write it below ``output``.

    Files that fail are reported and not written; files that exist are left alone unless ``force``.

    Returns:
        0, or 1 if an input failed or its output existed already.

    Raises:
        AnonRosError: if nothing could be started: wrong inputs, parameters or models.
    """
    jobs = _plan(inputs, output)
    existing = [] if force else [destination for _, destination in jobs if destination.exists()]
    left_alone = set(existing)
    todo = [job for job in jobs if job[1] not in left_alone]
    tally: Counter[str] = Counter()
    if todo:
        anonymizer = build_anonymizer(config)
        for source, destination in tqdm(todo, unit="image", disable=None):
            try:
                result = _anonymize_file(source, destination, anonymizer, config)
            except Exception as error:  # noqa: BLE001 - one bad file must not lose the others
                tally["failed"] += 1
                text = f"{source}: failed, not written: {format_error(error)}"
                tqdm.write(text, file=sys.stderr)
            else:
                tally.update(_kinds(result))
                tqdm.write(f"{source}: {_persons(Counter(_kinds(result)))}{_reasons(result)}")
    print(_summary(tally, len(todo)))
    for destination in existing:
        print(f"{destination}: exists, left alone; --force overwrites it", file=sys.stderr)
    return 1 if existing or tally["failed"] else 0


def _plan(inputs: Sequence[Path], output: Path) -> list[tuple[Path, Path]]:
    """Which file becomes which."""
    jobs = [job for path in inputs for job in _jobs(path, output, single=len(inputs) == 1)]
    if not jobs:
        message = f"no {', '.join(_FORMATS)} file in {', '.join(map(str, inputs))}"
        raise InputError(message)
    twice = [str(path) for path, count in Counter(job[1] for job in jobs).items() if count > 1]
    if twice:
        message = f"several inputs would be written to {twice[0]}; give them one by one"
        raise InputError(message)
    return jobs


def _jobs(path: Path, output: Path, *, single: bool) -> Iterator[tuple[Path, Path]]:
    if path.is_dir():
        if output.resolve().is_relative_to(path.resolve()):
            message = f"the output {output} lies in the input folder {path}; choose one outside"
            raise InputError(message)
        yield from _walk(path, output)
    elif not path.is_file():
        message = f"{path} does not exist"
        raise InputError(message)
    elif path.suffix.lower() not in _FORMATS:
        message = f"{path} is no {', '.join(_FORMATS)} file"
        raise InputError(message)
    elif single and output.suffix.lower() in _FORMATS and not output.is_dir():
        if _FORMATS[output.suffix.lower()] != _FORMATS[path.suffix.lower()]:
            message = f"{path} keeps its format; end the output {output} in {path.suffix}"
            raise InputError(message)
        yield path, output
    else:
        yield path, output / path.name


def _walk(folder: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    others = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix.lower() in _FORMATS:
            yield file, output / file.relative_to(folder)
        else:
            others.append(file.name)
    if others:
        told = f"{len(others)} files left out, not {', '.join(_FORMATS)}: {', '.join(others[:3])}"
        print(f"{folder}: {told}{', ...' if others[3:] else ''}", file=sys.stderr)


def _anonymize_file(
    source: Path, destination: Path, anonymizer: Anonymizer, config: Config
) -> AnonymizedFrame:
    original = CompressedImageData(_FORMATS[source.suffix.lower()], source.read_bytes())
    result = anonymizer.anonymize(decode_compressed(original), config.inpaint.seed)
    data = encode_compressed(
        original, result.image, result.replaced_mask, config.output.jpeg_quality
    )
    write_atomic(destination, data)
    return result


def _kinds(result: AnonymizedFrame) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def _persons(kinds: Counter[str]) -> str:
    inpainted, covered = (kinds[kind.value] for kind in OutcomeKind)
    return f"{inpainted + covered} persons, {inpainted} inpainted, {covered} covered"


def _reasons(result: AnonymizedFrame) -> str:
    reasons = {outcome.reason_text for outcome in result.outcomes if outcome.reason_text}
    return f" ({'; '.join(sorted(reasons))})" if reasons else ""


def _summary(tally: Counter[str], images: int) -> str:
    failed = tally["failed"]
    return f"{images - failed} of {images} images written, {_persons(tally)}, {failed} failed"
