"""DIEN as it is usually exported: every row carries the whole history, padded."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.core.calibration import Calibration, Platt
from app.models.dien.config import DienConfig
from app.models.dien.evolving_interest import EvolvingInterest
from app.models.dien.model import Dien
from app.models.layers.activation import Dice
from app.models.layers.attention import MlpAttention
from app.models.layers.gated_cell import GatedCell
from app.registry.model_store import Artifact
from app.registry.trained_model import trained_model

# R rows (user and candidate), T steps of the longest history, F fields, E embedding, H hidden


class NotExportable(Exception):
    """The race is about one architecture: the papers' DIEN."""


class FixedDice(nn.Module):
    """Dice with its running statistics folded into a scale and a shift."""

    scale: Tensor
    mean: Tensor
    alpha: Tensor

    def __init__(self, dice: Dice) -> None:
        super().__init__()
        statistics = dice.statistics
        mean, variance = statistics.running_mean, statistics.running_var
        if mean is None or variance is None:
            raise NotExportable("Dice without running statistics cannot be exported")
        self.register_buffer("scale", (variance + statistics.eps).rsqrt())
        self.register_buffer("mean", mean.clone())
        self.register_buffer("alpha", dice.alpha.detach().clone())

    def forward(self, x_RH: Tensor) -> Tensor:
        p_RH = torch.sigmoid((x_RH - self.mean) * self.scale)
        return x_RH * (self.alpha + p_RH * (1 - self.alpha))


class PerRowDien(nn.Module):
    """Extractor, attention, evolution and MLP, all of them for each row."""

    def __init__(self, model: Dien, calibration: Calibration) -> None:
        """Raises NotExportable for a variant of DIEN that the race has no export of."""
        super().__init__()
        interest = _only_interest(model)
        attention = interest.attention
        if attention is None or not isinstance(attention.kind, MlpAttention):
            raise NotExportable("the race needs a DIEN with mlp attention")
        self.tables = nn.ModuleList(table for _, table in model.embedding.named_tables())
        self.extractor = _gru(interest.extractor)
        self.query = attention.query
        self.attention = nn.Sequential(
            attention.kind.first, attention.kind.activation, *attention.kind.rest.layers
        )
        self.evolution = interest.evolution
        self.mlp = nn.Sequential(*_without_batch_statistics(model.mlp.layers))
        self.slope, self.offset = _line(calibration)

    def forward(self, behaviors_RTF: Tensor, lengths_R: Tensor, candidates_RF: Tensor) -> Tensor:
        """The CTR [R] of each row; int64 table rows in, behaviors padded at their end."""
        behaviors_RTE = self.embed(behaviors_RTF)
        candidate_RE = self.embed(candidates_RF)
        interests_RTH, _ = self.extractor(behaviors_RTE)
        steps_T = torch.arange(behaviors_RTF.size(1))
        real_RT = steps_T.unsqueeze(0) < lengths_R.unsqueeze(1)
        attention_RT = self.attend(candidate_RE, interests_RTH, real_RT)
        interest_RH = self.evolve(interests_RTH, attention_RT)
        behavior_sum_RE = (behaviors_RTE * real_RT.unsqueeze(2)).sum(dim=1)
        parts = [candidate_RE, behavior_sum_RE, candidate_RE * behavior_sum_RE, interest_RH]
        logits_R = self.mlp(torch.cat(parts, dim=1)).squeeze(1)
        return torch.sigmoid(self.slope * logits_R + self.offset)

    def embed(self, rows: Tensor) -> Tensor:
        fields = [table(rows[..., column]) for column, table in enumerate(self.tables)]
        return torch.cat(fields, dim=-1)

    def attend(self, candidate_RE: Tensor, interests_RTH: Tensor, real_RT: Tensor) -> Tensor:
        """A small net on [q, h, q - h, q * h], softmax over the real steps; zero past them."""
        query_RTH = self.query(candidate_RE).unsqueeze(1).expand_as(interests_RTH)
        pairs = [query_RTH, interests_RTH, query_RTH - interests_RTH, query_RTH * interests_RTH]
        scores_RT = self.attention(torch.cat(pairs, dim=2)).squeeze(2)
        weights_RT = torch.softmax(scores_RT.masked_fill(~real_RT, -1e30), dim=1)
        return weights_RT * real_RT

    def evolve(self, interests_RTH: Tensor, attention_RT: Tensor) -> Tensor:
        """AUGRU: attention scales the update gate, so that none keeps the state."""
        cell = self.evolution
        projected_RTG = torch.addmm(
            cell.input_bias_G, interests_RTH.flatten(0, 1), cell.input_weight_GI.t()
        ).view(interests_RTH.size(0), interests_RTH.size(1), -1)
        state_RH = torch.zeros_like(interests_RTH[:, 0])
        for step in range(interests_RTH.size(1)):
            products_RG = torch.addmm(cell.hidden_bias_G, state_RH, cell.hidden_weight_GH.t())
            x_reset, x_update, x_new = projected_RTG[:, step].chunk(3, dim=1)
            h_reset, h_update, h_new = products_RG.chunk(3, dim=1)
            update_RH = torch.sigmoid(x_update + h_update) * attention_RT[:, step].unsqueeze(1)
            new_RH = torch.tanh(x_new + torch.sigmoid(x_reset + h_reset) * h_new)
            state_RH = torch.lerp(state_RH, new_RH, update_RH)
        return state_RH


