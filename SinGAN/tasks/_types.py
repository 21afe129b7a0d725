"""The types in the signatures of tasks, for type checkers alone: importing this is slow."""

import torch
from torch import Tensor as Tensor

from SinGAN.patches.makers import Maker as Maker
from SinGAN.patches.makers import Patches as Patches
from SinGAN.patches.makers import Trained as Trained
from SinGAN.pictures.arrays import Picture as Picture
from SinGAN.pictures.layers import Layers as Layers
from SinGAN.pyramid import Pyramid as Pyramid
from SinGAN.pyramid import TrainedScale as TrainedScale
from SinGAN.runs.run import Run as Run
from SinGAN.saved_models.model_folder import ModelFolder as ModelFolder

Seed = int | torch.Generator | None
StartScale = int | tuple[int | None, ...] | None
