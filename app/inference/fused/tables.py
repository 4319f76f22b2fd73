"""Embedding tables as the kernel reads them: in place, in the format that they are stored in."""

import torch
from torch import nn

from app.inference.fused.arena import Arena
from app.inference.fused.layers import floats
from app.kernels.structures import NumbersCode, Table
from app.models.layers.stored_table import Bfloat16Table, Int8Table


def make_table(arena: Arena, table: nn.Module) -> Table:
    """Raises TypeError for a kind of table that the kernel does not have."""
    match table:
        case nn.Embedding():
            rows = arena.address(floats(table.weight))
            return Table(rows=rows, width=table.embedding_dim, numbers=NumbersCode.FLOAT32)
        case Bfloat16Table():
            rows = arena.address(table.values_VE.view(torch.int16))
            return Table(rows=rows, width=table.width, numbers=NumbersCode.BFLOAT16)
        case Int8Table():
            return Table(
                rows=arena.address(table.values_VE),
                scales=arena.address(table.scales_V),
                width=table.width,
                numbers=NumbersCode.INT8,
            )
        case _:
            raise TypeError(f"the fused kernel has no {type(table).__name__}")
