"""The whole training, shortened: every part works, and the loss falls."""

import json
import re
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from anon_ros.config import ComputeConfig, InpaintConfig
from anon_ros.core import Crop, Roi
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from training.__main__ import main
from training.checkpoint import load_checkpoint, read_num_steps, save_checkpoint
from training.crops import CropMaker
from training.errors import TrainingError
from training.networks import load_weights, make_unet, make_vae
from training.progress import Clock, choose_timer
from training.random_values import RandomValues
from training.unet_training import compute_loss, draw_noise, make_alphas

ROOT = Path(__file__).resolve().parents[2]


def run_training(*options: str) -> str:
    command = [sys.executable, "-m", "training", *options]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture
def _steps_as_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step take a second of the budget and of a run, whatever the machine."""
    monkeypatch.setattr("training.__main__.choose_timer", lambda _: count().__next__)
    clock = SimpleNamespace(monotonic=count().__next__)
    for module in ("progress", "__main__"):
        monkeypatch.setattr(f"training.{module}.time", clock)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("_steps_as_seconds")
def test_training_from_nothing(
    figure_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It trains, is stopped, goes on, and exports a pipeline that the product draws with."""
    out = tmp_path / "out"
    seeds: list[int] = []
    make_random = RandomValues.seed

    def note_seed(seed: int, device: torch.device) -> RandomValues:
        seeds.append(seed)
        return make_random(seed, device)

    monkeypatch.setattr(RandomValues, "seed", note_seed)

    def run(stop_after_s: int) -> str:
        options = [
            *("--figures", str(figure_folder), "--work", str(tmp_path / "work")),
            *("--out", str(out), "--minutes", "1.5", "--streets", "4", "--batch-size", "4"),
            *("--report-s", "20", "--device", "cpu", "--stop-after-s", str(stop_after_s)),
        ]
        monkeypatch.setattr("sys.argv", ["training", *options])
        main()
        return capsys.readouterr().out

    in_vae, in_unet = run(10), run(45)
    for printed in (in_vae, in_unet):
        assert "not finished" in printed
        assert "the same command goes on" in printed
    assert "unet:" not in in_vae
    assert not out.exists()
    resumed = run(1000)
    assert seeds[0] == 0 < seeds[1] < seeds[2]
    steps = [int(step) for step in re.findall(r"unet: step (\d+)", in_unet + resumed)]
    assert steps == sorted(steps)
    assert "100% of the budget" in resumed
    # Means of 20 steps, which have all sizes once, the last one of the rest.
    losses = [float(loss) for loss in re.findall(r"unet: .* loss ([\d.]+)", in_unet + resumed)]
    assert losses[-1] < 0.8 * losses[0]
    scheduler = json.loads((tmp_path / "out/scheduler/scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction"
    _draw_one_person(tmp_path / "out")
    further = run_training(
        *("--figures", str(figure_folder), "--work", str(tmp_path / "more"), "--streets", "4"),
        *("--out", str(tmp_path / "further"), "--minutes", "0.1", "--batch-size", "4"),
        *("--start", str(tmp_path / "out"), "--device", "cpu"),
    )
    assert "vae:" not in further
    vaes = [
        tmp_path / name / "vae/diffusion_pytorch_model.safetensors" for name in ("out", "further")
    ]
    assert vaes[0].read_bytes() == vaes[1].read_bytes()


def test_weights_of_another_network_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is missing; give the folder of an exported pipeline"):
        load_weights(make_vae(), tmp_path)
    save_file({"weight": torch.zeros(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(TrainingError, match="holds another network"):
        load_weights(make_vae(), tmp_path)


def _draw_one_person(folder: Path) -> None:
    config = InpaintConfig(
        model=str(folder), generate_px=128, steps=5, scheduler="dpm", guidance_scale=1.0
    )
    inpainter = DiffusionInpainter.load(config, ComputeConfig(device="cpu"))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 48, 3), np.uint8)
    mask = np.zeros((96, 48), np.bool_)
    mask[16:80, 12:36] = True
    (drawn,) = inpainter.inpaint([Crop(image, mask, mask, Roi(0, 0, 48, 96), 1)])
    assert isinstance(drawn, np.ndarray)
    assert np.mean(np.abs(drawn[mask].astype(int) - image[mask])) > 10


def test_loss_of_one_batch_falls(crop_maker: CropMaker, random: RandomValues) -> None:
    torch.manual_seed(0)
    vae, unet = make_vae().eval(), make_unet()
    batch, alphas = crop_maker.make_batch(4, 64, 32), make_alphas(torch.device("cpu"))
    optimizer = torch.optim.AdamW(unet.parameters(), 1e-3)
    losses = []
    for _ in range(16):
        loss = compute_loss(
            unet, vae, alphas, batch.images, batch.cells, *draw_noise(batch, random)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def test_alphas_are_those_of_the_exported_scheduler() -> None:
    from diffusers import DDPMScheduler  # noqa: PLC0415

    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    assert torch.allclose(make_alphas(torch.device("cpu")), scheduler.alphas_cumprod, rtol=1e-4)


def test_checkpoint_restores_weights_and_time(tmp_path: Path) -> None:
    saved, restored = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    save_checkpoint(tmp_path / "part.pt", Clock(60, spent_s=12), 7, part=saved)
    clock = Clock(60)
    assert load_checkpoint(tmp_path / "part.pt", clock, part=restored) == 7
    assert clock.spent_s == 12
    assert torch.equal(saved.weight, restored.weight)
    assert load_checkpoint(tmp_path / "missing.pt", clock, part=restored) == 0
    assert (read_num_steps(tmp_path / "part.pt"), read_num_steps(tmp_path / "missing.pt")) == (7, 0)


def test_clock_stops_at_its_deadline() -> None:
    assert not Clock(60, deadline=0).advance()
    assert Clock(60).advance()
    assert not Clock(60, spent_s=60).advance()


def test_other_programs_take_nothing_of_cpu_budget() -> None:
    assert choose_timer(torch.device("cuda")) is time.monotonic
    timer = choose_timer(torch.device("cpu"))
    start_s = timer()
    time.sleep(0.5)  # as a thread does that does not get its turn
    assert timer() - start_s < 0.4
    while timer() - start_s < 0.1:
        pass


def test_random_values_of_one_seed() -> None:
    first, second = (RandomValues.seed(4, torch.device("cpu")) for _ in range(2))
    assert torch.equal(first.normal(3), second.normal(3))
