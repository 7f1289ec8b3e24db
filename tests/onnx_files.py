"""ONNX files written by hand: a stand-in for YuNet that takes white squares for faces."""

import struct

FLOAT, INT64 = 1, 7


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _field(number: int, value: int | bytes | str) -> bytes:
    """A field of a protocol buffer, https://protobuf.dev/programming-guides/encoding."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _node(kind: str, inputs: list[str], output: str, **attributes: list[int]) -> bytes:
    parts = [_field(1, name) for name in inputs] + [_field(2, output), _field(4, kind)]
    for name, values in attributes.items():
        ints = b"".join(_field(8, value) for value in values)
        parts.append(_field(5, _field(1, name) + ints + _field(20, 7)))
    return _field(1, b"".join(parts))


def _constant(name: str, shape: list[int], values: list[float], kind: int = FLOAT) -> bytes:
    raw = struct.pack(f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *values)
    return _field(5, b"".join(_field(1, side) for side in shape) + _field(2, kind) + _field(8, name) + _field(9, raw))


def _value(number: int, name: str, shape: list[int]) -> bytes:
    sides = b"".join(_field(1, _field(1, side)) for side in shape)
    return _field(number, _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, sides))))


def white_squares(side: int, cells: float) -> bytes:
    """A network with YuNet's outputs that takes each cell of 32 px that is all white for the middle of a face.

    Args:
        side: of the input that it declares, in px.
        cells: side of the faces that it reports, in cells.
    """
    import math

    body = []
    for stride in (8, 16, 32):
        count = (side // stride) ** 2
        # The confidence is the root of cls times obj: sigmoids of the mean brightness, at 32 px alone.
        gain, bias = (4.0, -1000.0) if stride == 32 else (0.0, -50.0)
        outputs = {
            "cls": ([gain / 3] * 3, [bias]),
            "obj": ([gain / 3] * 3, [bias]),
            "bbox": ([0.0] * 12, [0.5, 0.5, math.log(cells), math.log(cells)]),
            "kps": ([0.0] * 30, [0.0] * 10),
        }
        body.append(_node("AveragePool", ["input"], f"mean_{stride}", kernel_shape=[stride] * 2, strides=[stride] * 2))
        for name, (weights, biases) in outputs.items():
            key, channels = f"{name}_{stride}", len(biases)
            body += [
                _constant(f"w_{key}", [channels, 3, 1, 1], weights),
                _constant(f"b_{key}", [channels], biases),
                _constant(f"s_{key}", [3], [1, -1, channels], INT64),
                _node("Conv", [f"mean_{stride}", f"w_{key}", f"b_{key}"], f"c_{key}", kernel_shape=[1, 1]),
                _node("Transpose", [f"c_{key}"], f"t_{key}", perm=[0, 2, 3, 1]),
            ]
            last = f"r_{key}" if name in ("cls", "obj") else key
            body.append(_node("Reshape", [f"t_{key}", f"s_{key}"], last))
            if last != key:
                body.append(_node("Sigmoid", [last], key))
            body.append(_value(12, key, [1, count, channels]))
    graph = b"".join([*body, _field(2, "white squares"), _value(11, "input", [1, 3, side, side])])
    return _field(1, 8) + _field(8, _field(2, 13)) + _field(7, graph)
