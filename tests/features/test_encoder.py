"""The encoder against a naive loop, and what it promises of ids, numbers and neighbors."""

from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import keys_of
from app.core.request import BehaviorSequence, Candidates, UserContext
from app.core.schema import OOV_ROW, DenseSideField, FeatureSchema, SparseField, SparseSideField
from app.features.encoder import EncodedRequests, Encoder
from app.features.vocabulary import Vocabulary
from tests.features.histories import history
from tests.features.naive_encoder import NaiveEncoder

# U users, N behaviors, C candidates, F behavior fields, S sparse and D dense side fields

KNOWN = {
    "item_id": ["item-1", "item-2", "7", "-3"],
    "category_id": ["category of item-1", "category of item-2", "books"],
    "user_id": ["user-1", "user-2"],
    "slot": ["top", "0.5"],
    "device": ["phone", "7"],
    "gender": ["f", "m"],
    "brand": ["acme", "7"],
}
VOCABULARIES = {name: Vocabulary.of(ids) for name, ids in KNOWN.items()}


def sparse(name: str) -> SparseField:
    return SparseField(name=name, embedding_dim=2, rows=VOCABULARIES[name].rows)


def sparse_side(name: str, source: str) -> SparseSideField:
    return SparseSideField(source=source, **sparse(name).model_dump())


BEHAVIOR_FIELDS = (sparse("item_id"), sparse("category_id"))
# The sources are mixed on purpose: a column out of order must show.
SIDE_FIELDS = (
    sparse_side("slot", "candidate"),
    DenseSideField(name="age", source="profile", mean=40.0, std=10.0),
    sparse_side("device", "context"),
    DenseSideField(name="price", source="candidate", mean=-1e308, std=1e-3),
    sparse_side("gender", "profile"),
    DenseSideField(name="hour", source="context"),
    DenseSideField(name="discount", source="candidate", std=0.1),
    sparse_side("brand", "any"),
    DenseSideField(name="weight", source="any", mean=1.0, std=2.0),
)
BARE = FeatureSchema(behavior_fields=BEHAVIOR_FIELDS)
FULL = FeatureSchema(
    behavior_fields=BEHAVIOR_FIELDS,
    user_id=sparse("user_id"),
    side_fields=SIDE_FIELDS,
    max_behaviors=3,
)

schemas = st.builds(
    FeatureSchema,
    behavior_fields=st.sampled_from([BEHAVIOR_FIELDS, BEHAVIOR_FIELDS[:1]]),
    user_id=st.sampled_from([None, FULL.user_id]),
    side_fields=st.lists(st.sampled_from(SIDE_FIELDS), unique=True).map(tuple),
    max_behaviors=st.integers(1, 5),
)
ids = st.sampled_from(sorted(set().union(*KNOWN.values()))) | st.text(max_size=3)
junk = st.sampled_from(
    ["nan", "inf", "-Infinity", "1e400", " 3 ", "0x10", "1,5", "", "٣", "1_0", 10**400, -(10**400)]
)
values = st.none() | ids | st.integers() | st.floats() | junk
side_names = [field.name for field in SIDE_FIELDS]


@st.composite
def requests(draw: st.DrawFn) -> tuple[UserContext, Candidates]:
    rows = draw(st.integers(1, 4))
    columns = st.lists(values, min_size=rows, max_size=rows)
    given_names = draw(st.lists(st.sampled_from(side_names), unique=True))
    user = UserContext(
        draw(ids),
        history(*draw(st.lists(ids, max_size=6))),
        draw(st.dictionaries(st.sampled_from(side_names), values)),
        draw(st.dictionaries(st.sampled_from(side_names), values)),
    )
    names = ["item_id", "category_id", *given_names]
    ad_ids = [str(number) for number in range(rows)]
    return user, Candidates(ad_ids, [None] * rows, {name: draw(columns) for name in names})


batches = st.lists(requests(), min_size=1, max_size=4)


def unknown_items_of(encoded: EncodedRequests) -> list[int]:
    """Of each request."""
    return list(map(add, encoded.unknown.behaviors_U, encoded.unknown.candidates_U))


@given(schemas, batches)
def test_the_batch_is_that_of_a_naive_loop(schema, requests):
    encoded = Encoder(schema, VOCABULARIES).encode(requests)

    naive = NaiveEncoder(schema, KNOWN).encode(requests)
    batch = encoded.batch
    assert batch.lengths_U.tolist() == naive.lengths
    assert batch.behaviors_NF.tolist() == naive.behaviors
    assert batch.user_sparse_US.tolist() == naive.user_sparse
    assert batch.user_dense_UD.tolist() == np.float32(naive.user_dense).tolist()
    assert batch.candidates_CF.tolist() == naive.candidates
    assert batch.candidate_sparse_CS.tolist() == naive.candidate_sparse
    assert batch.candidate_dense_CD.tolist() == np.float32(naive.candidate_dense).tolist()
    assert batch.user_of_C.tolist() == naive.user_of
    assert unknown_items_of(encoded) == naive.unknown_items
    assert encoded.unknown.by_field == {name: n for name, n in naive.unknown_ids.items() if n}


