"""Which behaviors a candidate's score looked at most, in the words of the client: raw ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats
from app.core.request import BEHAVIOR_FIELDS, AttendedBehavior, BehaviorSequence
from app.features.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Explainer:
    """Names behaviors by the request's own ids, else by the model's vocabularies."""

    vocabularies: Mapping[str, Vocabulary]
    request_ids: Mapping[int, str]

    def most_attended(
        self, behaviors: BehaviorSequence, weights_T: Floats, count: int
    ) -> Sequence[AttendedBehavior]:
        """The `count` behaviors with the largest weights, largest first, newest of equals first."""
        steps = len(weights_T) - 1 - np.argsort(-weights_T[::-1], kind="stable")[:count]
        return [self._name(behaviors, int(step), float(weights_T[step])) for step in steps]

    def _name(self, behaviors: BehaviorSequence, step: int, weight: float) -> AttendedBehavior:
        item_id, category_id = (
            self._raw_id(field, int(key))
            for field, key in zip(BEHAVIOR_FIELDS, behaviors.keys_TF[step], strict=True)
        )
        return AttendedBehavior(item_id, category_id, int(behaviors.timestamps_T[step]), weight)

    def _raw_id(self, field: str, key: int) -> str | None:
        return self.request_ids.get(key) or self.vocabularies[field].raw_id(key)
