"""Candidates without further fields: read, checked and put into columns in one go.

msgspec checks every value while it reads it, where a parser that knows no fields makes a dict of
each candidate, which must be looked through afterwards: half of the instructions of a whole body.
What it does not take need not be wrong: `candidate_columns` and `wire` decide.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, DecodeError, Meta, Struct, defstruct
from msgspec.json import Decoder
from msgspec.structs import asdict, astuple

from app.api.wire import MAX_BID, MAX_CANDIDATES, RankOutline
from app.api.wire_fields import MAX_TEXT_CHARS
from app.core.request import Candidates

Id = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]
Bid = Annotated[float, Meta(ge=0, le=MAX_BID)]


class PlainCandidate(Struct, forbid_unknown_fields=True, gc=False):
    """What `WireCandidate` accepts, without further fields."""

    ad_id: Id
    item_id: Id | None = None
    category_id: Id | None = None
    bid: Bid | None = None


_Candidates = Annotated[list[PlainCandidate], Meta(min_length=1, max_length=MAX_CANDIDATES)]
_decoder = Decoder(
    defstruct(
        "PlainBody",
        [
            (name, _Candidates) if name == "candidates" else (name, Any, UNSET)
            for name in RankOutline.model_fields
        ],
        kw_only=True,
        forbid_unknown_fields=True,
    )
)


def read_plain(body: bytes) -> Mapping[str, Any] | None:
    """A body's fields, unchecked but for its candidates; None where those have further fields, or
    where anything is wrong."""
    try:
        fields = asdict(_decoder.decode(body))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return {name: value for name, value in fields.items() if value is not UNSET}


def columns_of_plain(candidates: Sequence[PlainCandidate]) -> Candidates | None:
    """None where two ads have the same id."""
    rows = map(astuple, candidates)
    ad_ids, item_ids, category_ids, bids = map(list, zip(*rows, strict=True))
    if len(set(ad_ids)) < len(ad_ids):
        return None
    fields = {"item_id": item_ids, "category_id": category_ids}
    return Candidates(ad_ids=ad_ids, bids=bids, fields=fields)