@given(schemas, batches)
def test_the_arrays_have_the_types_and_widths_of_the_schema(schema, requests):
    batch = Encoder(schema, VOCABULARIES).encode(requests).batch

    users, candidates = len(requests), sum(len(ads) for _, ads in requests)
    assert [array.dtype for array in batch.arrays()] == [
        *(np.int64, np.int64, np.int64, np.int64, np.float32),
        *(np.int64, np.int64, np.float32, np.int64),
    ]
    assert [array.shape for array in batch.arrays()] == [
        (users,),
        (batch.lengths_U.sum(), len(schema.behavior_fields)),
        (batch.lengths_U.sum(),),
        (users, len(schema.user_sparse_fields)),
        (users, len(schema.user_dense_fields)),
        (candidates, len(schema.behavior_fields)),
        (candidates, len(schema.candidate_sparse_fields)),
        (candidates, len(schema.candidate_dense_fields)),
        (candidates,),
    ]
    assert np.isfinite(batch.user_dense_UD).all()
    assert np.isfinite(batch.candidate_dense_CD).all()


@given(schemas, batches)
def test_a_request_is_encoded_alone_as_in_company(schema, requests):
    encoder = Encoder(schema, VOCABULARIES)

    together = encoder.encode(requests).batch

    alone = [encoder.encode([request]).batch for request in requests]
    for of_users_and_candidates in zip(
        together.arrays()[:-1], *(one.arrays()[:-1] for one in alone), strict=True
    ):
        whole, *parts = of_users_and_candidates
        assert whole.tolist() == np.concatenate(parts).tolist()


def encode(
    schema: FeatureSchema = BARE,
    *,
    behaviors: BehaviorSequence | None = None,
    **columns: list[object],
):
    """One request, of one candidate unless its columns are longer."""
    rows = len(next(iter(columns.values()))) if columns else 1
    fields = {"item_id": ["item-1"] * rows, "category_id": ["books"] * rows, **columns}
    user = UserContext("user-1", history() if behaviors is None else behaviors)
    candidates = Candidates([str(row) for row in range(rows)], [None] * rows, fields)
    return Encoder(schema, VOCABULARIES).encode([(user, candidates)])


def test_an_id_is_the_same_as_a_number_and_as_text():
    rows = encode(item_id=[7, 7.0, "7", -3, -3.0, "-3"]).batch.candidates_CF[:, 0].tolist()

    assert rows[:3] == [rows[0]] * 3
    assert rows[3:] == [rows[3]] * 3
    assert OOV_ROW not in rows


@pytest.mark.parametrize("value", [None, "", "7.0", " 7", 7.5, "seven", float("nan"), 10**400])
def test_what_is_no_known_id_has_the_oov_row(value):
    encoded = encode(item_id=[value])

    assert encoded.batch.candidates_CF[0, 0] == OOV_ROW
    assert unknown_items_of(encoded) == [1]


def test_the_newest_behaviors_are_kept_and_the_older_ones_are_not_counted_as_unknown():
    encoded = encode(FULL, behaviors=history("unknown", "item-1", "item-2", "7"))

    vocabulary = VOCABULARIES["item_id"]
    newest = vocabulary.rows_of(history("item-1", "item-2", "7").keys_TF[:, 0])
    assert encoded.batch.lengths_U.tolist() == [3]
    assert encoded.batch.behaviors_NF[:, 0].tolist() == newest.tolist()
    assert unknown_items_of(encoded) == [0]


def test_unknown_items_are_counted_in_history_and_candidates_of_their_own_request():
    encoder = Encoder(BARE, VOCABULARIES)

    def request(behaviors: list[str], items: list[str]) -> tuple[UserContext, Candidates]:
        count = len(items)
        columns = {"item_id": items, "category_id": ["books"] * count}
        return UserContext("u", history(*behaviors)), Candidates(items, [None] * count, columns)

    encoded = encoder.encode(
        [
            request([], ["item-1"]),
            request(["?", "item-1", "??"], ["item-2", "???"]),
            request(["item-2"], ["item-1", "?", "?"]),
        ]
    )

    assert unknown_items_of(encoded) == [0, 3, 2]
    assert encoded.unknown.by_field == {"item_id": 5, "category_id": 2}


