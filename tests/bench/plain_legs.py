"""The plain way, second half: each call beside each service that may answer it, then grouped into gaps."""

import heapq
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from geo import gap
from geo.hours import unpack
from pipelines.city import City
from pipelines.vocabulary import needs

LEGS = ("contact", "respond", "place")
VARIANTS = {"outcome": (1.0, False), "outcome_with_ed": (1.0, True), "outcome_near": (0.8, False),
            "outcome_far": (1.2, False)}  # fmt: skip
CHUNK = 100_000
UNMET = (gap.SPATIAL, gap.BARRIER, gap.TEMPORAL)
STATES = {"no": 0, "unknown": 1, "yes": 2}


def legs(city: City, calls: pd.DataFrame, services: pd.DataFrame, duty: pd.DataFrame) -> pd.DataFrame:
    """A row per call in scope and leg with its outcome code in each variant."""
    asked = calls[calls["origin"].eq("community") & calls["scope"].eq("in_scope")]
    asked = asked.sort_values(["utc", "source", "call_id"]).reset_index(drop=True)
    local = asked["local"].dt
    asked["quarter"] = local.dayofweek * 96 + local.hour * 4 + local.minute // 15
    parts = []
    for leg in LEGS:
        has_leg = asked["need"].isin([name for name, need in needs().items() if leg in need.legs])
        one = asked[has_leg & asked["tier"].eq(0).fillna(False)] if leg == "contact" else asked[has_leg]
        one = one.reset_index(drop=True)
        for variant, (factor, with_ed) in VARIANTS.items():
            one[variant] = _outcomes(city, one, services, duty, leg, factor, with_ed)
        one["is_recorded"] = one["need"].isin(_candidates(services, leg, with_ed=False)["need"])
        parts.append(one.assign(leg=leg))
    return pd.concat(parts, ignore_index=True)


def _candidates(services: pd.DataFrame, leg: str, *, with_ed: bool) -> pd.DataFrame:
    found = services[services["leg"].eq(leg) & services["access"].ne("appointment")]
    found = found if with_ed else found[~found["is_emergency_department"]]
    return found[found["x"].notna()] if leg == "place" else found


def _outcomes(
    city: City, calls: pd.DataFrame, services: pd.DataFrame, duty: pd.DataFrame, leg: str, factor: float, with_ed: bool
) -> np.ndarray:
    found = _candidates(services, leg, with_ed=with_ed).reset_index(drop=True)
    code = np.full(len(calls), gap.UNCERTAIN, np.int8)
    placed = calls[calls["x"].notna() & ~calls["is_placeholder"]]
    sent = []
    for start in range(0, len(placed), CHUNK):
        pairs = _tests(city, placed.iloc[start : start + CHUNK], found, factor)
        best = pairs.groupby("call").agg(
            sure=("sure", "max"), possible=("possible", "max"), s=("s", "max"), b=("sb", "max")
        )
        rules = [best["sure"], best["possible"], best["s"].eq(0), best["b"].eq(0)]
        code[best.index] = np.select(rules, [gap.AVAILABLE, gap.UNCERTAIN, gap.SPATIAL, gap.BARRIER], gap.TEMPORAL)
        sent.append(pairs.loc[pairs["has_duty_log"] & pairs["sb"].gt(0), ["call", "service_id", "sb", "minutes"]])
    if leg == "respond":
        taken, might = _simulate(calls, pd.concat(sent), duty)
        code[[call for call in might if code[call] != gap.AVAILABLE]] = gap.UNCERTAIN
        code[taken] = gap.AVAILABLE
    return code


