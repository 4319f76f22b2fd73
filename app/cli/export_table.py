"""What an export was measured to be, for people."""

from rich.table import Table

from app.registry.manifest import Export


def export_table(reference: str, export: Export) -> Table:
    """A line for each number."""
    table = Table(title=f"{reference}: {export.file}")
    table.add_column("measured")
    table.add_column("value", justify="right")
    table.add_row("bytes", f"{export.size:,}")
    table.add_row("largest difference of a golden CTR", f"{export.golden_ctr_difference:.2g}")
    if export.held_out is None:
        return table
    quality = export.held_out
    table.add_row("largest difference of a held-out CTR", f"{quality.max_ctr_difference:.2g}")
    table.add_row("AUC", f"{quality.auc:.4f} ({quality.auc_change:+.6f})")
    table.add_row("logloss", f"{quality.logloss:.4f} ({quality.logloss_change:+.6f})")
    table.add_row("PCOC", f"{quality.pcoc:.3f}")
    table.add_row("held-out rows", f"{quality.rows:,}")
    return table
