"""Differentiation with less memory: activations are not kept, but computed again in the backward pass.

The gradient of a gradient penalty with respect to the weights, which otherwise needs the most memory, is computed
without a second backward pass. With v, the derivative of the penalty with respect to the slope, it is the gradient of
<v, slope>, and that scalar is the change of D along v: a Jacobian-vector product (JVP), which takes one more forward
pass (Pearlmutter 1994). This serves every ``Penalty``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from SinGAN.engines.arguments import flatten
from SinGAN.functions import slope_of
from SinGAN.losses.gan import AdversarialLoss
from SinGAN.losses.iteration import BoundLoss, differentiate_eagerly
from SinGAN.losses.perceptual import VGG
from SinGAN.losses.terms import CriticContext, Penalty, Term, critic_contexts, critic_loss, mean
from SinGAN.models import Backbone, ConvBlock, Discriminator, Generator, Recomputable
from SinGAN.variants.critics import ConditionalCritic

CHUNK = 8  # channels whose normalisation is differentiated together


def differentiate_with_recomputation(bound: BoundLoss) -> Tensor:
    """Differentiate a loss as ``differentiate_eagerly`` does, up to rounding, in less than half the memory."""
    nets = [part for part in flatten(bound.keywords) if isinstance(part, nn.Module)]
    has_slope = bound.func is critic_loss and isinstance(bound.keywords["term"].value, Penalty)
    with recomputing(nets):
        return penalty_by_jvp(**bound.keywords) if has_slope else differentiate_eagerly(bound)


@contextmanager
def recomputing(nets: Sequence[nn.Module]) -> Iterator[None]:
    """Keep only the inputs of the blocks of ``nets``, and of those to be recomputed whole, for the backward pass."""
    blocks = [module for net in nets for module in net.modules() if isinstance(module, ConvBlock)]
    chosen = [*blocks, *find_recomputable(nets)]
    for module in chosen:
        module.wrapper = partial(recompute, module)
    try:
        yield
    finally:
        for module in chosen:
            del module.wrapper  # the class has one


def find_recomputable(nets: Sequence[nn.Module]) -> list[Recomputable]:
    """The nets to be recomputed as a whole: VGGs, and a generator whose image other nets see."""
    kinds = (VGG, Generator) if len(nets) > 1 else VGG
    return [net for net in nets if isinstance(net, kinds)]


def recompute(net: nn.Module, compute: Callable[..., Any], *inputs: Any) -> Any:
    """``compute(*inputs)`` of ``net``, to be done again in the backward pass, when BatchNorm must not count it."""
    if not torch.is_grad_enabled():
        return compute(*inputs)
    return checkpoint(
        compute,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), uncounted(net)),
    )


@contextmanager
def uncounted(net: nn.Module) -> Iterator[None]:
    """Let the BatchNorms of ``net`` count in copies of their running statistics for the duration of the block."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    statistics = [(norm, name, value) for norm in norms for name, value in norm.named_buffers()]
    for norm, name, value in statistics:
        setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for norm, name, value in statistics:
            setattr(norm, name, value)


def penalty_by_jvp(
    critic: Discriminator,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    adversarial: AdversarialLoss,
    term: Term[CriticContext],
) -> Tensor:
    """Differentiate ``critic_loss`` of the same arguments, whose ``term`` is a penalty on the slope."""
    values, penalty = [], term.value
    assert isinstance(penalty, Penalty)
    contexts = critic_contexts(critic, real, fake, mix, adversarial)
    for context in contexts:
        image = penalty.leaf(context)
        slope = slope_of(context.critic, image)
        value = term.weighted([penalty.cost(slope.requires_grad_())])
        (tangent,) = torch.autograd.grad(value / len(contexts), slope)
        backward_of_jvp(context.critic, image.detach(), tangent)
        values.append(value.detach())
    return mean(values)


def backward_of_jvp(critic: Discriminator, x: Tensor, tangent: Tensor) -> None:
    """Add to the weights' gradients those of the JVP, summed: the change of the scores of ``x`` along ``tangent``.

    Both are a critic's inputs (1, C or 2 C, H, W).
    """
    # 1. Forward: the features of each stream and their change along the tangent.
    streams: list[Backbone] = [critic, critic.stream] if isinstance(critic, ConditionalCritic) else [critic]
    blocks = [known_blocks(stream) for stream in streams]
    inputs = list(zip(blocks, x.chunk(len(streams), 1), tangent.chunk(len(streams), 1), strict=True))
    outputs = [[value.requires_grad_() for value in jvp_blocks(*each)] for each in inputs]
    # 2. Merge the streams as the critic does: the change of a product; then apply the last convolution.
    merged = outputs[0][1]
    if len(streams) > 1:
        (features, change), others = outputs
        factor, factor_change = (value.sum(dim=1, keepdim=True) for value in others)
        merged = change * (1 + factor) + features * factor_change
    critic.tail.backend(merged, critic.tail.weight).sum().backward()
    # 3. Backward through each stream, block by block.
    gradients = [[value.grad for value in pair] for pair in outputs]
    del outputs, merged
    for each, pair in zip(inputs, gradients, strict=True):
        back_through(*each, pair)