def per_row_dien(artifact: Artifact) -> PerRowDien:
    """With the weights of a version. Raises NotExportable."""
    architecture = artifact.manifest.architecture
    if not isinstance(architecture, DienConfig):
        raise NotExportable(f"the race needs a DIEN, {artifact.reference} is a {architecture.name}")
    papers = (architecture.evolution, architecture.augru, architecture.reset_gate)
    if papers != ("augru", "paper", "after") or not architecture.attention_softmax:
        raise NotExportable("the race needs the paper's AUGRU, its reset gate and a softmax")
    features = artifact.manifest.features
    if features.side_fields or features.user_id or len(features.behavior_fields) != 2:
        raise NotExportable("the race needs a model of items and categories and nothing else")
    model = trained_model(artifact)
    if not isinstance(model, Dien):
        raise NotExportable(f"{artifact.reference} is not a DIEN")
    return PerRowDien(model, artifact.manifest.calibration).eval()


def _only_interest(model: Dien) -> EvolvingInterest:
    interests = list(model.interests)
    if len(interests) != 1 or not isinstance(interests[0], EvolvingInterest):
        raise NotExportable("the race needs a DIEN with one group of fields")
    interest = interests[0]
    attention = interest.attention
    if attention is None or attention.context is not None or attention.position_TH is not None:
        raise NotExportable("the race needs plain target attention")
    return interest


def _gru(cell: GatedCell) -> nn.GRU:
    """torch's update gate says how much is kept, ours how much is written: the sign turns."""
    hidden = cell.hidden
    sign_G = torch.ones(3 * hidden)
    sign_G[hidden : 2 * hidden] = -1
    gru = nn.GRU(cell.input_weight_GI.shape[1], hidden, batch_first=True)
    gru.load_state_dict(
        {
            "weight_ih_l0": cell.input_weight_GI * sign_G.unsqueeze(1),
            "weight_hh_l0": cell.hidden_weight_GH * sign_G.unsqueeze(1),
            "bias_ih_l0": cell.input_bias_G * sign_G,
            "bias_hh_l0": cell.hidden_bias_G * sign_G,
        }
    )
    return gru


def _without_batch_statistics(layers: Sequence[nn.Module] | nn.Sequential) -> list[nn.Module]:
    return [FixedDice(layer) if isinstance(layer, Dice) else layer for layer in layers]


def _line(calibration: Calibration) -> tuple[float, float]:
    """Slope and offset of the logit. Raises NotExportable for a curve."""
    correction = float(calibration.corrected(torch.zeros(1).numpy())[0])
    match calibration:
        case Platt(slope=slope, offset=offset):
            return slope, slope * correction + offset
        case _ if calibration.kind == "none":
            return 1.0, correction
        case _:
            raise NotExportable("the race needs calibration by a line (platt) or none")
