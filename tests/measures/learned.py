"""Random weights for the nets that torch-fidelity measures with."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from SIFID import fidelity
from SinGAN.storage import pretrained as weights
from SinGAN.storage.hashes import sha256


def lpips_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights where LPIPS finds its own, and passes for them; VGG16's large last layers take no room."""
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(0)
    state = models.vgg16(weights=None, init_weights=False).state_dict()
    slim = {
        name: value if name.startswith("features") else torch.zeros(1).expand(value.shape)
        for name, value in state.items()
    }
    linear = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, c in enumerate((64, 128, 256, 512, 512))}
    folder.mkdir(parents=True)
    for url, content in zip(fidelity.lpips_urls(), (linear, slim), strict=True):
        torch.save(content, weights.cache_path(url))
        accept(url, monkeypatch)


def accept(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file in the cache pass for the one at ``url``."""
    file = weights.cache_path(url)
    monkeypatch.setitem(weights.SHA256, file.name, sha256(file.read_bytes()))


def inception_weights(path: Path) -> Path:
    """A file of random weights for torch-fidelity's Inception, large enough that pictures differ."""
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    caught: list[dict[str, Tensor]] = []

    def catch(net: torch.nn.Module, state: object) -> None:
        caught.append(net.state_dict())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(torch.nn.Module, "load_state_dict", catch)
        module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.manual_seed(0)
    for value in caught[0].values():
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value)
    torch.save(caught[0], path)
    return path
