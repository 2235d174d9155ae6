"""Nasty files end as their index says, and a million rows of which many are bad are counted exactly."""

import csv
import os
import resource
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from geo.errors import FileRejected
from pipelines.city import Source, Window
from pipelines.ingest import ingest_source
from tests.test_ingest import CALLS, CITY, HEAD, run

TESTVILLE = {
    "call_id": "incident_number", "received_at": "create_datetime", "dispatched_at": "dispatch_datetime",
    "arrived_at": "arrival_datetime", "cleared_at": "closed_datetime", "call_type": "call_type", "priority": "priority",
    "disposition": "disposition", "x": "longitude", "y": "latitude", "beat": "beat",
}  # fmt: skip
RIVERTOWN = {
    "call_id": "Incident Number", "received_at": "Call Created", "dispatched_at": "Dispatched", "arrived_at": "Arrived",
    "cleared_at": "Closed", "call_type": "Type", "priority": "Pri", "disposition": "Dispo", "x": "X", "y": "Y",
    "beat": "Beat",
}  # fmt: skip
SPAN = (date(2010, 1, 1), date(2026, 11, 1))
NASTY_CITY = replace(
    CITY,
    slug="testville",
    timezone="America/New_York",
    bbox=(-84.75, 39.00, -84.30, 39.30),
    windows=(Window(start=SPAN[0], end=SPAN[1]),),
    outages=(),
)
LATER = {"DUPLICATE_EXACT", "DUPLICATE_CONFLICT", "UNKNOWN_CALL_TYPE", "UNKNOWN_BEAT"}


def _nasty_source(config: str, path: Path) -> Source:
    is_testville = config == "testville"
    columns = TESTVILLE if is_testville else RIVERTOWN
    return Source(
        id="calls.nasty",
        kind="calls",
        path=path.name,
        format="parquet" if path.suffix == ".parquet" else "csv",
        columns=tuple((ours, (theirs,)) for ours, theirs in columns.items()),
        time_format="%Y-%m-%d %H:%M:%S" if is_testville else "%m/%d/%Y %I:%M:%S %p",
        date_range=SPAN,
        crs="EPSG:4326" if is_testville else "EPSG:3735",
    )


def _nasty_rows() -> list[dict[str, str]]:
    """Rows of the index that name a file of calls; none where the folder is absent."""
    named = os.environ.get("UNMET_REAL_DATA")
    index = Path(named).resolve().parent / "bad-inputs" / "index.csv" if named else None
    if index is None or not index.is_file():
        return []
    with index.open(newline="") as handle:
        return [row for row in csv.DictReader(handle) if row["kind"] in ("calls_csv", "calls_csv_gz", "calls_parquet")]


@pytest.mark.oracle
@pytest.mark.parametrize("row", _nasty_rows() or [None], ids=lambda row: Path(row["file"]).name if row else "none")
def test_nasty_files_end_as_their_index_says(tmp_path: Path, row: dict[str, str] | None) -> None:
    if row is None:
        pytest.skip("no folder bad-inputs beside UNMET_REAL_DATA")
    path = Path(os.environ["UNMET_REAL_DATA"]).resolve().parent / "bad-inputs" / row["file"]
    source = _nasty_source(row["config"], path)
    if row["expected"] == "reject":
        with pytest.raises(FileRejected) as caught:
            run(tmp_path, path, NASTY_CITY, source)
        assert caught.value.code == row["reason_code"]
        assert caught.value.path == path.name
        return
    got = run(tmp_path, path, NASTY_CITY, source)
    code = row["reason_code"]
    is_later = code in LATER
    assert got.done["rows_in"] == int(row["rows_in"])
    kept = int(row["rows_in"]) if is_later else int(row["rows_kept"])
    assert got.done["n_kept"] == kept
    if code and not is_later:
        assert code in got.found
    if row["expected"] == "quarantine" and not is_later:
        assert {reason for _, reason, _ in got.reasons} == {code}
    for marker in ("/tmp/PICKLE_CODE_WAS_RUN", "/tmp/SSTI_CODE_WAS_RUN"):
        assert not Path(marker).exists()


@pytest.mark.slow
def test_a_million_rows_of_which_three_hundred_thousand_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    when = "strftime(TIMESTAMP '2024-01-01' + INTERVAL (i % 300000) MINUTE, '%Y-%m-%d %H:%M:%S')"
    duckdb.execute(f"""
        COPY (SELECT CASE WHEN i % 10 = 0 THEN 'K' || i || ',cut' ELSE concat_ws(',', 'K' || i,
            CASE WHEN i % 10 = 1 THEN 'soon' ELSE {when} END, '', 'TYPE ' || i % 150, '911', i % 9000 || ' ELM ST',
            CASE WHEN i % 10 = 2 THEN '-70.5' ELSE printf('%.4f', -87.3 + (i % 2000) / 10000) END, '43.07', '') END
            FROM range(1000000) AS t(i)) TO '{path}' (HEADER false, QUOTE '', DELIMITER '\t')
    """)
    path.write_bytes(HEAD.encode() + b"\n" + path.read_bytes())
    source = replace(CALLS, time_format="%Y-%m-%d %H:%M:%S", ambiguous_time="first")
    city = replace(CITY, timezone="America/Phoenix", outages=())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    got = ingest_source(city, source, tmp_path, tmp_path / "out")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (got.rows_in, got.n_quarantined) == (1_000_000, 300_000)
    assert got.quarantine["reason"].value_counts().to_dict() == {
        "ROW_WIDTH": 100_000,
        "BAD_DATETIME": 100_000,
        "COORD_OUT_OF_BOUNDS": 100_000,
    }
    counted = duckdb.execute(f"SELECT count(*), count(DISTINCT source_line) FROM '{got.rows}'").fetchone()
    assert counted == (700_000, 700_000)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    assert after.ru_maxrss < 2 << 20
