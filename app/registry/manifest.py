"""What a version says about itself: `manifest.json`, the one file that names all the others."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.core.calibration import UNCALIBRATED, Calibration
from app.core.request import Degradation
from app.core.schema import FeatureSchema
from app.models.factory import Architecture

Split = Literal["valid", "test"]

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
VersionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,63}/)?[a-z][a-z0-9_.-]{0,63}$")]


class Strict(BaseModel):
    """A part of the manifest: unknown keys are an error, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Strict):
    """One file of the version, relative to its folder."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Metrics(Strict):
    """Quality on one split."""

    auc: float
    gauc: float
    logloss: float
    pcoc: float  # predicted clicks over clicks: 1 is honest
    rows: int
    # Older versions do not say:
    ece: float | None = None  # expected calibration error
    normalized_entropy: float | None = None  # logloss over that of the mean label: below 1 helps


class RungQuality(Strict):
    """What an answer of a rung is worth on one split, by the calibration that is served."""

    auc: float
    logloss: float
    pcoc: float


class LadderRung(Strict):
    """One way to answer with less, measured when the version was published."""

    degraded: Degradation  # as answers say it
    behaviors: int = Field(ge=0)  # newest ones that are scored with, at most
    missing_newest: int = Field(default=0, ge=0)  # that have happened since
    metrics: dict[Split, RungQuality]


class TrainingRecord(Strict):
    """Enough to know where the weights come from and to train them again."""

    samples: dict[str, str] = {}  # file name to its sha256
    options: dict[str, str | int | float | bool] = {}
    epochs: int = 0
    seconds_per_epoch: float = 0.0
    made_from: dict[str, str] = {}  # name@version to the sha256 of its weights


ExportName = Literal["torchscript", "aoti-cpu", "aoti-cuda", "int8", "bf16"]


class HeldOutQuality(Strict):
    """What an export says of samples that the model was not trained on, beside the model itself."""

    rows: int
    max_ctr_difference: float
    auc: float
    auc_change: float  # the export's minus the model's
    logloss: float
    logloss_change: float
    pcoc: float


class Export(FileEntry):
    """Another runtime of the version, and what it was measured to lose when it was made."""

    file: FileName
    created_at: str
    torch_version: str | None = None  # the only one that can run it; None: any
    cpu: str | None = None  # the only kind of CPU that can run it
    golden_ctr_difference: float = Field(ge=0, allow_inf_nan=False)  # largest, of any candidate
    held_out: HeldOutQuality | None = None  # None: there were no samples


def _null_is_none(written: object) -> object:
    """Versions from before calibration have `null`, and serve what the model says."""
    return UNCALIBRATED if written is None else written


class Manifest(Strict):
    """Everything needed to rebuild the version and to tell whether it is intact."""

    schema_version: Literal[1] = 1
    name: ModelName
    version: VersionName
    created_at: str
    torch_version: str
    architecture: Architecture
    features: FeatureSchema
    files: dict[FileName, FileEntry]
    golden_sha256: str
    training: TrainingRecord = TrainingRecord()
    metrics: dict[Split, Metrics] = {}  # of the CTRs that are served
    metrics_uncalibrated: dict[Split, Metrics] = {}  # of sigmoid(logit), the model's own opinion
    calibration: Annotated[Calibration, BeforeValidator(_null_is_none)] = UNCALIBRATED
    ladder: tuple[LadderRung, ...] = ()  # in the order of `app.core.ladder.RUNGS`
    exports: dict[ExportName, Export] = {}
    prior_ctr: float = Field(ge=0, le=1)  # mean label of the training samples, negatives restored

    @property
    def bytes(self) -> int:
        """Of all files but the manifest itself and exports."""
        return sum(file.size for file in self.files.values())
