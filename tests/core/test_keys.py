"""Raw ids become the same key everywhere: xxh3-64 of their UTF-8 text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64

from app.core.keys import key_of, keys_of


@given(st.text())
def test_a_key_is_xxh3_64_of_the_utf8_text(raw_id):
    assert key_of(raw_id) == xxh3_64(raw_id.encode("utf-8")).intdigest()


def test_keys_that_redis_holds_already_do_not_change():
    assert key_of("user-1") == 0x7C7615C11438E5C9
    assert key_of("Köln 🙂") == 0xA69C63FA217532F8


@given(st.lists(st.text()))
def test_many_keys_are_the_keys_of_each_in_order(raw_ids):
    keys = keys_of(raw_ids)

    assert keys.dtype == np.uint64
    assert keys.tolist() == [key_of(raw_id) for raw_id in raw_ids]
