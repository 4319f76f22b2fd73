"""Embedding tables in fewer bits, which become floats again row by row, as they are looked up.

Tables are where the bytes of a CTR model are; everything else of it is small and stays float32.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

# V rows of a table, R some of them, E embedding

TableFormat = Literal["int8", "bf16"]

LARGEST_INT8 = 127


class Int8Table(nn.Module):
    """Each row has a scale of its own: no value is off by more than half of it."""

    values_VE: Tensor
    scales_V: Tensor

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("values_VE", torch.zeros((rows, width), dtype=torch.int8))
        self.register_buffer("scales_V", torch.zeros(rows))

    @staticmethod
    def encode(rows_RE: Tensor) -> dict[str, Tensor]:
        """What is stored of these rows, by the name of the buffer."""
        scales_R = rows_RE.abs().amax(dim=1) / LARGEST_INT8
        # A row of zeros has any scale, and so has one that is too small for a scale of its own.
        divisors_R1 = torch.where(scales_R > 0, scales_R, 1.0).unsqueeze(1)
        values_RE = (rows_RE / divisors_R1).round().clamp(-LARGEST_INT8, LARGEST_INT8)
        return {"values_VE": values_RE.to(torch.int8), "scales_V": scales_R}

    def forward(self, rows: Tensor) -> Tensor:
        """Table rows of any shape [...] to [..., E]."""
        return self.values_VE[rows].float() * self.scales_V[rows].unsqueeze(-1)


class Bfloat16Table(nn.Module):
    """The upper half of each float: no value is off by more than one part in 256."""

    values_VE: Tensor

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("values_VE", torch.zeros((rows, width), dtype=torch.bfloat16))

    @staticmethod
    def encode(rows_RE: Tensor) -> dict[str, Tensor]:
        """What is stored of these rows, by the name of the buffer."""
        return {"values_VE": rows_RE.to(torch.bfloat16)}

    def forward(self, rows: Tensor) -> Tensor:
        """Table rows of any shape [...] to [..., E]."""
        return self.values_VE[rows].float()


StoredTable = type[Int8Table] | type[Bfloat16Table]
STORED_TABLES: Mapping[TableFormat, StoredTable] = {"int8": Int8Table, "bf16": Bfloat16Table}


def with_stored_tables(model: nn.Module, table_format: TableFormat) -> None:
    """Puts empty tables of this format in place of a model's own."""
    tables = [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Embedding)
    ]
    for name, table in tables:
        stored = STORED_TABLES[table_format](table.num_embeddings, table.embedding_dim)
        model.set_submodule(name, stored, strict=True)
