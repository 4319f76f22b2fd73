"""Which behaviors a candidate's score looked at most, in the words of the client: raw ids."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.core.batch import Floats
from app.core.request import BEHAVIOR_FIELDS, AttendedBehavior, BehaviorSequence
from app.features.vocabulary import Vocabulary


class Explainer:
    """Names one user's behaviors by the request's own ids, else by the model's vocabularies."""

    def __init__(
        self,
        behaviors: BehaviorSequence,
        vocabularies: Mapping[str, Vocabulary],
        request_ids: Mapping[int, str],
    ) -> None:
        self._behaviors = behaviors
        self._vocabularies = vocabularies
        self._request_ids = request_ids
        # The event loop pays for names: once per behavior, however many ads look at it.
        self._named: dict[int, tuple[str | None, str | None, int]] = {}

    def most_attended(self, weights_T: Floats, count: int) -> Sequence[AttendedBehavior]:
        """The `count` behaviors with the largest weights, largest first, newest of equals first."""
        newest_first = np.argsort(-weights_T[::-1], kind="stable")[:count]
        steps = len(weights_T) - 1 - newest_first
        return [
            AttendedBehavior(*self._name(step), weight)
            for step, weight in zip(steps.tolist(), weights_T[steps].tolist(), strict=True)
        ]

    def _name(self, step: int) -> tuple[str | None, str | None, int]:
        if step not in self._named:
            item_id, category_id = (
                self._raw_id(field, int(key))
                for field, key in zip(BEHAVIOR_FIELDS, self._behaviors.keys_TF[step], strict=True)
            )
            self._named[step] = (item_id, category_id, int(self._behaviors.timestamps_T[step]))
        return self._named[step]

    def _raw_id(self, field: str, key: int) -> str | None:
        if key in self._request_ids:
            return self._request_ids[key]
        vocabulary = self._vocabularies.get(field)  # a model may read the items alone
        return vocabulary.raw_id(key) if vocabulary is not None else None
