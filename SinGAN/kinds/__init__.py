"""The kinds of model, a thin file each over the mathematics."""

from SinGAN.kinds.concurrent import ConcurrentKind
from SinGAN.kinds.hybrid import HybridKind
from SinGAN.kinds.singan import SinGANKind

KINDS: dict[str, SinGANKind] = {kind.name: kind for kind in (SinGANKind(), ConcurrentKind(), HybridKind())}
"""All kinds by name, which is the ``kind`` in manifests."""
