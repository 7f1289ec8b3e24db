"""Train lightning-pose on an exported folder with its temporal loss, then locate the landmarks of test crops.

Runs in the environment of requirements.lock, which has no `tsal`. The library reads unlabelled video for training
through NVIDIA DALI alone, and refuses without it and without CUDA. Here OpenCV reads the same videos instead; models,
losses, augmentation, schedule and training loop are the library's own.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path
from urllib.error import URLError

import cv2
import imgaug
import lightning.pytorch as pl
import numpy as np
import torch
from clips import ClipReader, resize, to_input
from lightning.pytorch.loggers import CSVLogger
from lightning_pose.callbacks import get_callbacks
from lightning_pose.data import get_dataset, get_imgaug_transform
from lightning_pose.data.datamodules import UnlabeledDataModule
from lightning_pose.data.datasets import HeatmapDataset
from lightning_pose.data.datatypes import UnlabeledBatchDict
from lightning_pose.losses import get_loss_factories
from lightning_pose.models import SemiSupervisedHeatmapTracker
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import Subset

CLIPS = 8  # unlabelled clips a step, as for `tsal` in config.yaml
EPOCHS = 300  # of the library's schedule
SIDE = 128  # the network's input is the next multiple of it
PREDICT_BATCH = 64


def read_configuration(folder: Path, steps: int, batch: int, seed: int) -> DictConfig:
    """The library's configuration for an exported folder.

    Args:
        folder: as exchange.py exports it.
        steps: optimiser steps; the schedule, written in shares, is stretched over them.
        batch: labelled faces a step.
        seed: of the weights and of everything drawn.
    """
    config = OmegaConf.load(Path(__file__).with_name("config.yaml"))
    if not (folder / "about.json").is_file():
        sys.exit(f"{folder}: no whole export found, about.json is missing; delete the folder and export again")
    about = json.loads((folder / "about.json").read_text())
    side = SIDE * math.ceil(about["crop_px"] / SIDE)
    epoch = max(10, math.ceil(about["labelled"] / batch))
    schedule = config.training.lr_scheduler_params.multisteplr
    schedule.milestones = [round(share * steps / epoch) for share in schedule.milestones]
    config.training.unfreezing_step = round(config.training.unfreezing_step * steps)
    config.callbacks.anneal_weight.increase_factor *= EPOCHS * epoch / steps
    run = {
        "data": {
            "num_keypoints": about["landmarks"],
            "image_resize_dims": {"height": side, "width": side},
            "image_orig_dims": {"height": about["crop_px"], "width": about["crop_px"]},
        },
        "training": {"limit_train_batches": epoch, "max_steps": steps, "train_batch_size": batch},
        "model": {"seed": seed},
    }
    return OmegaConf.merge(config, run)


class DataModule(UnlabeledDataModule):
    """All exported faces to train on, none held back, beside clips that OpenCV reads."""

    def __init__(self, dataset: HeatmapDataset, clips: ClipReader, batch: int, seed: int) -> None:
        self._clips = clips
        super().__init__(dataset, [], {}, train_batch_size=batch, num_workers=0, torch_seed=seed)

    def _setup(self) -> None:
        self.train_dataset = Subset(self.dataset, range(len(self.dataset)))

    def setup_unlabeled(self) -> None:
        """Where the library builds its DALI pipeline."""
        self.unlabeled_dataloader = self._clips


class ClipTracker(SemiSupervisedHeatmapTracker):
    """The library's model, for batches of several clips: its losses compare frames of one clip only."""

    def __init__(self, clip_length: int, **options: object) -> None:
        super().__init__(**options)
        self._clip_length = clip_length

    def evaluate_unlabeled(
        self, batch_dict: UnlabeledBatchDict, stage: str | None = None, anneal_weight: float | Tensor = 1.0
    ) -> Tensor:
        """Mean over the clips of the weighted unsupervised losses; logs that of the temporal one, unweighted."""
        found = self.get_loss_inputs_unlabeled(batch_dict)
        clips = zip(*(part.split(self._clip_length) for part in found.values()), strict=True)
        losses, temporal = [], []
        for clip in clips:
            of_clip = dict(zip(found, clip, strict=True))
            loss, entries = self.loss_factory_unsup(stage=stage, anneal_weight=anneal_weight, **of_clip)
            losses.append(loss)
            temporal.append(next(entry["value"] for entry in entries if entry["name"] == f"{stage}_temporal_loss"))
        self.log(f"{stage}_temporal_loss", torch.stack(temporal).mean())
        return torch.stack(losses).mean()


