"""Small models whose tables are in fewer bits."""

from torch import nn

from app.models.factory import Architecture, Model
from app.models.layers.stored_table import STORED_TABLES, TableFormat, with_stored_tables
from tests.models.builders import make_model


def stored_model(config: Architecture, table_format: TableFormat) -> Model:
    """The model that `make_model` makes, with its tables stored like this."""
    model = make_model(config)
    weights = {
        name: module.weight.detach()
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding)
    }
    with_stored_tables(model, table_format)
    for name, weight in weights.items():
        model.get_submodule(name).load_state_dict(STORED_TABLES[table_format].encode(weight))
    return model.eval().requires_grad_(requires_grad=False)
