"""The truth file: what was planted, what became of the rows, and every outcome counted by hand."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pipelines.sample import dirt
from pipelines.sample import places as spots
from pipelines.sample.calls import ORIGINS, catalogue
from pipelines.sample.course import UNRESOLVED
from pipelines.sample.dirt import REASONS, Rows
from pipelines.sample.frame import CRS, DAY, Ints, centre, unproject
from pipelines.sample.geography import NO_ZONE, Land
from pipelines.sample.places import BURST_SPOT, DEFAULT_AT, HOTSPOTS, Places, Planted
from pipelines.sample.supply import SERVICES, DutyLog
from pipelines.sample.truth import calls_in_scope, outcomes, table, week_share

if TYPE_CHECKING:
    from pipelines.sample.write import Part


def truth(
    part: "Part",
    places: Places,
    land: Land,
    log: DutyLog,
    *,
    rows: dict[str, int],
    bad_reports: int,
    n_calls: int,
    seed: int,
) -> dict[str, object]:
    """Everything the tests hold the pipeline to, as plain numbers and words."""
    reported, events = part.reported, part.reported.events
    fault = _fault_by_event(part)
    ids = [("cad:", "sheriff:")[a] + one for a, one in zip(events.agency, part.number.to_pylist(), strict=True)]
    calls, left = calls_in_scope(reported, part.course, places, fault, ids)
    found = outcomes(calls, places, land, log)
    return {
        "is_synthetic": True,
        "seed": seed,
        "n_calls": n_calls,
        "crs": CRS,
        "files": _files(part, rows, bad_reports),
        "hotspots": [_spot(spot, number, part, places, fault, spots.HOTSPOT) for number, spot in enumerate(HOTSPOTS)],
        "burst": _spot(BURST_SPOT, len(HOTSPOTS), part, places, fault, spots.BURST),
        "sinks": [_sink(part, places, fault, spots.LISTED), _sink(part, places, fault, spots.DEFAULT)],
        "institution": _sink(part, places, fault, spots.HOSPITAL),
        "scope": dict(left),
        "origins": _origins(part, fault),
        "classes": _classes(part, fault),
        "outcomes": table(calls, found),
        "outcomes_with_ed": {
            leg: dict(Counter(one for one in column if one is not None))
            for leg, column in outcomes(calls, places, land, log, with_ed=True).items()
        },
        "supply": {
            "n_services": len(SERVICES),
            "unknown_hours": [one.name for one in SERVICES if one.hours is None],
            "confidential": [one.name for one in SERVICES if one.is_confidential],
            "neighbourhood_in_no_zone": NO_ZONE,
            "duty_turns": len(log.on),
        },
        "tracts": {"few_residents": {key: n for key, n in land.population.items() if n < 100}, "n": len(land.tracts)},
    }


def _fault_by_event(part: "Part") -> Ints:
    """The fault of each event's rows (a corrected or repeated event has none)."""
    out = np.zeros(len(part.reported.events), np.int64)
    for rows in (part.cad, part.sheriff):
        out[rows.event] = rows.fault
    return out


def _stands(part: "Part", fault: Ints) -> Ints:
    """Numbers of the events that stand for themselves and were not refused."""
    own = part.reported.stands == np.arange(len(fault))
    return np.flatnonzero(own & np.isin(fault, dirt.KEPT_FAULTS))


def _files(part: "Part", rows: dict[str, int], bad_reports: int) -> dict[str, dict[str, object]]:
    out: dict[str, dict[str, object]] = {}
    for name, one in (("cad", part.cad), ("sheriff", part.sheriff)):
        reasons = Counter(REASONS[int(fault)] for fault in one.fault if int(fault) in REASONS)
        refused = sum(reasons.values())
        merged = _merged(part, one)
        out[f"calls.{name}"] = {
            "rows_in": rows[name], "rows_quarantined": refused, "rows_merged": merged,
            "rows_kept": rows[name] - refused - merged, "reasons": dict(sorted(reasons.items())),
            "coordinates_zero": int((one.fault == dirt.ZERO).sum()),
            "coordinates_missing": int((one.fault == dirt.BLANK).sum()),
            "rows_repeated": len(one.event) - len(np.unique(one.event)) - int(one.is_early.sum()),
            "rows_corrected": int(one.is_early.sum()),
            "second_reports": int((part.reported.stands[one.event] != one.event).sum()),
        }  # fmt: skip
    out["incidents.rms"] = {
        "rows_in": rows["rms"], "rows_quarantined": bad_reports, "rows_merged": 0,
        "rows_kept": rows["rms"] - bad_reports, "reasons": {"BAD_DATETIME": bad_reports},
    }  # fmt: skip
    for name, key in (("responses", "responses.cad"), ("team_a", "duty.team_a")):
        out[key] = {"rows_in": rows[name], "rows_quarantined": 0, "rows_merged": 0, "rows_kept": rows[name]}
    return out


