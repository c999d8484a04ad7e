"""Read the tensors of a MindSpore checkpoint file without MindSpore.

Knows the file, not the network in it. Nothing is executed, and no size that the file declares is believed before the
bytes are there: memory is bounded by the length of the file.

The file is a protocol buffer: Checkpoint {repeated Value value = 1}, Value {string tag = 1; TensorProto tensor = 2},
TensorProto {repeated int64 dims = 1; string tensor_type = 2; bytes tensor_content = 3}, little-endian. A tensor above
512 MiB lies in several entries of one tag. Saved with `crc_check`, it ends in "crc_num" and a CRC-32 of 10 bytes.
Source: checkpoint.proto and train/serialization.py of MindSpore 2.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from demsr.errors import CheckpointError

_DTYPES = {"Float32": torch.float32, "Float16": torch.float16, "BFloat16": torch.bfloat16}
_CRC_MARK, _CRC_BYTES = b"crc_num", 10


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as it lies in the file: the declared shape and type, and bytes that need not agree with them."""

    name: str
    shape: tuple[int, ...]
    kind: str
    pieces: list[memoryview]

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise CheckpointError unless this is a float tensor of that shape with all its bytes."""
        if self.shape != shape:
            message = f"{self.name} has shape {self.shape[:8]}, needed is {shape}"
            raise CheckpointError(message)
        if self.kind not in _DTYPES:
            message = f"{self.name} is of type {self.kind[:40]!r}, needed is one of {', '.join(_DTYPES)}"
            raise CheckpointError(message)
        found, needed = sum(map(len, self.pieces)), math.prod(shape) * _DTYPES[self.kind].itemsize
        if found != needed:
            message = f"{self.name} has {found} bytes, needed are {needed}"
            raise CheckpointError(message)

    def values(self) -> Tensor:
        """Return the values as float32, after `check`; raise CheckpointError if one is not finite."""
        values = torch.frombuffer(bytearray().join(self.pieces), dtype=_DTYPES[self.kind]).float()
        if not bool(values.isfinite().all()):
            message = f"{self.name} has values that are not finite, needed are numbers"
            raise CheckpointError(message)
        return values.reshape(self.shape)


def stored_tensors(content: bytes, wanted: Callable[[str], bool]) -> dict[str, StoredTensor]:
    """Return the wanted tensors of a file by name, their bytes as views of its content.

    Raises
    ------
    CheckpointError : the content is damaged or something else; the message has no file name
    """
    stored: dict[str, StoredTensor] = {}
    for number, value in _fields(_without_crc(content)):
        entry = dict(_fields(value)) if isinstance(value, memoryview) else {}
        tag, tensor = entry.get(1), entry.get(2)
        if number != 1 or not isinstance(tag, memoryview) or not isinstance(tensor, memoryview):
            message = "an entry is not a named tensor"
            raise CheckpointError(message)
        if wanted(name := _text(tag)):
            piece = _tensor(name, tensor)
            whole = stored.setdefault(name, StoredTensor(name, piece.shape, piece.kind, []))
            if (piece.shape, piece.kind) != (whole.shape, whole.kind):
                message = f"{name} is there with the shapes {whole.shape[:8]} and {piece.shape[:8]}, needed is one"
                raise CheckpointError(message)
            whole.pieces.extend(piece.pieces)
    return stored


def _tensor(name: str, message: memoryview) -> StoredTensor:
    shape: list[int] = []
    kind, content = "", memoryview(b"")
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 2 and isinstance(value, memoryview):
            kind = _text(value)
        elif number == 3 and isinstance(value, memoryview):
            content = value
    return StoredTensor(name, tuple(shape), kind, [content])


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", errors="replace")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message; a checkpoint has integers and strings of bytes only."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        number, wire_type = divmod(key, 8)
        if wire_type == 0:
            yield number, value
        elif wire_type == 2 and value <= len(message) - at:
            yield number, message[at : at + value]
            at += value
        else:
            text = f"a field of wire type {wire_type} declares {value} bytes, {len(message) - at} are left"
            raise CheckpointError(text)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the integer at a place, its lowest seven bits first, and the place behind it."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    text = "an integer has no end"
    raise CheckpointError(text)


def _without_crc(content: bytes) -> memoryview:
    """Return the content up to the CRC that may end it, checked against that."""
    end = len(content) - len(_CRC_MARK) - _CRC_BYTES
    body = memoryview(content)
    if end < 0 or body[end:-_CRC_BYTES] != _CRC_MARK:
        return body
    found, recorded = zlib.crc32(body[:end]), int.from_bytes(body[-_CRC_BYTES:], "big")
    if found != recorded:
        message = f"the CRC-32 of its content is {found:08x}, it records {recorded:08x}"
        raise CheckpointError(message)
    return body[:end]
