"""Differentiating with less memory: activations are not kept, but made anew in the backward pass.

The gradient penalty's derivative by the weights, which else needs the most, is found without a
second backward pass: that of <v, slope> is the derivative of how D changes along v, which is one
more forward pass (Pearlmutter 1994), and v is the penalty's derivative by the slope.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from SinGAN.losses.iteration import eagerly
from SinGAN.losses.perceptual import VGG
from SinGAN.losses.terms import mean, weighted_penalty
from SinGAN.models import LEAK, ConvBlock, Discriminator, Generator, NetConfig, Trunk

VALUES_KEPT = 7  # by an eager iteration at its peak, for each filter of each block and each pixel
VGG_VALUES = 270  # by a VGG, for each pixel
SHARE = 0.7  # of a machine's memory that they may take
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
EPS = 1e-5  # of BatchNorm
CHUNK = 8  # channels whose normalisation is differentiated at once


def needed(config: NetConfig, height: int, width: int, uses_vgg: bool = False) -> int:
    """The bytes that an eager iteration with nets of ``config`` needs for its activations, about."""
    streams = 2 if config.conditional else 1
    return 4 * height * width * (VALUES_KEPT * streams * sum(config.block_filters()) + VGG_VALUES * uses_vgg)


def memory_of(device: torch.device) -> int:
    """The bytes of memory that ``device`` has in all, so that one machine always decides alike; 0: unknown."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):
        return 0  # Python's own library can't tell on Windows
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed = LIMIT.read_text().strip() if LIMIT.is_file() else "max"
    return min(whole, int(allowed)) if allowed.isdigit() else whole


def frugally(term: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """Differentiate ``term(*arguments)`` as ``eagerly`` does, up to rounding, in less than half the memory."""
    with recomputing([argument for argument in arguments if isinstance(argument, nn.Module)]):
        return penalised(*arguments) if term is weighted_penalty else eagerly(term, *arguments)


@contextmanager
def recomputing(nets: Sequence[nn.Module]) -> Iterator[None]:
    """Within, blocks of ``nets`` keep their input alone for the backward pass; so do VGGs, and generators of fakes."""
    parts: list[nn.Module] = [block for net in nets for block in net.modules() if isinstance(block, ConvBlock)]
    parts += [net for net in nets[:-1] if isinstance(net, Generator)] + [net for net in nets if isinstance(net, VGG)]
    for part in parts:
        part.__dict__["forward"] = partial(recomputed, part, part.forward)  # before the one of its class
    try:
        yield
    finally:
        for part in parts:
            del part.__dict__["forward"]


def recomputed(net: nn.Module, forward: Callable[..., Any], *inputs: Tensor | None) -> Any:
    """``forward`` of ``net``, to be done again in the backward pass, when BatchNorm must not count it."""
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(
        forward,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), uncounted(net)),
    )


@contextmanager
def uncounted(net: nn.Module) -> Iterator[None]:
    """Within, the BatchNorms of ``net`` count in copies of their running statistics."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    statistics = [(norm, name, value) for norm in norms for name, value in norm.named_buffers()]
    for norm, name, value in statistics:
        setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for norm, name, value in statistics:
            setattr(norm, name, value)


def penalised(critic: Discriminator, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> Tensor:
    """Differentiate ``weighted_penalty`` of the same arguments."""
    values = []
    pairs = list(zip(critic.looks(real), critic.looks(fake), strict=True))
    for (one, seen), (_, made) in pairs:
        mixed = (mix * seen + (1 - mix) * made).detach().requires_grad_()
        (slope,) = torch.autograd.grad(one(mixed).sum(), mixed)
        slope.requires_grad_()
        excess: Tensor = slope.norm(2, dim=1) - 1
        value = weight * excess.square().mean()
        (along,) = torch.autograd.grad(value / len(pairs), slope)
        descend(one, mixed.detach(), along)
        values.append(value.detach())
    return mean(values)


def descend(critic: Discriminator, shown: Tensor, along: Tensor) -> None:
    """Add to the weights' gradients those of how the scores of ``shown`` (1, C or 2 C, H, W) change ``along`` it."""
    trunks = [critic, critic.stream] if critic.config.conditional else [critic]
    inputs = list(zip(trunks, shown.chunk(len(trunks), 1), along.chunk(len(trunks), 1), strict=True))
    made = [[one.requires_grad_() for one in moved(blocks_of(trunk), x, change)] for trunk, x, change in inputs]
    merged = made[0][1]
    if critic.config.conditional:
        (features, change), (factors, factors_change) = made
        merged = change * (1 + factors) + features * factors_change
    F.conv2d(merged, critic.tail.weight).sum().backward()
    gradients = [[one.grad for one in pair] for pair in made]
    del made, merged
    for (trunk, x, change), pair in zip(inputs, gradients, strict=True):
        back_through(trunk, x, change, pair)


