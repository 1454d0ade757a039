"""Export of trained networks as a diffusers folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.networks import TEXT_WIDTH
from training.unet_training import BETA_END, BETA_START

_TOKEN_WIDTH = TEXT_WIDTH // 2  # of each of the two encoders


def export_pipeline(vae: Any, unet: Any, folder: Path) -> None:
    """Write a ``StableDiffusionXLInpaintPipeline`` in float16.

    Its text encoders are tiny and return zero for every prompt, which is what the UNet was trained
    with: it draws persons, whatever the text.
    """
    import diffusers  # noqa: PLC0415 - slow
    import transformers  # noqa: PLC0415 - slow

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = _make_tokenizer(Path(scratch))
        pipeline = diffusers.StableDiffusionXLInpaintPipeline(
            vae=vae.cpu(),
            unet=unet.cpu(),
            text_encoder=_make_text_encoder(transformers.CLIPTextModel, _TOKEN_WIDTH),
            text_encoder_2=_make_text_encoder(transformers.CLIPTextModelWithProjection, TEXT_WIDTH),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            scheduler=diffusers.DPMSolverMultistepScheduler(
                beta_start=BETA_START,
                beta_end=BETA_END,
                beta_schedule="scaled_linear",
                prediction_type="v_prediction",
            ),
            add_watermarker=False,
        )
        pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)


def _make_tokenizer(folder: Path) -> Any:
    """Return a tokenizer of single characters."""
    import transformers  # noqa: PLC0415 - slow

    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _make_text_encoder(kind: Any, projection_width: int) -> Any:
    import transformers  # noqa: PLC0415 - slow

    encoder = kind(
        transformers.CLIPTextConfig(
            hidden_size=_TOKEN_WIDTH,
            intermediate_size=_TOKEN_WIDTH,
            projection_dim=projection_width,
            num_attention_heads=2,
            num_hidden_layers=1,
            vocab_size=200,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    ).eval()
    for parameter in encoder.parameters():
        torch.nn.init.zeros_(parameter)
    return encoder
