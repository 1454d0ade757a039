"""Networks of the generator: a VAE of factor 4 and a UNet of SDXL's architecture."""

from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError

LATENT_CHANNELS = 4
TEXT_WIDTH = 64
_TIME_ID_WIDTH = 32
_VAE_WIDTH = 48
_UNET_WIDTHS = (64, 128, 144)
_HEAD_WIDTH = 16


def make_vae() -> Any:
    """Return an untrained AutoencoderTiny: (B, 3, H, W) to (B, 4, H / 4, W / 4)."""
    from diffusers import AutoencoderTiny  # noqa: PLC0415 - slow

    return AutoencoderTiny(
        encoder_block_out_channels=(_VAE_WIDTH,) * 3,
        decoder_block_out_channels=(_VAE_WIDTH,) * 3,
        num_encoder_blocks=(1, 2, 3),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=LATENT_CHANNELS,
        latent_magnitude=3,
        upsampling_scaling_factor=2,
    )


def make_unet() -> Any:
    """Return an untrained UNet of 9 input channels, with SDXL's conditions."""
    from diffusers import UNet2DConditionModel  # noqa: PLC0415 - slow

    return UNet2DConditionModel(
        sample_size=32,
        in_channels=9,
        out_channels=4,
        layers_per_block=2,
        block_out_channels=_UNET_WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        # diffusers means the number of heads.
        attention_head_dim=tuple(width // _HEAD_WIDTH for width in _UNET_WIDTHS),
        transformer_layers_per_block=1,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=6 * _TIME_ID_WIDTH + TEXT_WIDTH,
        norm_num_groups=16,
    )


def load_weights(network: Any, folder: Path) -> None:
    """Load the weights of the same network from a part of an exported pipeline.

    Raises:
        TrainingError: if there are none, or they are another network's.
    """
    from safetensors.torch import load_file  # noqa: PLC0415 - slow

    path = folder / "diffusion_pytorch_model.safetensors"
    if not path.is_file():
        message = f"{path} is missing; give the folder of an exported pipeline"
        raise TrainingError(message)
    weights = {name: values.to(torch.float32) for name, values in load_file(path).items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        message = f"{path} holds another network than training/networks.py makes"
        raise TrainingError(message) from error
