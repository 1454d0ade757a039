"""Persons whom non-maximum suppression drops, beside candidates that cover nobody."""

from collections.abc import Iterator

import torch

from anon_ros.models.detection.backends.crowds import add_hidden_persons


def test_weak_candidate_hides_nobody() -> None:
    """Its mask is not replaced, so a person of those pixels has to be kept."""
    front, behind, weak = [0, 0, 60, 100], [4, 0, 64, 100], [40, 0, 100, 100]
    masks = torch.zeros(3, 100, 100, dtype=torch.bool)
    masks[0, :, :40] = masks[1, :, 40:64] = masks[2, :, 40:] = True

    def iter_masks(rows: torch.Tensor) -> Iterator[torch.Tensor]:
        yield masks[rows]

    boxes_xyxy = torch.tensor([front, behind, weak]).float()
    scores, selected = torch.tensor([0.9, 0.6, 0.1]), torch.tensor([0, 2])
    kept = add_hidden_persons(selected, boxes_xyxy, scores, iter_masks, confidence=0.25)
    assert kept.tolist() == [0, 1, 2]
