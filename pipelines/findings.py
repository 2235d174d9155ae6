"""Rows of the books – quality, quarantine, counts – as frames with the columns of their contracts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pandas as pd

from geo.tables import COUNTS, QUALITY, QUARANTINE, Table

MAX_SAMPLE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What one stage found, refused and counted; lists that grow while it works."""

    stage: str
    quality: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    counts: list[dict[str, Any]] = field(default_factory=list)

    def found(
        self,
        source_id: str,
        reason: str,
        sample: Iterable[object],
        detail: str,
        *,
        severity: str = "warning",
        out_of: int | None = None,
    ) -> None:
        """Adds a finding about the rows or names in `sample`; nothing where there are none."""
        names = [str(one) for one in sample]
        if not names:
            return
        self.quality.append(
            {
                "stage": self.stage,
                "source_id": source_id,
                "reason": reason,
                "severity": severity,
                "n_rows": len(names),
                "share": len(names) / out_of if out_of else None,
                "detail": detail,
                "sample": "; ".join(names[:MAX_SAMPLE]),
            }
        )

    def refused(self, source_id: str, line: int, reason: str, column: str, value: object = None) -> None:
        """Adds a refused row; of the value only its shape is kept."""
        self.quarantine.append(
            {
                "source_id": source_id,
                "source_line": line,
                "reason": reason,
                "column": column,
                "redacted": redacted(value),
            }
        )

    def counted(self, source_id: str, kind: str, path: str, *, rows_in: int, rows_merged: int) -> None:
        """Adds the account of one file; refused lines are counted from what `refused` was told."""
        refused = len({row["source_line"] for row in self.quarantine if row["source_id"] == source_id})
        self.counts.append(
            {
                "source_id": source_id,
                "kind": kind,
                "path": path,
                "rows_in": rows_in,
                "rows_kept": rows_in - refused - rows_merged,
                "rows_quarantined": refused,
                "rows_merged": rows_merged,
            }
        )

    def quality_frame(self) -> pd.DataFrame:
        """The findings, per contract QUALITY."""
        return _frame(self.quality, QUALITY)

    def quarantine_frame(self) -> pd.DataFrame:
        """The refused rows, per contract QUARANTINE."""
        return _frame(self.quarantine, QUARANTINE)

    def counts_frame(self) -> pd.DataFrame:
        """The accounts, per contract COUNTS."""
        return _frame(self.counts, COUNTS)


_DTYPES = {"int": "int64", "float": "float64", "bool": "bool", "text": "object"}


def _frame(rows: Sequence[dict[str, Any]], table: Table) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(table.names))
    return frame.astype({column.name: _DTYPES[column.kind] for column in table.columns})


def redacted(value: object) -> str | None:
    """The shape of a value: letters as A, digits as 9, at most 40 characters; None stays None.

    >>> redacted("12 Main St")
    '99 AAAA AA'
    """
    if value is None:
        return None
    text = str(value)[:40]
    return "".join("A" if c.isalpha() else "9" if c.isdigit() else c if c in " .,-/:" else "?" for c in text)


def near(name: str, known: Iterable[str]) -> str:
    """A hint of the nearest known name, or of what there is."""
    names = [str(one)[:40] for one in known]
    close = get_close_matches(name.lower(), [one.lower() for one in names], n=1, cutoff=0.6)
    if close:
        return f"; did you mean [{names[[one.lower() for one in names].index(close[0])]}]?"
    return f"; there are [{', '.join(names[:15])}]"
