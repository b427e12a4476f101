"""Finds ONNX external data: tensors whose bytes lie in another file, which no digest of the bundle vouches for.

Follows the messages of onnx.proto3 down to every tensor (https://protobuf.dev/programming-guides/encoding/), so that
neither the onnx package nor a second copy of the weights is needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TENSOR = "tensor"
_DATA_LOCATION = 14
_EXTERNAL = 1

# For each message the numbers of the fields that lead to tensors, and the message that each of them holds.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a message: a number, or the stretch of bytes that it holds."""

    number: int
    value: int
    start: int
    end: int


def has_external_data(model: bytes) -> bool:
    """Whether any tensor of an ONNX model says that its bytes lie elsewhere. ValueError if it is no protobuf."""
    left = [("model", 0, len(model))]
    while left:
        message, start, end = left.pop()
        inner = _FIELDS[message]
        for field in _fields(model, start, end):
            if message == _TENSOR and field.number == _DATA_LOCATION and field.value == _EXTERNAL:
                return True
            if field.number in inner:
                left.append((inner[field.number], field.start, field.end))
    return False


def _fields(data: bytes, start: int, end: int) -> Iterator[_Field]:
    while start < end:
        tag, start = _varint(data, start, end)
        value = 0
        match tag & 7:
            case 0:
                value, stop = _varint(data, start, end)
            case 1:
                stop = start + 8
            case 2:
                length, start = _varint(data, start, end)
                stop = start + length
            case 5:
                stop = start + 4
            case kind:
                raise ValueError(f"protobuf wire type {kind} at byte {start}")
        if stop > end:
            raise ValueError(f"a protobuf field at byte {start} passes the end of its message")
        yield _Field(tag >> 3, value, start, stop)
        start = stop


def _varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(start, min(end, start + 10)):
        value |= (data[place] & 0x7F) << (7 * (place - start))
        if data[place] < 0x80:
            return value, place + 1
    raise ValueError(f"a protobuf number at byte {start} has no end")