def build_model(config: DictConfig, data: DataModule) -> ClipTracker:
    """The network, from ImageNet's weights where these can be had; says so where they cannot, and trains all of it."""
    factories = get_loss_factories(config, data)
    options = dict(
        clip_length=config.dali.base.train.sequence_length,
        num_keypoints=config.data.num_keypoints,
        num_targets=2 * config.data.num_keypoints,
        loss_factory=factories["supervised"],
        loss_factory_unsupervised=factories["unsupervised"],
        backbone=config.model.backbone,
        downsample_factor=config.data.downsample_factor,
        torch_seed=config.model.seed,
        optimizer=config.training.optimizer,
        optimizer_params=config.training.optimizer_params,
        lr_scheduler=config.training.lr_scheduler,
        lr_scheduler_params=config.training.lr_scheduler_params.multisteplr,
    )
    try:
        return ClipTracker(pretrained=True, **options)
    except URLError as error:
        print(f"{config.model.backbone}: no ImageNet weights ({error.reason}); it starts from random ones", flush=True)
        config.training.unfreezing_step = 0  # random weights are not worth keeping
        return ClipTracker(pretrained=False, **options)


def train(config: DictConfig, folder: Path, log_folder: Path) -> ClipTracker:
    """Train on an exported folder; writes metrics.csv to `log_folder`."""
    seed = config.model.seed
    pl.seed_everything(seed)
    imgaug.seed(seed)
    dataset = get_dataset(config, str(folder), get_imgaug_transform(config, folder))
    videos = sorted((folder / "videos").glob("*.mp4"))
    length, side = config.dali.base.train.sequence_length, config.data.image_resize_dims.width
    clips = ClipReader(videos, CLIPS, length, side, config.training.limit_train_batches, seed)
    data = DataModule(dataset, clips, config.training.train_batch_size, seed)
    model = build_model(config, data)
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=-1,
        max_steps=config.training.max_steps,
        limit_train_batches=config.training.limit_train_batches,
        limit_val_batches=0,
        log_every_n_steps=10,
        callbacks=get_callbacks(config, checkpointing=False, lr_monitor=False),
        logger=CSVLogger(log_folder, name="", version=""),
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(model, datamodule=data)
    return model


@torch.inference_mode()
def locate(model: ClipTracker, shards: list[np.ndarray], side: int) -> np.ndarray:
    """Landmarks (N, K, 2), float64 px of the crops, from the corner of the first pixel.

    Args:
        shards: of the crops, uint8 RGB (n, P, P, 3) each, N in all.
    """
    model.eval()
    found = []
    places = ((shard, start) for shard in shards for start in range(0, len(shard), PREDICT_BATCH))
    for crops in (shard[start : start + PREDICT_BATCH] for shard, start in places):
        images = np.stack([resize(crop, side) for crop in crops])
        box = torch.tensor([0.0, 0.0, *crops.shape[1:3]]).repeat(len(images), 1)
        batch = {"images": to_input(images).to(model.device), "bbox": box.to(model.device)}
        points, _ = model.predict_step(batch, 0)
        found.append(points.reshape(len(images), -1, 2).double().cpu().numpy())
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="as exchange.py exports it")
    parser.add_argument("--crops", type=Path, required=True, help="packed crops to predict: test.json")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="labelled faces a step")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True, help="landmarks: .npy; metrics.csv goes beside it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    config = read_configuration(arguments.folder, arguments.steps, arguments.batch, arguments.seed)
    about, side = json.loads(arguments.crops.read_text()), config.data.image_orig_dims.width
    if about["shape"] != [side, side, 3]:
        sys.exit(f"{arguments.crops}: crops {about['shape']} found, {[side, side, 3]} expected, as were exported")
    names = [f"{shard:05d}.npy" for shard in range(len(about["shards"]))]
    shards = [np.load(arguments.crops.with_suffix("") / name, mmap_mode="r") for name in names]
    model = train(config, arguments.folder.absolute(), arguments.output.parent)
    points = locate(model, shards, config.data.image_resize_dims.width)
    temporary = arguments.output.with_suffix(".tmp.npy")
    np.save(temporary, points)
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
