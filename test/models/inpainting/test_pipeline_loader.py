"""Networks that replace or refine those of a pipeline."""

from pathlib import Path

import pytest
import torch

from anon_ros.errors import ModelError
from helpers.diffusion import inpaint_random, load_tiny_diffusion


def test_tiny_vae_replaces_default_vae(tiny_sdxl: Path, tiny_vae: Path) -> None:
    network = load_tiny_diffusion(tiny_sdxl, vae=str(tiny_vae))
    assert type(network.vae).__name__ == "AutoencoderTiny"
    assert not torch.equal(inpaint_random(network), inpaint_random(load_tiny_diffusion(tiny_sdxl)))


def test_other_vae_type_rejected(tiny_sdxl: Path) -> None:
    with pytest.raises(ModelError, match=r"inpaint\.vae: .* it is UNet2DConditionModel"):
        load_tiny_diffusion(tiny_sdxl, vae=str(tiny_sdxl / "unet"))


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
def test_lora_fused_into_weights(
    model: str, tiny_lora: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(model)
    plain, fused = load_tiny_diffusion(folder), load_tiny_diffusion(folder, lora=str(tiny_lora))
    before, after = plain.unet.state_dict(), fused.unet.state_dict()
    assert before.keys() == after.keys()  # nothing is left to be added at run time
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("to_q" in name or "to_k" in name or "ff.net.2" in name for name in changed)
    assert not torch.equal(inpaint_random(fused), inpaint_random(plain))


def test_lora_for_other_model_rejected(tiny_sd2: Path, tiny_lora: Path) -> None:
    with pytest.raises(ModelError, match=r"inpaint\.lora: .* cannot be loaded") as caught:
        load_tiny_diffusion(tiny_sd2, lora=str(tiny_lora))
    assert "\n" not in str(caught.value)