def blocks_of(trunk: Trunk) -> list[ConvBlock]:
    """All blocks but the last."""
    return [block for block in (trunk.head, *trunk.body) if isinstance(block, ConvBlock)]


def weights_of(block: ConvBlock) -> tuple[nn.Parameter, ...]:
    """The weights and biases of the convolution and of the BatchNorm."""
    return (*block.conv.parameters(), *block.norm.parameters())


@torch.no_grad()
def moved(blocks: Sequence[ConvBlock], x: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """What ``blocks`` in train mode make of ``x``, and of a change of it."""
    for block in blocks:
        weight, bias, gamma, beta = weights_of(block)
        x, along = F.conv2d(x, weight, bias), F.conv2d(along, weight)
        for here in chunks(x):
            x[:, here], along[:, here] = activated(x[:, here], along[:, here], gamma[here], beta[here])
    return x, along


def back_through(trunk: Trunk, x: Tensor, along: Tensor, gradients: list[Tensor | None]) -> None:
    """Add to the gradients of the trunk's weights, given the ``gradients`` by what ``moved`` makes of x and along.

    From its last block to its first; what a block is given is made anew. ``gradients`` is emptied.
    """
    blocks = blocks_of(trunk)
    for depth in reversed(range(len(blocks))):
        inputs = moved(blocks[:depth], x, along)
        gradients += back_through_block(blocks[depth], *inputs, gradients)


def back_through_block(block: ConvBlock, x: Tensor, along: Tensor, gradients: list[Tensor | None]) -> list[Tensor]:
    """The gradients by ``x`` and ``along``, given those by what the block makes of them, which are taken out."""
    x, along, (weight, bias, gamma, beta) = x.requires_grad_(), along.requires_grad_(), weights_of(block)
    image, change = F.conv2d(x, weight, bias), F.conv2d(along, weight)
    by_image, by_change = image.detach(), change.detach()  # the same memory: read, then written
    for here in chunks(image):
        part, part_change = (one[:, here].clone().requires_grad_() for one in (by_image, by_change))
        made = activated(part, part_change, gamma[here], beta[here])
        given = [
            torch.zeros_like(one) if by is None else by[:, here].to(one)
            for one, by in zip(made, gradients, strict=True)
        ]
        torch.autograd.backward(made, given)
        by_image[:, here], by_change[:, here] = gradient_of(part), gradient_of(part_change)
    gradients.clear()
    change.backward(by_change)
    del change, by_change
    image.backward(by_image)
    return [gradient_of(x), gradient_of(along)]


def gradient_of(value: Tensor) -> Tensor:
    """What has been added up."""
    assert value.grad is not None
    return value.grad


def chunks(image: Tensor) -> list[slice]:
    """Slices of the channels of ``image`` (B, F, H, W)."""
    return [slice(first, first + CHUNK) for first in range(0, image.shape[1], CHUNK)]


def activated(image: Tensor, change: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """BatchNorm in train mode and LeakyReLU of ``image`` (B, F, H, W), and what a ``change`` of it makes of that."""
    image, change, places = image.float(), change.float(), (0, 2, 3)
    gamma, beta = gamma[:, None, None], beta[:, None, None]
    centred = image - image.mean(places, keepdim=True)
    rate = (centred.square().mean(places, keepdim=True) + EPS).rsqrt()
    normed = centred * rate
    drift = change.mean(places, keepdim=True) + normed * (normed * change).mean(places, keepdim=True)
    made = F.leaky_relu(gamma * normed + beta, LEAK)
    return made, gamma * rate * (change - drift) * torch.where(made > 0, 1.0, LEAK)
