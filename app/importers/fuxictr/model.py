"""From the checkpoint of a FuxiCTR DIN or DIEN to what it comes down to."""

from torch import Tensor

from app.importers.checkpoint import CONFIG, Checkpoint
from app.importers.columns import Part
from app.importers.config_file import parse_config
from app.importers.fuxictr.config import FUXICTR_FILE, DienFile, DinFile
from app.importers.fuxictr.dien import read_dien
from app.importers.fuxictr.din import read_din
from app.importers.fuxictr.features import TABLES, Features
from app.importers.source_model import SourceModel
from app.importers.state_dict import StateDict

LIBRARY = "fuxictr"


def read_fuxictr(checkpoint: Checkpoint) -> SourceModel:
    """Raises StartupRefused for a checkpoint that is damaged or cannot be represented."""
    file = parse_config(checkpoint.folder / CONFIG, checkpoint.config, FUXICTR_FILE)
    state = checkpoint.state
    features = Features(file.feature_map.by_name, file.constructor.embedding_dim)
    match file:
        case DinFile():
            network = read_din(file.constructor, features, state)
        case DienFile():
            network = read_dien(file.constructor, features, state)
    columns = network.first_columns()
    source = SourceModel(
        library=LIBRARY,
        categorical=features.categorical(state),
        numeric=features.numeric(),
        network=network,
        first_columns=columns | _of_numbers(columns, features, state),
    )
    state.check_all_used()
    return source


def _of_numbers(
    columns: dict[Part, Tensor], features: Features, state: StateDict
) -> dict[Part, Tensor]:
    """The library embeds a number x as x w; the tower's columns C for it become C w of x itself."""
    numbers = {}
    for name in features.of_type("numeric"):
        w_E1 = state.take(f"{TABLES}.{name}.weight", features.width(name), 1)
        part = Part("feature", name)
        numbers[part] = columns[part] @ w_E1
    return numbers
