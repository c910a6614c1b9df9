"""TensorBoard event files, written directly: a scalar a record needs no package of 5 MB.

A file is a row of TFRecords (length, its checksum, data, its checksum); the data is a protobuf `Event`
(tensorflow/core/util/event.proto): wall_time = 1, step = 2, file_version = 3, summary = 5 with
value = 1 of tag = 1 and simple_value = 2.
"""

from __future__ import annotations

import struct
import time
from functools import cache
from pathlib import Path

FILE_NAME = "events.out.tfevents.0000000000.training"
CRC32C_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
MASK_DELTA = 0xA282EAD8


class EventFile:
    """Appends scalars to a new file; the one that an earlier run left in `directory` is replaced."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE_NAME).unlink(missing_ok=True)
        self._file = (directory / FILE_NAME).open("xb")
        self._append(_field(3, b"brain.Event:2"))

    def add(self, record: dict) -> None:
        """Every number of a metrics record under "event/name", at its step."""
        values = b"".join(
            _field(1, _field(1, f"{record['event']}/{name}".encode()) + b"\x15" + struct.pack("<f", value))
            for name, value in record.items()
            if isinstance(value, int | float) and name not in ("step", "epoch")
        )
        self._append(b"\x10" + _varint(record["step"]) + _field(5, values))

    def _append(self, event: bytes) -> None:
        data = b"\x09" + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked_checksum(length) + data + _masked_checksum(data))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _masked_checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _crc_table()[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF)


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (CRC32C_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
