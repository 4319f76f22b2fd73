"""Smoothed CTRs of items and categories: what is served when the model does not answer in time.

Clicks c of n impressions of a child whose parent has the CTR m are beta-binomial: its own CTR is
drawn from Beta(s · m, s · (1 - m)), and the posterior mean is

    (c + s · m) / (n + s)

The strength s, in impressions, is the one of largest likelihood over all children of a level, so
that the data says how far to trust few impressions (Wang, Li, Cui, Zhang, Mao, "Click-through rate
estimation for rare events in online advertising", 2011; the conjugate update is that of Gelman et
al., "Bayesian data analysis", section 2.4). Items are smoothed towards their category, categories
towards the mean.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln

from app.core.batch import Doubles, Rows
from app.core.schema import FIRST_ID_ROW, FeatureSchema
from app.registry.priors import Priors, SmoothedRates
from app.training.candidate_counts import CandidateCounts

# G distinct ads, V rows of a field's table

WEAKEST, STRONGEST = 1e-2, 1e7  # impressions
# Rows are in the order of hashed ids, so the first are a random sample of all.
ROWS_TO_FIT = 100_000


@dataclass(frozen=True, slots=True)
class Children:
    """What happened to the rows of one field, and what is expected of them."""

    clicks_V: Doubles
    impressions_V: Doubles
    parent_ctr_V: Doubles


def learn_priors(
    counts: CandidateCounts, schema: FeatureSchema, *, mean_ctr: float, negatives_kept: float
) -> Priors:
    """As if all negatives were there: each that was kept stands for 1 / negatives_kept."""
    clicks_G = counts.clicks_G.astype(np.float64)
    impressions_G = clicks_G + counts.others_G / negatives_kept
    parent_ctr_G = np.full(len(clicks_G), mean_ctr)
    rates: list[SmoothedRates] = []
    for column, field in reversed(list(enumerate(schema.behavior_fields))):
        rows_G = counts.rows_GF[:, column]
        children = _children(rows_G, clicks_G, impressions_G, parent_ctr_G, rows=field.rows)
        smoothed = smooth(children, fit_strength(children))
        rates.insert(0, smoothed)
        parent_ctr_G = smoothed.own_V[rows_G] + smoothed.parent_share_V[rows_G] * parent_ctr_G
    return Priors(mean_ctr, rates)


def smooth(children: Children, strength: float) -> SmoothedRates:
    """An id that training did not know is taken for its parent."""
    known_V = np.arange(len(children.clicks_V)) >= FIRST_ID_ROW
    weight_V = np.where(known_V, children.impressions_V, 0.0) + strength
    own_V = np.where(known_V, children.clicks_V, 0.0) / weight_V
    return SmoothedRates(own_V.astype(np.float32), (strength / weight_V).astype(np.float32))


def fit_strength(children: Children) -> float:
    """s of largest likelihood of the clicks of all known rows that were shown, in impressions."""
    shown = np.flatnonzero(children.impressions_V[FIRST_ID_ROW:])[:ROWS_TO_FIT] + FIRST_ID_ROW
    clicks, ctr = children.clicks_V[shown], children.parent_ctr_V[shown]
    others = children.impressions_V[shown] - clicks

    def unlikelihood(log_strength: float) -> float:
        alpha = math.exp(log_strength) * ctr
        beta = math.exp(log_strength) * (1 - ctr)
        return -float((betaln(clicks + alpha, others + beta) - betaln(alpha, beta)).sum())

    bounds = (math.log(WEAKEST), math.log(STRONGEST))
    return math.exp(minimize_scalar(unlikelihood, bounds=bounds, method="bounded").x)


def _children(
    rows_G: Rows, clicks_G: Doubles, impressions_G: Doubles, parent_ctr_G: Doubles, *, rows: int
) -> Children:
    """A row that was shown in several categories expects the mean of them, by impressions."""

    def per_row(values_G: Doubles) -> Doubles:
        return np.bincount(rows_G, values_G, minlength=rows).astype(np.float64)

    impressions_V, expected_V = per_row(impressions_G), per_row(impressions_G * parent_ctr_G)
    return Children(
        per_row(clicks_G),
        impressions_V,
        np.divide(expected_V, impressions_V, out=np.zeros(rows), where=impressions_V > 0),
    )
