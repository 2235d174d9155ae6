"""`write_sample`: the raw files of the sample city, at any size, in bounded memory, and its truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.sample import dirt, summary
from pipelines.sample.calls import Events, background, joined, planted_events, spaced
from pipelines.sample.course import Course, run_course
from pipelines.sample.dirt import Reported, Rows, add_reports, rows_of
from pipelines.sample.files import CAD, SHERIFF, PlaceText, cad_columns, numbers, sheriff_columns
from pipelines.sample.frame import DAY, N_WEEKS
from pipelines.sample.geography import make_land
from pipelines.sample.layers import write_acs, write_layers
from pipelines.sample.linked import DUTY, INCIDENTS, RESPONSES, write_duty, write_incidents, write_responses
from pipelines.sample.package import write_package
from pipelines.sample.places import Places, make_places
from pipelines.sample.supply import TEAM_A, duty_log, stable_id
from pipelines.sample.text import TableFile

CHUNK = 150_000
TRUTH_UP_TO = 100_000
SHERIFF_SHARE = 0.08
FILES = {
    "cad": ("cad_calls.csv.gz", CAD),
    "sheriff": ("sheriff_calls.csv", SHERIFF),
    "rms": ("incidents.csv.gz", INCIDENTS),
    "responses": ("responses.csv.gz", RESPONSES),
    "team_a": ("team_a_duty.csv", DUTY),
}
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReport:
    """What was written: folder, rows by file, the truth (None above 100,000 calls) and its file."""

    folder: Path
    rows: dict[str, int]
    truth: dict[str, object] | None
    truth_path: Path | None

    @property
    def n_rows(self) -> int:
        """Rows of both agencies' call files."""
        return self.rows["cad"] + self.rows["sheriff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The events and rows of some consecutive weeks; `number` are all events' call numbers."""

    reported: Reported
    course: Course
    cad: Rows
    sheriff: Rows
    number: pa.Array


def write_sample(
    out: Path, *, n_calls: int = 60_000, seed: int = 20250106, progress: Progress | None = None
) -> SampleReport:
    """A report, after writing the sample city's raw files into `out` (made if need be).

    `n_calls` rows over both agencies' call files; same seed and number, same bytes. `progress(done)` is called
    with the rows written so far, after every part. Beside the folder, `<name>_truth.json` gets the planted truth,
    for at most 100,000 calls.

    Raises
    ------
    ValueError
        Fewer than 1,000 calls, which cannot hold what is planted.
    """
    if n_calls < 1_000:
        raise ValueError(f"expected at least 1000 calls, got [{n_calls}]; ask for more")
    land = make_land(seed=seed)
    places = make_places(land, n_places=min(150_000, max(1_000, n_calls // 12)), seed=seed)
    log = duty_log(seed=seed)
    write_layers(land, out / "areas")
    write_acs(land, out / "census" / "acs_tracts.csv", seed=seed)
    write_package(land, out / "hsds")
    files = {name: TableFile(out / path, columns, has_bom=name == "cad") for name, (path, columns) in FILES.items()}
    write_duty(files["team_a"], log, stable_id("service", TEAM_A))
    planted = planted_events(places, n_calls=n_calls, seed=seed)
    text = PlaceText(places)
    refused, part, done = 0, None, 0
    for number, (weeks, n_rows) in enumerate(_parts(n_calls)):
        rng = np.random.default_rng([seed, 5, number])
        part = _part(places, planted, weeks, n_rows, n_calls, files, rng)
        refused += _write_part(part, files, text, rng, n_rows)
        done += n_rows
        if progress:
            progress(done)
    for one in files.values():
        one.close()
    rows = {name: one.n_rows for name, one in files.items()}
    truth, path = None, None
    if n_calls <= TRUTH_UP_TO and part is not None:
        truth = summary.truth(part, places, land, log, rows=rows, bad_reports=refused, n_calls=n_calls, seed=seed)
        path = out.parent / f"{out.name}_truth.json"
        path.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return SampleReport(folder=out, rows=rows, truth=truth, truth_path=path)


def _parts(n_calls: int) -> list[tuple[tuple[int, int], int]]:
    """Spans of weeks and their rows, each of about CHUNK rows; one span up to 150,000 rows."""
    n_parts = min(N_WEEKS, max(1, -(-n_calls // CHUNK)))
    weeks = np.round(np.linspace(0, N_WEEKS, n_parts + 1)).astype(int)
    cuts = np.round(weeks / N_WEEKS * n_calls).astype(int)
    return [
        ((int(a), int(b)), int(d - c)) for a, b, c, d in zip(weeks[:-1], weeks[1:], cuts[:-1], cuts[1:], strict=True)
    ]


def _part(
    places: Places,
    planted: Events,
    weeks: tuple[int, int],
    n_rows: int,
    n_calls: int,
    files: dict[str, TableFile],
    rng: np.random.Generator,
) -> Part:
    week = planted.local // (7 * DAY)
    here = planted.take((week >= weeks[0]) & (week < weeks[1]))
    n_sheriff = round(SHERIFF_SHARE * n_rows)
    n_city = n_rows - n_sheriff - dirt.n_extra(n_rows) - len(here)
    events = joined(
        [here, background(places, n_city, "cad", weeks, rng), background(places, n_sheriff, "sheriff", weeks, rng)]
    )
    if n_calls <= TRUTH_UP_TO:
        events = spaced(events, rng=rng)
    events = events.take(np.argsort(events.utc, kind="stable"))
    reported = add_reports(events, places, n_rows, rng)
    course = run_course(reported.events, reported.is_base, rng)
    first = (files["cad"].n_rows + 1, files["sheriff"].n_rows + 1)
    return Part(
        reported=reported,
        course=course,
        cad=rows_of(reported, 0, n_rows, rng),
        sheriff=rows_of(reported, 1, n_rows, rng),
        number=_numbers(reported.events, first),
    )


def _numbers(events: Events, first: tuple[int, int]) -> pa.Array:
    own = [np.flatnonzero(events.agency == agency) for agency in (0, 1)]
    both = pa.concat_arrays([numbers(events.take(own[agency]), first[agency], agency) for agency in (0, 1)])
    return both.take(pa.array(np.argsort(np.concatenate(own), kind="stable")))


def _write_part(part: Part, files: dict[str, TableFile], text: PlaceText, rng: np.random.Generator, n: int) -> int:
    """Writes one part to all files; returns the reports refused."""
    events, course = part.reported.events, part.course
    files["cad"].write(cad_columns(events, course, part.cad, part.number, text, rng))
    files["sheriff"].write(sheriff_columns(events, course, part.sheriff, part.number, text, rng))
    refused = write_incidents(files["rms"], events, course, part.cad, part.number, text, rng, n)
    write_responses(files["responses"], events, course, part.cad, part.number, rng)
    return refused
