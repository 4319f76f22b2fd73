"""CTRs without the model: how often an ad, or ads of its category, were clicked in training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.core.batch import Doubles, Floats, Rows
from app.core.schema import FeatureSchema, SparseField

# C candidates, F behavior fields, V rows of a field's table

ROUNDING = 1e-6  # of two single-precision shares that sum to one


@dataclass(frozen=True, slots=True)
class SmoothedRates:
    """The CTR of each row of one field, given that of its parent: own + parent_share · parent.

    Both are parts of the mean of a beta-binomial posterior (`app.training.priors`).
    """

    own_V: Floats  # clicks / (impressions + strength)
    parent_share_V: Floats  # strength / (impressions + strength); 1 where nothing is known


@dataclass(frozen=True, slots=True)
class Priors:
    """Rates by behavior field, the item first; each field's parent is the next, then the mean.

    Without rates, everything has the mean.
    """

    mean_ctr: float
    rates: Sequence[SmoothedRates] = ()

    def ctr_of(self, rows_CF: Rows) -> Doubles:
        """[C] by the candidates' table rows: one gather per field and number."""
        ctr_C: Doubles = np.full(len(rows_CF), self.mean_ctr)
        for column in reversed(range(len(self.rates))):
            rates, rows_C = self.rates[column], rows_CF[:, column]
            ctr_C = rates.own_V[rows_C] + rates.parent_share_V[rows_C] * ctr_C
        return ctr_C.clip(max=1.0)


def rates_to_bytes(rates: Sequence[SmoothedRates], schema: FeatureSchema) -> bytes:
    tensors: dict[str, Floats] = {}
    for field, of_field in zip(schema.behavior_fields, rates, strict=True):
        own, parent_share = _names(field)
        tensors |= {own: of_field.own_V, parent_share: of_field.parent_share_V}
    return save(tensors)


def rates_from_bytes(content: bytes, schema: FeatureSchema) -> Sequence[SmoothedRates]:
    """Raises ValueError unless they are rates of every row of every behavior field."""
    try:
        tensors = load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that numpy does not have
        raise ValueError(f"not a table of priors: {error}") from error
    needed = {name for field in schema.behavior_fields for name in _names(field)}
    if tensors.keys() != needed:
        raise ValueError(f"not a table of priors: it needs {sorted(needed)}")
    rates = []
    for field in schema.behavior_fields:
        own_V, parent_share_V = (tensors[name] for name in _names(field))
        for column_V in (own_V, parent_share_V):
            if column_V.dtype != np.float32 or column_V.shape != (field.rows,):
                raise ValueError(
                    f"the priors of {field.name} are not {field.rows} numbers in single precision"
                )
        within_V = (own_V >= 0) & (parent_share_V >= 0) & (own_V + parent_share_V <= 1 + ROUNDING)
        if not within_V.all():  # also when one is NaN
            raise ValueError(f"the priors of {field.name} are not shares of one")
        rates.append(SmoothedRates(own_V, parent_share_V))
    return rates


def _names(field: SparseField) -> tuple[str, str]:
    return f"{field.name}.own", f"{field.name}.parent_share"
