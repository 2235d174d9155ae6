"""What a table's contract is made of, and `check`, which holds a frame to it."""

from dataclasses import dataclass

import pandas as pd

from geo.errors import TableError

KINDS = ("text", "int", "float", "bool", "time", "date", "list", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its kind, unit, whether it may be missing, the values it may take, one sentence."""

    name: str
    kind: str
    about: str
    unit: str = ""
    nullable: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: what a row is, its key and its columns."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    extra: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def columns(text: str) -> tuple[Column, ...]:
    """Columns from lines `name kind[?] [unit] {a,b} about`, so that contracts read as a page."""
    out = []
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        name, kind, rest = [*line.split(maxsplit=2), ""][:3]
        unit = ""
        values: tuple[str, ...] = ()
        if rest.startswith("["):
            unit, rest = rest[1:].split("]", 1)
        rest = rest.strip()
        if rest.startswith("{"):
            inner, rest = rest[1:].split("}", 1)
            values = tuple(value.strip() for value in inner.split(","))
        out.append(
            Column(
                name=name,
                kind=kind.rstrip("?"),
                nullable=kind.endswith("?"),
                unit=unit,
                values=values,
                about=rest.strip(),
            )
        )
    return tuple(out)


def check(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The same frame, once it keeps its contract.

    Checks columns, missing values, allowed values and the key; lists every fault.

    Raises:
        TableError: with all faults at once.
    """
    faults = [f"column missing [{name}]" for name in table.names if name not in frame.columns]
    if not table.extra:
        faults += [f"column not in the contract [{name}]" for name in frame.columns if name not in table.names]
    for column in table.columns:
        if column.name in frame.columns:
            faults += _column_faults(frame[column.name], column)
    if not faults and len(frame) and frame.duplicated(list(table.key)).any():
        n = int(frame.duplicated(list(table.key)).sum())
        faults.append(f"key {table.key} is not unique [{n} repeated]")
    if faults:
        raise TableError(table.name, faults)
    return frame


def _column_faults(values: pd.Series, column: Column) -> list[str]:
    faults = []
    missing = int(values.isna().sum())
    if missing and not column.nullable:
        faults.append(f"{column.name}: {missing} missing, none allowed")
    present = values.dropna()
    if column.values and len(present):
        odd = sorted(set(map(str, present.unique())) - set(column.values))
        if odd:
            faults.append(f"{column.name}: expected one of {column.values}, got {odd[:5]}")
    if len(present) and not _kind_fits(present, column.kind):
        faults.append(f"{column.name}: expected {column.kind}, got [{values.dtype}]")
    return faults


def _kind_fits(present: pd.Series, kind: str) -> bool:
    dtype = present.dtype
    if kind == "text":
        is_text = pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype)
        return bool(is_text or isinstance(dtype, pd.CategoricalDtype))
    if kind == "int":
        whole = pd.api.types.is_integer_dtype(dtype)
        return bool(whole or (pd.api.types.is_float_dtype(dtype) and (present % 1 == 0).all()))
    if kind == "float":
        return bool(pd.api.types.is_numeric_dtype(dtype))
    if kind == "bool":
        return bool(pd.api.types.is_bool_dtype(dtype) or set(present.unique()) <= {True, False})
    if kind == "time":
        return isinstance(dtype, pd.DatetimeTZDtype) and str(dtype.tz) == "UTC"
    return True