@pytest.mark.parametrize(
    "value", [None, "", "cheap", "nan", float("inf"), "-inf", "1e400", 10**400]
)
def test_a_number_that_is_none_counts_as_the_mean(value):
    schema = FeatureSchema(
        behavior_fields=BEHAVIOR_FIELDS,
        side_fields=(DenseSideField(name="price", source="candidate", mean=5.0, std=2.0),),
    )

    dense = encode(schema, price=[value, 9.0, "9"]).batch.candidate_dense_CD

    assert dense.tolist() == [[0.0], [2.0], [2.0]]


@pytest.mark.parametrize(("value", "deviations"), [(1.7e308, 1e6), (-1.7e308, -1e6), (3e38, 1e6)])
def test_a_number_far_outside_is_cut_off_before_it_overflows(value, deviations):
    schema = FeatureSchema(
        behavior_fields=BEHAVIOR_FIELDS,
        side_fields=(DenseSideField(name="price", source="candidate", std=0.01),),
    )

    assert encode(schema, price=[value]).batch.candidate_dense_CD.tolist() == [[deviations]]


def test_the_user_id_of_the_request_wins_over_a_profile_field_of_that_name():
    user = UserContext("user-1", profile={"user_id": "user-2"}, context={"user_id": "user-2"})
    candidates = Candidates(["0"], [None], {"item_id": ["7"], "category_id": ["books"]})

    batch = Encoder(FULL, VOCABULARIES).encode([(user, candidates)]).batch

    known = VOCABULARIES["user_id"].rows_of(keys_of(["user-1"]))
    assert batch.user_sparse_US[:, 0].tolist() == known.tolist()


def test_a_field_is_read_from_its_own_source_only():
    ads = Candidates(["0"], [None], {"item_id": ["7"], "category_id": ["books"]})
    right = UserContext("user-1", profile={"age": 50}, context={"hour": 7})
    swapped = UserContext("user-1", profile={"age": 50, "hour": 3}, context={"hour": 7, "age": 20})

    encoder = Encoder(FULL, VOCABULARIES)
    expected, actual = (encoder.encode([(user, ads)]).batch for user in (right, swapped))

    assert actual.user_dense_UD.tolist() == expected.user_dense_UD.tolist()
    assert expected.user_dense_UD.any()


ANYWHERE = FeatureSchema(
    behavior_fields=BEHAVIOR_FIELDS,
    side_fields=(sparse_side("brand", "any"), DenseSideField(name="weight", source="any")),
)


@pytest.mark.parametrize(
    ("own", "context", "profile", "expected"),
    [
        (2.0, 3.0, 4.0, 2.0),
        (None, 3.0, 4.0, 3.0),
        (None, None, 4.0, 4.0),
        (None, None, None, 0.0),
        (0.0, 3.0, 4.0, 0.0),
        (None, 0, 4.0, 0.0),
    ],
)
def test_a_field_of_any_source_is_the_candidates_else_the_contexts_else_the_profiles(
    own, context, profile, expected
):
    user = UserContext("user-1", profile={"weight": profile}, context={"weight": context})
    fields = {"item_id": ["7"], "category_id": ["books"], "weight": [own]}

    encoded = Encoder(ANYWHERE, VOCABULARIES).encode([(user, Candidates(["0"], [None], fields))])

    assert encoded.batch.candidate_dense_CD.tolist() == [[expected]]


def test_candidates_share_a_value_of_any_source_with_those_of_their_own_request_only():
    def request(shared: str, count: int, **own: list[str | None]) -> tuple[UserContext, Candidates]:
        items = {"item_id": ["7"] * count, "category_id": ["books"] * count}
        candidates = Candidates(["0"] * count, [None] * count, {**items, **own})
        return UserContext("user-1", context={"brand": shared}), candidates

    encoded = Encoder(ANYWHERE, VOCABULARIES).encode(
        [request("acme", 3), request("7", 2, brand=[None, "acme"]), request("?", 1)]
    )

    acme, seven = VOCABULARIES["brand"].rows_of(keys_of(["acme", "7"])).tolist()
    rows = encoded.batch.candidate_sparse_CS[:, 0].tolist()
    assert rows == [acme, acme, acme, seven, acme, OOV_ROW]
    assert encoded.unknown.by_field["brand"] == 1


def test_a_model_of_items_alone_reads_no_categories():
    items_alone = FeatureSchema(behavior_fields=BEHAVIOR_FIELDS[:1])

    both, alone = (
        encode(schema, behaviors=history("7", "?"), item_id=["item-1", "?"])
        for schema in (BARE, items_alone)
    )

    assert alone.batch.behaviors_NF.tolist() == both.batch.behaviors_NF[:, :1].tolist()
    assert alone.batch.candidates_CF.tolist() == both.batch.candidates_CF[:, :1].tolist()
    assert alone.unknown.by_field == {"item_id": 2}
