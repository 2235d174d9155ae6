"""A supplied travel-time matrix: a CSV of geoid (base level), service_id, access, minutes."""

from pathlib import Path

import pandas as pd

from geo.errors import FileRejected
from pipelines.city import City
from pipelines.readers.sandbox import run_confined

COLUMNS = ("geoid", "service_id", "access", "minutes")
ACCESSES = ("walk_in", "drop_off", "team", "unknown")


def read_matrix(city: City, root: Path, work: Path) -> pd.DataFrame:
    """The matrix with minutes as numbers; a pair given twice is refused, a pair not given is not in reach.

    Raises:
        FileRejected: a column is missing, a time is no number of 0 or more, an access is unknown, a pair is repeated.
    """
    from pipelines.files import locate_file

    path = locate_file(city, root, city.travel.matrix or "")
    arguments = {"path": str(path), "out": str(work / "matrix.parquet")}
    run_confined("pipelines.readers.travel_matrix:copy_matrix", arguments, path=path, out=work)
    table = pd.read_parquet(work / "matrix.parquet")
    minutes = pd.to_numeric(table["minutes"], errors="coerce")
    faults = []
    if minutes.isna().any() or (minutes < 0).any():
        faults.append(f"{int((minutes.isna() | (minutes < 0)).sum())} times are no number of minutes of 0 or more")
    if odd := sorted(set(table["access"]) - set(ACCESSES)):
        faults.append(f"access: expected one of {ACCESSES}, got {odd[:5]}")
    if n := int(table.duplicated(["geoid", "service_id", "access"]).sum()):
        faults.append(f"{n} pairs are given twice")
    if faults:
        raise FileRejected(path.name, "FILE_SCHEMA", "; ".join(faults))
    return table.assign(minutes=minutes)


def copy_matrix(path: str, out: str) -> None:
    """Write the matrix as text to Parquet; runs confined."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise FileRejected(path, "FILE_MISSING_COLUMN", f"expected columns {COLUMNS}, missing {missing}")
    table[list(COLUMNS)].to_parquet(out, index=False)
