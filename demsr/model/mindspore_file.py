"""Reader of the tensors in a MindSpore checkpoint file; needs no MindSpore and knows nothing about the network.

Nothing is executed. Declared sizes are checked against the bytes that exist before memory is allocated, so memory is
bounded by the length of the file.

The file is a protocol buffer: Checkpoint {repeated Value value = 1}, Value {string tag = 1; TensorProto tensor = 2},
TensorProto {repeated int64 dims = 1; string tensor_type = 2; bytes tensor_content = 3}, little-endian. A tensor above
512 MiB has several entries with the same tag. With `crc_check`, a file ends with "crc_num" and a CRC-32 of 10 bytes.
Source: checkpoint.proto and train/serialization.py of MindSpore 2.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from demsr.errors import CheckpointError

_DTYPES = {"Float32": torch.float32, "Float16": torch.float16, "BFloat16": torch.bfloat16}
_CRC_MARK, _CRC_BYTES = b"crc_num", 10


@dataclass(frozen=True)
class StoredTensor:
    """Tensor in the file: declared shape and type, and its bytes, which need not agree with them.

    Attributes
    ----------
    name : tag of the entry
    shape, kind : as declared
    pieces : bytes, in order
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    pieces: list[memoryview]

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise CheckpointError unless this is a float tensor of the given shape with all its bytes."""
        if self.shape != shape:
            refuse(f"{self.name} has shape {self.shape[:8]}, required is {shape}")
        if self.kind not in _DTYPES:
            refuse(f"{self.name} is of type {self.kind[:40]!r}, required is one of {', '.join(_DTYPES)}")
        found, required = sum(map(len, self.pieces)), math.prod(shape) * _DTYPES[self.kind].itemsize
        if found != required:
            refuse(f"{self.name} has {found} bytes, required are {required}")

    def values(self) -> Tensor:
        """Return the values as float32, after `check`; raise CheckpointError if one is not finite."""
        values = torch.frombuffer(bytearray().join(self.pieces), dtype=_DTYPES[self.kind]).float()
        if not bool(values.isfinite().all()):
            refuse(f"{self.name} has values that are not finite")
        return values.reshape(self.shape)


def read_tensors(content: bytes, selected: Callable[[str], bool]) -> dict[str, StoredTensor]:
    """Return the selected tensors of a file by name; their bytes are views of its content.

    Parameters
    ----------
    content : of the file
    selected : decides by name which tensors to return

    Raises
    ------
    CheckpointError : the content is damaged or not a checkpoint; the message has no file name
    """
    stored: dict[str, StoredTensor] = {}
    for number, value in _fields(_without_crc(content)):
        entry = dict(_fields(value)) if isinstance(value, memoryview) else {}
        tag, tensor = entry.get(1), entry.get(2)
        if number != 1 or not isinstance(tag, memoryview) or not isinstance(tensor, memoryview):
            refuse("an entry is not a named tensor")
        if selected(name := _text(tag)):
            piece = _tensor(name, tensor)
            whole = stored.setdefault(name, StoredTensor(name, piece.shape, piece.kind, []))
            if (piece.shape, piece.kind) != (whole.shape, whole.kind):
                refuse(f"{name} has the shapes {whole.shape[:8]} and {piece.shape[:8]} in two entries, required is one")
            whole.pieces.extend(piece.pieces)
    return stored


def refuse(message: str) -> NoReturn:
    """Raise CheckpointError."""
    raise CheckpointError(message)


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
    """Yield the number and value of each field of a message; a checkpoint has integers and byte strings only."""
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
            refuse(f"a field of wire type {wire_type} declares {value} bytes, {len(message) - at} are left")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the variable-length integer at an offset and the offset after it."""
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    refuse("an integer has no end")


def _without_crc(content: bytes) -> memoryview:
    """Return the content without its optional CRC, which is checked."""
    end = len(content) - len(_CRC_MARK) - _CRC_BYTES
    body = memoryview(content)
    if end < 0 or body[end:-_CRC_BYTES] != _CRC_MARK:
        return body
    found, recorded = zlib.crc32(body[:end]), int.from_bytes(body[-_CRC_BYTES:], "big")
    if found != recorded:
        refuse(f"the CRC-32 of its content is {found:08x}, it records {recorded:08x}")
    return body[:end]
