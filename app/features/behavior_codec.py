"""The packed string under `behaviors:{<user_id>}`: a header that names its user, then records.

header   "CB" · version u8 · fields u8 · user key u64
record   one key u64 per behavior field · unix second u32       (oldest first, little-endian)
"""

import struct

import numpy as np

from app.core.keys import key_of
from app.core.request import BEHAVIOR_FIELDS, BehaviorSequence

HEADER = struct.Struct("<2sBBQ")
MAGIC, VERSION, FIELDS = b"CB", 1, len(BEHAVIOR_FIELDS)
RECORD = np.dtype([("keys", "<u8", (FIELDS,)), ("timestamp", "<u4")])


class UnreadableHistory(ValueError):
    """The value is not a history of this user; `reason` is a metrics label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def redis_key(user_id: str) -> str:
    return f"behaviors:{{{user_id}}}"


def pack_header(user_id: str) -> bytes:
    return HEADER.pack(MAGIC, VERSION, FIELDS, key_of(user_id))


def pack_records(sequence: BehaviorSequence) -> bytes:
    records = np.empty(len(sequence), RECORD)
    records["keys"] = sequence.keys_TF
    records["timestamp"] = sequence.timestamps_T
    return records.tobytes()


def pack(user_id: str, sequence: BehaviorSequence) -> bytes:
    return pack_header(user_id) + pack_records(sequence)


def unpack(user_id: str, value: bytes) -> BehaviorSequence:
    """Raises UnreadableHistory (corrupt, foreign_version, foreign_user)."""
    if len(value) < HEADER.size or (len(value) - HEADER.size) % RECORD.itemsize:
        raise UnreadableHistory("corrupt")
    magic, version, fields, user_key = HEADER.unpack_from(value)
    if magic != MAGIC:
        raise UnreadableHistory("corrupt")
    if (version, fields) != (VERSION, FIELDS):
        raise UnreadableHistory("foreign_version")
    if user_key != key_of(user_id):
        raise UnreadableHistory("foreign_user")
    records = np.frombuffer(value, RECORD, offset=HEADER.size)
    return BehaviorSequence(records["keys"], records["timestamp"])