def _merged(part: "Part", rows: Rows) -> int:
    """Rows that end in another: earlier copies of one number, and second reports of one event."""
    copies = len(rows.event) - len(np.unique(rows.event))
    return copies + int((part.reported.stands[rows.event] != rows.event).sum())


def _spot(spot: Planted, number: int, part: "Part", places: Places, fault: Ints, kind: int) -> dict[str, object]:
    """A planted excess with what can be counted inside its circle."""
    events = part.reported.events
    cx, cy = centre()
    x, y = cx + spot.at[0], cy + spot.at[1]
    inside = np.hypot(places.x - x, places.y - y) <= spot.radius_m
    own = _stands(part, fault)
    own = own[inside[events.place[own]] & (events.origin[own] == 0) & (fault[own] == dirt.GOOD)]
    own = own[~np.isin(part.course.disposition[own], UNRESOLVED)]
    types = [catalogue()[n] for n in events.type[own]]
    is_need = np.array([one.need == spot.need and not one.is_criminal for one in types])
    lon, lat = unproject(x, y)
    local = events.local[own[is_need]]
    return {
        "label": spot.label, "need": spot.need, "x": x, "y": y, "lon": float(lon), "lat": float(lat),
        "radius_m": spot.radius_m, "n_addresses": len(places.of(kind, number)),
        "n_planted": int((events.planted == number).sum()), "n_need": int(is_need.sum()),
        "n_weeks": len(np.unique(local // (7 * DAY))), "max_week_share": week_share(local),
    }  # fmt: skip


def _sink(part: "Part", places: Places, fault: Ints, kind: int) -> dict[str, object]:
    events = part.reported.events
    at = places.of(kind)[0]
    own = _stands(part, fault)
    here = own[(events.place[own] == at) & (fault[own] == dirt.GOOD)]
    numbers = {str(places.address[n]).split()[0] for n in events.address[here]}
    lon, lat = unproject(places.x[at], places.y[at])
    label = {spots.LISTED: "listed", spots.DEFAULT: "unlisted", spots.HOSPITAL: "hospital"}[kind]
    return {
        "label": label, "x": int(places.x[at]), "y": int(places.y[at]), "lon": float(lon), "lat": float(lat),
        "n_calls": len(here), "share": round(len(here) / len(own), 5),
        "n_street_numbers": len({one for one in numbers if one.isdigit()}),
        "offset_m": list(DEFAULT_AT) if kind == spots.DEFAULT else [0.0, 0.0],
    }  # fmt: skip


def _origins(part: "Part", fault: Ints) -> dict[str, int]:
    events = part.reported.events
    counts = np.bincount(events.origin[_stands(part, fault)], minlength=len(ORIGINS))
    return {name: int(n) for name, n in zip(ORIGINS, counts, strict=True)}


def _classes(part: "Part", fault: Ints) -> dict[str, dict[str, int]]:
    """Calls that stand for themselves, all origins: need × tier, and the criminal ones."""
    events = part.reported.events
    out: dict[str, Counter[str]] = {}
    for number, n in Counter(events.type[_stands(part, fault)].tolist()).items():
        one = catalogue()[number]
        cell = out.setdefault(one.need, Counter())
        cell["n"] += n
        cell["criminal"] += n if one.is_criminal else 0
        cell["T" + ("?" if one.tier is None else str(one.tier))] += n
    return {need: dict(sorted(cell.items())) for need, cell in sorted(out.items())}