def known_blocks(backbone: Backbone) -> list[ConvBlock]:
    """All blocks but the last; a ValueError if one is not a convolution, norm and LeakyReLU in training."""
    for block in backbone.blocks():
        kinds = {name: type(module) for name, module in block.named_children()}
        if list(kinds) != ["conv", "norm", "LeakyRelu"] or kinds["norm"] not in (nn.BatchNorm2d, nn.Identity):
            raise ValueError(f"`recompute` supports blocks of convolution, BatchNorm and LeakyReLU, not {kinds}")
        if kinds["LeakyRelu"] is not nn.LeakyReLU or not block.training or set(block.conv.padding) != {0}:
            raise ValueError(f"`recompute` supports blocks in training, without padding, with LeakyReLU, not {block}")
    return backbone.blocks()


@torch.no_grad()
def jvp_blocks(blocks: Sequence[ConvBlock], x: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
    """The output of ``blocks`` in train mode for ``x``, and its change along ``tangent``."""
    for block in blocks:
        x, tangent = convolve(block, x, tangent)
        for part in chunks(x):
            x[:, part], tangent[:, part] = norm_and_activation_jvp(block, part, x[:, part], tangent[:, part])
    return x, tangent


def convolve(block: ConvBlock, x: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
    """Apply the block's convolution to ``x``, and compute its change along ``tangent``."""
    conv = block.conv
    return conv.backend(x, conv.weight, conv.bias), conv.backend(tangent, conv.weight)


def back_through(blocks: list[ConvBlock], x: Tensor, tangent: Tensor, gradients: list[Tensor | None]) -> None:
    """Add to the gradients of the weights, given the ``gradients`` by the two outputs of ``jvp_blocks``.

    It goes from the last block to the first, and recomputes the input of each. ``gradients`` is emptied.
    """
    for depth in reversed(range(len(blocks))):
        inputs = jvp_blocks(blocks[:depth], x, tangent)
        gradients += back_through_block(blocks[depth], *inputs, gradients)


def back_through_block(block: ConvBlock, x: Tensor, tangent: Tensor, gradients: list[Tensor | None]) -> list[Tensor]:
    """The gradients by ``x`` and ``tangent``, given those by the block's two outputs, which are then removed."""
    x, tangent = x.requires_grad_(), tangent.requires_grad_()
    image, change = convolve(block, x, tangent)
    # Norm and activation, some channels at a time; the gradients by their inputs overwrite these in place.
    by_image, by_change = image.detach(), change.detach()
    for part in chunks(image):
        leaves = [value[:, part].clone().requires_grad_() for value in (by_image, by_change)]
        outputs = norm_and_activation_jvp(block, part, *leaves)
        by_outputs = [
            torch.zeros_like(output) if by is None else by[:, part].to(output)
            for output, by in zip(outputs, gradients, strict=True)
        ]
        torch.autograd.backward(outputs, by_outputs)
        by_image[:, part], by_change[:, part] = map(gradient_of, leaves)
    gradients.clear()
    # The convolution.
    change.backward(by_change)
    del change, by_change
    image.backward(by_image)
    return [gradient_of(x), gradient_of(tangent)]


def gradient_of(value: Tensor) -> Tensor:
    """The accumulated gradient of ``value``."""
    assert value.grad is not None
    return value.grad


def chunks(image: Tensor) -> list[slice]:
    """Slices of the channels of ``image`` (B, F, H, W)."""
    return [slice(first, first + CHUNK) for first in range(0, image.shape[1], CHUNK)]


def norm_and_activation_jvp(block: ConvBlock, part: slice, image: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
    """The norm in train mode and LeakyReLU of ``image`` (B, F, H, W), and their change along ``tangent``.

    ``image`` and ``tangent`` hold the channels ``part`` of the output of the block's convolution.
    """
    norm, slope, places = block.norm, block.LeakyRelu.negative_slope, (0, 2, 3)
    image, tangent = image.float(), tangent.float()
    if isinstance(norm, nn.Identity):
        return F.leaky_relu(image, slope), tangent * torch.where(image > 0, 1.0, slope)
    gamma, beta = norm.weight[part, None, None], norm.bias[part, None, None]
    centred = image - image.mean(places, keepdim=True)
    rate = (centred.square().mean(places, keepdim=True) + norm.eps).rsqrt()
    normed = centred * rate
    drift = tangent.mean(places, keepdim=True) + normed * (normed * tangent).mean(places, keepdim=True)
    activations = F.leaky_relu(gamma * normed + beta, slope)
    return activations, gamma * rate * (tangent - drift) * torch.where(activations > 0, 1.0, slope)