def _tests(city: City, calls: pd.DataFrame, services: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Every call beside every candidate of its need, with the three tests."""
    pairs = calls[["need", "x", "y", "tier", "caller_role", "quarter"]].assign(call=calls.index)
    pairs = pairs.merge(services.assign(row=services.index), on="need", suffixes=("", "_service"))
    away = np.hypot(pairs["x"] - pairs["x_service"], pairs["y"] - pairs["y_service"])
    on_foot = pairs["access"].eq("walk_in")
    kmh = np.where(on_foot, city.travel.walk_kmh, city.travel.drive_kmh)
    minutes = away * city.travel.circuity * 60 / (kmh * 1000) * factor
    limit = np.select(
        [on_foot, pairs["access"].isin(["drop_off", "unknown"]), pairs["access"].eq("team") & away.notna()],
        [city.travel.walk_min, city.travel.drop_off_min, city.travel.respond_min],
        np.inf,
    )
    maybe = pairs["match"].eq("review") | pairs["access"].eq("unknown") | pairs["zone_state"].eq("unknown")
    s = np.where(maybe, 1, 2)
    s[(minutes.fillna(0) > limit) | (away <= 1.5) | ~_in_zone(pairs, services)] = 0
    taken = pairs[["takes_t0", "takes_t1", "takes_t2"]].to_numpy(bool)
    tier = pairs["tier"].fillna(3).to_numpy(int)
    known = np.where(taken[np.arange(len(pairs)), np.minimum(tier, 2)], 2, 0)
    b = np.minimum(np.where(tier == 3, np.where(taken.all(axis=1), 2, 1), known), pairs["person"].map(STATES))
    b = np.where(on_foot & pairs["caller_role"].isin(["bystander", "professional"]), 0, b)
    sure, possible = _open(services)
    at = pairs["row"].to_numpy(), pairs["quarter"].to_numpy()
    return pairs[["call", "service_id", "has_duty_log"]].assign(
        s=s,
        sb=np.minimum(s, b),
        minutes=minutes,
        sure=(s == 2) & (b == 2) & sure[at],
        possible=(s > 0) & (b > 0) & possible[at],
    )


def _in_zone(pairs: pd.DataFrame, services: pd.DataFrame) -> np.ndarray:
    inside = np.ones(len(pairs), bool)
    for row in services.index[services["zone_state"].eq("polygon")]:
        here = pairs["row"].eq(row).to_numpy()
        points = shapely.points(pairs.loc[here, "x"], pairs.loc[here, "y"])
        inside[here] = shapely.covers(shapely.from_wkb(services["zone"][row]), points)
    return inside


def _open(services: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Services × quarter-hours of the week: surely and possibly taking people in."""
    sure, possible = (np.zeros((len(services), gap.QUARTERS), bool) for _ in range(2))
    for row, (hours, intake, state, is_logged) in enumerate(
        zip(*(services[name] for name in ("hours", "intake", "capacity_state", "has_duty_log")), strict=True)
    ):
        known = [unpack(mask) for mask in (hours, intake) if isinstance(mask, bytes)]
        if not is_logged:
            possible[row] = np.all(known, axis=0) if known else True
            sure[row] = possible[row] & (len(known) == 2 and state == "proven")
    return sure, possible


def _simulate(calls: pd.DataFrame, pairs: pd.DataFrame, duty: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Calls that a team with a duty log took, and those it might have: one call after the other."""
    job = {name: need.job_min * 60 for name, need in needs().items()}
    on_duty = {service: own[["on_s", "off_s", "n_teams"]].to_numpy() for service, own in duty.groupby("service_id")}
    busy: dict[str, list[int]] = {service: [] for service in on_duty}
    second = ((calls["utc"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)).to_numpy()
    need = calls["need"].to_numpy()
    done: dict[int, bool] = {}  # call: a team took it, or only might have
    pairs = pairs.sort_values(["call", "minutes", "service_id"])
    for call, service, state in zip(pairs["call"], pairs["service_id"], pairs["sb"], strict=True):
        now = int(second[call])
        while busy[service] and busy[service][0] <= now:
            heapq.heappop(busy[service])
        turns = on_duty[service]
        on = turns[(turns[:, 0] <= now) & (turns[:, 1] > now), 2].sum()
        if on > len(busy[service]) and not done.get(call):
            if state == 2:
                heapq.heappush(busy[service], now + job[need[call]])
            done[call] = state == 2
    return [call for call, sure in done.items() if sure], [call for call, sure in done.items() if not sure]


def duty(city: City, root: Path) -> pd.DataFrame:
    """The teams' turns, in seconds since the epoch."""
    parts = []
    for source in city.sources_of("duty"):
        columns = {names[0]: ours for ours, names in source.columns}
        raw = pd.read_csv(root / source.path).rename(columns=columns)
        for name in ("on", "off"):
            local = pd.to_datetime(raw[f"{name}_at"], format=source.time_format)
            utc = local.dt.tz_localize(city.timezone, ambiguous=np.ones(len(raw), bool)).dt.tz_convert("UTC")
            raw[f"{name}_s"] = (utc - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
        parts.append(raw.drop_duplicates(["service_id", "on_at"], keep="last"))
    return pd.concat(parts, ignore_index=True)


def gaps(city: City, rows: pd.DataFrame) -> pd.DataFrame:
    """Counts, limits, flags and rank intervals by area, need and leg, for every period and variant."""
    levels = ["city", *[level.name for level in city.levels]]
    rows = rows.assign(city="city", day=rows["local"].dt.date)
    found = []
    for (period, start, end, years), variant in product(periods(city), ("default", "with_ed", "no_institutions")):
        inside = rows[(rows["day"] >= start) & (rows["day"] < end)]
        inside = inside[~inside["at_institution"]] if variant == "no_institutions" else inside
        outcome = inside["outcome_with_ed" if variant == "with_ed" else "outcome"]
        dummies = {f"n_{name}": outcome.eq(code) for code, name in enumerate(gap.OUTCOME_NAMES)}
        for way in ("near", "far"):
            dummies[f"{way}_least"] = inside[f"outcome_{way}"].isin(UNMET)
            dummies[f"{way}_uncertain"] = inside[f"outcome_{way}"].eq(gap.UNCERTAIN)
        counted = inside.assign(**dummies, is_rest=~_busiest(inside), n_calls=1)
        counted["rest_least"] = counted["is_rest"] & outcome.isin(UNMET)
        for level in levels:
            sums = counted.groupby([level, "need", "leg"])[
                ["n_calls", *dummies, "no_one_found", "at_institution", "is_rest", "rest_least"]
            ].sum()
            sums["n_places"] = counted.groupby([level, "need", "leg"])["place"].nunique()
            sums = sums.rename_axis(["geoid", "need", "leg"]).reset_index()
            sums = _inference(city, sums, years, ranked=variant == "default" and level != "city")
            found.append(sums.assign(level=level, period=period, variant=variant))
    return pd.concat(found, ignore_index=True)


def periods(city: City) -> list[tuple[str, date, date, float]]:
    """Whole, last twelve months, calendar years; of a city with one window and no outage."""
    first, last = city.windows[0].start, city.windows[-1].end
    spans = [("whole", first, last), ("last_12_months", last - timedelta(days=365), last)]
    spans += [(str(year), date(year, 1, 1), date(year + 1, 1, 1)) for year in range(first.year, last.year + 1)]
    days = [(min(end, last) - max(start, first)).days for _, start, end in spans]
    return [(*span, n / 365.25) for span, n in zip(spans, days, strict=True) if n >= 360]


def _busiest(rows: pd.DataFrame) -> np.ndarray:
    places = rows.groupby(["need", "leg", "place"]).size().rename("n").reset_index()
    places = places.sort_values(["need", "leg", "n", "place"], ascending=[True, True, False, True])
    order = places.groupby(["need", "leg"]).cumcount() + 1
    total = places.groupby(["need", "leg"])["place"].transform("size")
    top = places.loc[order <= np.ceil(0.01 * total), ["need", "leg", "place"]].assign(is_top=True)
    return rows[["need", "leg", "place"]].merge(top, how="left")["is_top"].eq(True).to_numpy()


def _inference(city: City, sums: pd.DataFrame, years: float, *, ranked: bool) -> pd.DataFrame:
    """Limits, flags and ranks, by the same formulas as the project's."""
    out = sums.assign(n_at_least=sums["n_spatial"] + sums["n_barrier"] + sums["n_temporal"])
    out["n_at_most"] = out["n_at_least"] + out["n_uncertain"]
    least, most = out["n_at_least"].to_numpy(), out["n_at_most"].to_numpy()
    out["low"], out["high"] = gap.garwood_per_year(least, most, years=years)
    out["flag"] = gap.flags(least, most, out["n_calls"].to_numpy(), years=years, standard=city.standard.share).flag
    if ranked:
        for _, group in out.groupby(["need", "leg"]):
            scenarios = np.column_stack(
                [
                    group[a].to_numpy(float) + share * group[b].to_numpy(float)
                    for a, b in (("near_least", "near_uncertain"), ("n_at_least", "n_uncertain"),
                                 ("far_least", "far_uncertain"))
                    for share in (0.0, 0.5, 1.0)
                ]
            )  # fmt: skip
            drawn = gap.rank_draws(scenarios, years=years, n_draws=city.n_draws, seed=city.seed)
            out.loc[group.index, ["rank_low", "rank_high"]] = np.column_stack([drawn.low, drawn.high])
    return out
