"""The behaviors that a score looked at most, by name where there is one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.core.request import AttendedBehavior, BehaviorSequence
from app.features.vocabulary import Vocabulary
from app.ranking.explanation import Explainer
from tests.features.histories import history

VOCABULARIES = {
    "item_id": Vocabulary.of(["a", "b"]),
    "category_id": Vocabulary.of(["category of a", "category of c"]),
}

few_weights = st.sampled_from([0.0, 0.25, 0.5])  # so that some are equal


def explainer(behaviors: BehaviorSequence, request_ids: dict[int, str] | None = None) -> Explainer:
    return Explainer(behaviors, VOCABULARIES, request_ids or {})


def weights(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_largest_weights_come_first_with_the_ids_that_the_model_knows():
    behaviors = history("a", "b", "c", first_second=100)

    attended = explainer(behaviors).most_attended(weights(0.25, 0.125, 0.625), 2)

    assert list(attended) == [
        AttendedBehavior(None, "category of c", 102, 0.625),
        AttendedBehavior("a", "category of a", 100, 0.25),
    ]


def test_ids_of_the_request_come_before_the_vocabulary():
    behaviors = history("a", "c")
    (key_of_a, category_of_a), (key_of_c, _) = behaviors.keys_TF.tolist()
    request_ids = {key_of_a: "a of the request", category_of_a: "its category", key_of_c: "c"}

    attended = explainer(behaviors, request_ids).most_attended(weights(0.75, 0.25), 2)

    assert [(one.item_id, one.category_id) for one in attended] == [
        ("a of the request", "its category"),
        ("c", "category of c"),
    ]


def test_a_category_that_the_model_does_not_read_is_named_by_the_request_alone():
    behaviors = history("a", "b")
    category_of_b = int(behaviors.keys_TF[1, 1])
    items_alone = {"item_id": VOCABULARIES["item_id"]}
    names = Explainer(behaviors, items_alone, {category_of_b: "category of b"})

    attended = names.most_attended(weights(0.75, 0.25), 2)

    assert [(one.item_id, one.category_id) for one in attended] == [
        ("a", None),
        ("b", "category of b"),
    ]


@given(st.lists(few_weights, max_size=12), st.integers(1, 15))
def test_equal_weights_put_the_newest_first(values, count):
    behaviors = history(*map(str, range(len(values))), first_second=0)

    attended = explainer(behaviors).most_attended(weights(*values), count)

    naive = sorted(range(len(values)), key=lambda step: (-values[step], -step))[:count]
    assert [one.timestamp for one in attended] == naive
    assert [one.weight for one in attended] == [values[step] for step in naive]


def test_a_user_without_behaviors_has_nothing_to_explain():
    assert list(explainer(history()).most_attended(weights(), 5)) == []


def test_ads_that_look_at_the_same_behavior_get_the_same_name():
    names = explainer(history("a", "b"))

    first = names.most_attended(weights(0.75, 0.25), 1)
    second = names.most_attended(weights(0.5, 0.125), 1)

    assert [first[0].item_id, second[0].item_id] == ["a", "a"]
    assert [first[0].weight, second[0].weight] == [0.75, 0.5]
