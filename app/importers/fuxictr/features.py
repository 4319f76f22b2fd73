"""Which features of a FuxiCTR model are targets, histories and beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from app.errors import StartupRefused
from app.importers.fuxictr.config import FeatureSpec, Names
from app.importers.interests import padding_of
from app.importers.source_model import CategoricalFeature, NumericFeature
from app.importers.state_dict import StateDict

# V ids of a feature by their index, E its embedding

TABLES = "embedding_layer.embedding_layers"


@dataclass(frozen=True, slots=True)
class Pair:
    """Features of the target, and the sequences that they are looked up in."""

    targets: tuple[str, ...]
    sequences: tuple[str, ...]
    key_order: tuple[str, ...]  # the targets that the sequences stand for


@dataclass(frozen=True, slots=True)
class Features:
    """The feature map with the width that a feature has unless it says another."""

    specs: Mapping[str, FeatureSpec]
    default_dim: int

    def of_type(self, *types: str) -> list[str]:
        """Names, in the order in which the library concatenates."""
        return [name for name, spec in self.specs.items() if spec.type in types]

    def owner(self, name: str) -> str:
        """Whose table a feature has: sharing works only with a feature that comes before."""
        for earlier in takewhile(lambda other: other != name, self.specs):
            if earlier == self.specs[name].share_embedding:
                return self.owner(earlier)
        return name

    def width(self, name: str) -> int:
        return self.specs[self.owner(name)].embedding_dim or self.default_dim

    def pair_width(self, pair: Pair) -> int:
        """Of a pair's embeddings; raises StartupRefused for what no module of the library takes."""
        width = sum(map(self.width, pair.targets))
        if width != self.default_dim * len(pair.targets):
            raise StartupRefused(
                f"the embeddings of {', '.join(pair.targets)} are {width} wide together, but "
                f"FuxiCTR takes embedding_dim {self.default_dim} for each"
            )
        return width

    def max_length(self, pairs: Sequence[Pair]) -> int:
        """Of the history, which is one for all pairs."""
        return self.specs[pairs[0].sequences[0]].max_len

    def padding(self, state: StateDict, pair: Pair) -> Tensor:
        """[width of the pair]: what its tables have for padding."""
        return padding_of(self.table(state, name) for name in pair.targets)

    def table(self, state: StateDict, name: str) -> Tensor:
        """[V, E]; a file may have a shared table under each name or once."""
        owner = self.owner(name)
        file_name = f"{TABLES}.{name}.weight"
        if file_name not in state:
            file_name = f"{TABLES}.{owner}.weight"
        return state.take_table(file_name, self.specs[owner].vocab_size, self.width(name))

    def categorical(self, state: StateDict) -> tuple[CategoricalFeature, ...]:
        """The library puts the index of all unknown ids last."""
        return tuple(
            CategoricalFeature(name, table_VE, oov_index=len(table_VE) - 1)
            for name in self.of_type("categorical")
            for table_VE in (self.table(state, name),)
        )

    def numeric(self) -> tuple[NumericFeature, ...]:
        return tuple(NumericFeature(name, numbers=1) for name in self.of_type("numeric"))


def read_pairs(
    features: Features, state: StateDict, targets: Names, sequences: Names, *, modules: int
) -> tuple[Pair, ...]:
    """The pairs of target and history. Raises StartupRefused where there is not one history.

    modules: pairs that the checkpoint has weights for.
    """
    target_groups, sequence_groups = _grouped(targets, modules), _grouped(sequences, modules)
    if list(map(len, target_groups)) != list(map(len, sequence_groups)):
        raise StartupRefused(
            f"the target fields {target_groups} and the sequence fields {sequence_groups} "
            "do not belong together"
        )
    pairs = tuple(
        _pair(features, state, *group) for group in zip(target_groups, sequence_groups, strict=True)
    )
    _check_one_history(features, pairs)
    return pairs


def check_no_other_sequences(features: Features, names: Sequence[str]) -> None:
    """Raises StartupRefused for a sequence that is none of these."""
    for name in features.of_type("sequence"):
        if name not in names:
            raise StartupRefused(f"the sequence {name} is in no pair of target and history")


def check_same_order(pairs: Sequence[Pair], why: str) -> None:
    """Raises StartupRefused where features are compared that are not of a kind."""
    for pair in pairs:
        if pair.key_order != pair.targets:
            raise StartupRefused(
                f"the sequences {', '.join(pair.sequences)} are not in the order of their targets "
                f"{', '.join(pair.targets)}: {why}"
            )


def _grouped(names: Names, modules: int) -> tuple[tuple[str, ...], ...]:
    """A tuple of names is one group and a list of names as many, but JSON has only lists."""
    groups = tuple((part,) if isinstance(part, str) else part for part in names)
    if modules == 1 and all(isinstance(part, str) for part in names):
        return (tuple(name for group in groups for name in group),)
    return groups


def _pair(
    features: Features, state: StateDict, targets: tuple[str, ...], sequences: tuple[str, ...]
) -> Pair:
    for names, type_ in ((targets, "categorical"), (sequences, "sequence")):
        for name in names:
            if name not in features.of_type(type_):
                raise StartupRefused(f"feature_map has no {type_} feature {name}")
    keys = tuple(_target_of(features, state, targets, *one) for one in enumerate(sequences))
    if len(set(targets)) < len(targets) or set(keys) != set(targets):
        raise StartupRefused(
            f"the sequences {', '.join(sequences)} do not stand for one of the targets "
            f"{', '.join(targets)} each"
        )
    return Pair(targets, sequences, keys)


def _target_of(
    features: Features, state: StateDict, targets: tuple[str, ...], position: int, sequence: str
) -> str:
    """The target with the same embeddings, first of all the one at the same position."""
    table_VE = features.table(state, sequence)
    for target in (targets[position], *targets):
        if torch.equal(features.table(state, target), table_VE):
            return target
    raise StartupRefused(
        f"the sequence {sequence} does not share the embeddings of {targets[position]}: "
        "behaviors and candidates have the same tables here"
    )


def _check_one_history(features: Features, pairs: Sequence[Pair]) -> None:
    sequence_of: dict[str, str] = {}
    for target, sequence in _looked_up(pairs):
        other = sequence_of.setdefault(target, sequence)
        if other != sequence:
            raise StartupRefused(
                f"{target} is looked up in two histories, {other} and {sequence}: "
                "this service knows one"
            )
    lengths = {features.specs[name].max_len for name in sequence_of.values()}
    if len(lengths) > 1:
        raise StartupRefused(f"the sequences differ in max_len: {sorted(lengths)}")


def _looked_up(pairs: Sequence[Pair]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        yield from zip(pair.key_order, pair.sequences, strict=True)
