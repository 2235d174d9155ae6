"""The `offences` table: police reports by area and offence group, beside calls and never added to them."""

from pathlib import Path

import pandas as pd

from geo.tables import OFFENCES
from pipelines.city import City
from pipelines.compare import periods
from pipelines.engine import connect, frame, named, quoted, scan


def offences(city: City, work: Path, incidents: Path, points: Path, atoms: Path) -> pd.DataFrame:
    """`offences` of every level and the city; areas without a report have no row."""
    db = connect(work)
    levels = [level.name for level in city.levels]
    filled = ", ".join(f"coalesce(a.{named(level)}, '_unlocated') AS {named(level)}" for level in levels)
    db.execute(f"""CREATE TEMP TABLE placed AS
        SELECT i.offence_group, i.is_linked, (i.reported_at AT TIME ZONE {quoted(city.timezone)})::DATE AS day,
               'city' AS city, {filled}
        FROM {scan(incidents)} i LEFT JOIN {scan(points)} p USING (place_id)
        LEFT JOIN {scan(atoms)} a ON a.atom = p.atom""")
    found = [
        frame(
            db,
            f"""
                SELECT {quoted(level)} AS level, {named(level)} AS geoid, offence_group,
                       {quoted(period.name)} AS period, count(*) AS n_incidents, count(*) FILTER (is_linked) AS n_linked
                FROM placed WHERE day >= DATE {quoted(period.start)} AND day < DATE {quoted(period.end)}
                GROUP BY ALL""",
        )
        for level in ("city", *levels)
        for period in periods(city)
    ]
    table = pd.concat(found, ignore_index=True)
    return table.sort_values(list(OFFENCES.key), ignore_index=True)[list(OFFENCES.names)]
