"""A whole recurrence in one launch: inference on a GPU, where torch's loop takes a thousand."""

from functools import cache

import torch
from torch import Tensor, nn

from app.errors import one_line
from app.models.layers.gated_cell import GatedCell
from app.models.layers.ragged import Spans
from app.models.layers.reset_gates import ResetBefore
from app.models.layers.write_rules import WriteRule, write_gru
from app.models.without_weights import without_weights

# R sequences, N rows of all sequences, T longest, H hidden, G = 3H

WIDEST = 128  # a program of the kernel cannot keep the weights of a wider cell in its registers


def takes_one_launch(cell: GatedCell, projected_NG: Tensor) -> bool:
    """Gradients and half precision are left to torch's loop."""
    return (
        projected_NG.is_cuda
        and projected_NG.dtype == torch.float32
        and not torch.is_grad_enabled()
        and why_not_one_launch(cell) is None
    )


def how_recurrences_run(model: nn.Module) -> str | None:
    """On its GPU: `triton`, or why torch's loop does it; None if the model has no such cells."""
    reasons = [why_not_one_launch(cell) for cell in model.modules() if isinstance(cell, GatedCell)]
    return next(filter(None, reasons), "triton") if reasons else None


def why_not_one_launch(cell: GatedCell) -> str | None:
    """The reason in a few words, or None."""
    if cell.hidden > WIDEST:
        return f"the Triton kernel has no states wider than {WIDEST}"
    return _failure(cell.hidden_weight_GH.device, cell.hidden)


def walk_in_one_launch(
    cell: GatedCell,
    projected_NG: Tensor,
    spans: Spans,
    write: WriteRule,
    attention_RT: Tensor | None = None,
    *,
    scales_inputs: bool = False,
) -> Tensor:
    """All states [N, H] in the order of their rows, or the last ones [R, H] under attention.

    A sequence starts at zero; so an empty one ends.
    """
    # Imported here, because an installation for CPUs has no Triton.
    from app.kernels.ragged_recurrence import walk, warps_for  # noqa: PLC0415

    block = max(16, 1 << (cell.hidden - 1).bit_length())
    sequences = len(spans.lengths_R)
    rows = len(projected_NG) if attention_RT is None else sequences
    states = projected_NG.new_empty((rows, cell.hidden))
    with torch.cuda.device(states.get_device()):
        walk[(sequences,)](
            states,
            projected_NG,
            spans.first_row_R,
            spans.lengths_R,
            attention_RT,
            0 if attention_RT is None else attention_RT.shape[1],
            cell.input_bias_G,
            cell.hidden_weight_GH.T.contiguous(),
            cell.hidden_bias_G,
            *write.terms,
            HIDDEN=cell.hidden,
            BLOCK=block,
            SCALES_INPUTS=scales_inputs,
            RESET_BEFORE=cell.reset is ResetBefore,
            KEEPS_ALL=attention_RT is None,
            num_warps=warps_for(block),
            enable_fp_fusion=True,
        )
    return states


@cache
def _failure(device: torch.device, hidden: int) -> str | None:
    """Of a trial: there may be no Triton, no C compiler for it, no folder for what it compiles."""
    with without_weights():
        cell = GatedCell(1, hidden, "after")
    try:
        projected_1G = torch.zeros((1, 3 * hidden), device=device)
        spans = Spans(*torch.tensor([[0], [1]], device=device))
        walk_in_one_launch(cell.to_empty(device=device), projected_1G, spans, write_gru)
        torch.cuda.synchronize(device)
    except Exception as error:  # noqa: BLE001 - whatever it is, torch's loop does it instead
        return f"no Triton kernel: {one_line(error)}"
    return None
