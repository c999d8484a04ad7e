"""MindSpore checkpoints of DEMNet, byte by byte, for tests of what reads them."""

import zlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

KINDS = {torch.float32: "Float32", torch.float16: "Float16", torch.bfloat16: "BFloat16", torch.int32: "Int32"}


def demnet(num_blocks: int = 2, features: int = 3, *, in_channels: int = 1, kernel: int = 3) -> dict[str, Tensor]:
    """Return the parameters of a DEMNet as MindSpore orders them: the body comes last."""
    random = torch.Generator().manual_seed(num_blocks + features)
    blocks = [f"body.{block}.res_conv{place}.weight" for block in range(num_blocks) for place in (1, 2)]
    names = ["conv1.weight", "conv2.weight", "conv_up.weight", "conv_out.weight", *blocks]
    shapes = {"conv1.weight": (features, in_channels), "conv_out.weight": (in_channels, features)}
    sizes = [(*shapes.get(name, (features, features)), kernel, kernel) for name in names]
    return {name: torch.randn(size, generator=random) for name, size in zip(names, sizes, strict=True)}


def write(path: Path, tensors: dict[str, Tensor]) -> Path:
    path.write_bytes(content(tensors))
    return path


def content(tensors: dict[str, Tensor]) -> bytes:
    return b"".join(entry(name, tensor) for name, tensor in tensors.items())


def entry(name: str, tensor: Tensor) -> bytes:
    """One entry of the file: a parameter."""
    return raw_entry(name, tensor.shape, KINDS[tensor.dtype], raw(tensor))


def raw(tensor: Tensor) -> bytes:
    """The bytes of a tensor."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def raw_entry(name: str, shape: Iterable[int], kind: str, values: bytes) -> bytes:
    """One entry whose parts need not agree."""
    dims = b"".join(varint(8) + varint(size) for size in shape)
    return field(1, field(1, name.encode()) + field(2, dims + field(2, kind.encode()) + field(3, values)))


def field(number: int, value: bytes) -> bytes:
    return varint(8 * number + 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value // 128)


def with_crc(body: bytes) -> bytes:
    """Append what MindSpore appends with `crc_check`."""
    return body + b"crc_num" + zlib.crc32(body).to_bytes(10, "big")
