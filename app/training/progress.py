"""What a training run tells whoever watches it, epoch by epoch."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from app.registry.manifest import Metrics


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch and how good the model was after it."""

    epoch: int
    loss: float
    auxiliary_loss: float
    seconds: float
    valid: Metrics
    is_best: bool


class Watcher(Protocol):
    """Told what happens, in this order."""

    def resumed(self, epochs: int) -> None:
        """So many are done already, says a checkpoint."""

    def epoch_started(self, epoch: int, rows: int) -> None: ...

    def batch_done(self, rows: int, mean_loss: float) -> None: ...

    def epoch_ended(self, report: EpochReport) -> None: ...


class Unwatched:
    """Nobody looks."""

    def resumed(self, epochs: int) -> None:
        pass

    def epoch_started(self, epoch: int, rows: int) -> None:
        pass

    def batch_done(self, rows: int, mean_loss: float) -> None:
        pass

    def epoch_ended(self, report: EpochReport) -> None:
        pass


class ProgressBars:
    """A bar per epoch with loss and speed, and a line with the validation metrics after it."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def resumed(self, epochs: int) -> None:
        self._bars.console.print(f"going on after epoch {epochs} of the checkpoint")

    def epoch_started(self, epoch: int, rows: int) -> None:
        self._task = self._bars.add_task(f"epoch {epoch}", total=rows, note="")

    def batch_done(self, rows: int, mean_loss: float) -> None:
        speed = self._bars.tasks[-1].speed
        note = f"loss {mean_loss:.4f}" + (f", {speed:,.0f} rows/s" if speed else "")
        self._bars.update(self._task, advance=rows, note=note)

    def epoch_ended(self, report: EpochReport) -> None:
        self._bars.remove_task(self._task)
        valid = report.valid
        self._bars.console.print(
            f"epoch {report.epoch}: loss {report.loss:.4f}, valid AUC {valid.auc:.4f}, "
            f"GAUC {valid.gauc:.4f}, logloss {valid.logloss:.4f}, PCOC {valid.pcoc:.3f}, "
            f"{report.seconds:.1f} s{' *' if report.is_best else ''}",
            highlight=False,
            soft_wrap=True,
        )
