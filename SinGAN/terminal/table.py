"""Tables in plain text."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """Format each of ``rows`` as a line with aligned columns; ``right`` aligns cells on the right, for numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
