"""Target attention over padded steps, with the layers of the model itself."""

import torch
from torch import Tensor

from app.models.layers.attention import BilinearAttention, DotAttention, MlpAttention
from app.models.layers.attention_config import AttentionConfig
from app.models.layers.target_attention import TargetAttention

# U users, C candidates, T steps, H width of an interest, Q query, A keys, K heads


def attend(
    attention: TargetAttention,
    config: AttentionConfig,
    users: tuple[Tensor, Tensor],
    query_CQ: Tensor,
    user_of_C: Tensor,
) -> Tensor:
    """[T, C], zero past each user's last behavior; `users` are values [T, U, H] and lengths [U]."""
    values_TUH, lengths_U = users
    placed_TUH = _placed(attention, values_TUH, lengths_U)
    heads = config.attention_heads if config.attention == "multi_head" else 1
    scores_TCK = _scores(attention, placed_TUH, query_CQ, user_of_C, heads)
    real_TC = real_steps(values_TUH, lengths_U).index_select(1, user_of_C)
    if not config.attention_softmax:
        return scores_TCK.mean(dim=2) * real_TC
    masked_TCK = scores_TCK.masked_fill(real_TC.unsqueeze(2) == 0, -1e30)
    return torch.softmax(masked_TCK, dim=0).mean(dim=2) * real_TC


def real_steps(values_TUH: Tensor, lengths_U: Tensor) -> Tensor:
    """[T, U]: one where a user has a behavior, else zero."""
    step_T = torch.arange(values_TUH.shape[0], device=lengths_U.device)
    return (step_T.unsqueeze(1) < lengths_U.unsqueeze(0)).to(values_TUH.dtype)


def _placed(attention: TargetAttention, values_TUH: Tensor, lengths_U: Tensor) -> Tensor:
    if attention.position_TH is None:
        return values_TUH
    step_T = torch.arange(values_TUH.shape[0], device=lengths_U.device)
    from_end_TU = (lengths_U.unsqueeze(0) - 1 - step_T.unsqueeze(1)).clamp(min=0)
    return values_TUH + attention.position_TH[from_end_TU]


def _scores(
    attention: TargetAttention,
    placed_TUH: Tensor,
    query_CQ: Tensor,
    user_of_C: Tensor,
    heads: int,
) -> Tensor:
    """[T, C, K]."""
    kind = attention.kind
    steps, users = placed_TUH.shape[0], placed_TUH.shape[1]
    keys_TUA = kind.prepare_keys(placed_TUH.flatten(0, 1)).reshape(steps, users, -1)
    keys_TCA = keys_TUA.index_select(1, user_of_C)
    if isinstance(kind, MlpAttention):
        return _mlp_scores(kind, placed_TUH.index_select(1, user_of_C), keys_TCA, query_CQ)
    if not isinstance(kind, BilinearAttention | DotAttention):
        query_CQ = kind.query(query_CQ) * (keys_TCA.shape[2] // heads) ** -0.5
    products_TCA = query_CQ.unsqueeze(0) * keys_TCA
    candidates, width = query_CQ.shape
    return products_TCA.reshape(steps, candidates, heads, width // heads).sum(dim=3)


def _mlp_scores(
    kind: MlpAttention, placed_TCH: Tensor, keys_TCA: Tensor, query_CH: Tensor
) -> Tensor:
    w_q, _, w_d, w_p = kind.first.weight.chunk(4, dim=1)
    query_half_CA = torch.addmm(kind.first.bias, query_CH, (w_q + w_d).t())
    product_TCA = (query_CH.unsqueeze(0) * placed_TCH) @ w_p.t()
    sums_TCA = product_TCA + query_half_CA.unsqueeze(0) + keys_TCA
    hidden_PA = kind.activation(sums_TCA.flatten(0, 1))
    scores_P1: Tensor = kind.rest.layers(hidden_PA)
    return scores_P1.reshape(placed_TCH.shape[0], placed_TCH.shape[1], 1)
