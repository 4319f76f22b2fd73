"""The bytes under `behaviors:{<user_id>}`: what the contract says, and nothing else is believed."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64

from app.core.request import NO_BEHAVIORS
from app.features.behavior_codec import UnreadableHistory, pack, redis_key, unpack
from tests.features.histories import as_rows, histories, history

user_ids = st.text(min_size=1)


def header(*, magic=b"CB", version=1, fields=2, user_id="user-1") -> bytes:
    return struct.pack("<2sBBQ", magic, version, fields, xxh3_64(user_id.encode()).intdigest())


RECORD = struct.pack("<QQI", 1, 2, 3)


def why_unreadable(value: bytes) -> str | None:
    try:
        unpack("user-1", value)
    except UnreadableHistory as error:
        return error.reason
    return None


@given(user_ids, histories())
def test_what_was_packed_is_unpacked(user_id, sequence):
    value = pack(user_id, sequence)

    assert as_rows(unpack(user_id, value)) == as_rows(sequence)


def test_the_bytes_are_those_of_the_contract():
    value = pack("user-1", history("a", "b", first_second=1_390_694_400))

    def key(raw_id: str) -> bytes:
        return xxh3_64(raw_id.encode()).intdigest().to_bytes(8, "little")

    assert value == (
        b"CB\x01\x02"
        + key("user-1")
        + key("a")
        + key("category of a")
        + (1_390_694_400).to_bytes(4, "little")
        + key("b")
        + key("category of b")
        + (1_390_694_401).to_bytes(4, "little")
    )


@given(histories())
def test_a_value_has_a_header_of_12_bytes_and_20_per_behavior(sequence):
    assert len(pack("user-1", sequence)) == 12 + 20 * len(sequence)


def test_a_header_alone_is_a_history_without_behaviors():
    sequence = unpack("user-1", pack("user-1", NO_BEHAVIORS))

    assert sequence.keys_TF.shape == (0, 2)
    assert sequence.timestamps_T.shape == (0,)


def test_braces_make_the_user_id_a_cluster_hash_tag():
    assert redis_key("user-1") == "behaviors:{user-1}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(b"", "corrupt", id="empty"),
        pytest.param(header()[:-1], "corrupt", id="half a header"),
        pytest.param(header() + RECORD[:-1], "corrupt", id="half a record"),
        pytest.param(header() + RECORD + b"\x00", "corrupt", id="a byte too many"),
        pytest.param(header(magic=b"BC") + RECORD, "corrupt", id="another magic"),
        pytest.param(header(version=2) + RECORD, "foreign_version", id="a later version"),
        pytest.param(header(version=0) + RECORD, "foreign_version", id="version 0"),
        pytest.param(header(fields=3), "foreign_version", id="another number of fields"),
        pytest.param(header(user_id="user-2") + RECORD, "foreign_user", id="another user's"),
    ],
)
def test_a_value_that_is_not_this_users_history_is_refused_with_the_reason(value, reason):
    assert why_unreadable(value) == reason


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: header() + tail))
def test_random_bytes_are_a_history_or_unreadable_and_never_another_error(value):
    reason = why_unreadable(value)

    assert reason in {None, "corrupt", "foreign_version", "foreign_user"}


@given(histories(), st.data())
def test_every_cut_within_a_record_is_noticed(sequence, data):
    value = pack("user-1", sequence)
    cut = data.draw(st.integers(0, len(value) - 1).filter(lambda size: (size - 12) % 20))

    assert why_unreadable(value[:cut]) == "corrupt"
