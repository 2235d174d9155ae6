"""What each service has to do with each call, one call and one service at a time: slow, and in plain Python."""

from collections import defaultdict

import numpy as np
import pandas as pd
import shapely

from geo.hours import unpack
from pipelines.store import Store

LEGS = {
    "mental_health": ("contact", "respond", "place"), "substance_use": ("contact", "respond", "place"),
    "homelessness": ("respond", "place"), "welfare_check": ("contact", "respond"),
    "youth_family": ("contact", "respond"),
}  # fmt: skip
NO, UNKNOWN, YES = 0, 1, 2


def judged(store: Store, *, job_min: dict[str, int]) -> pd.DataFrame:
    """A row a placed call, leg and service (all accesses in one): near, closed, closed_sure, sure, minutes."""
    calls = store.read("calls")
    calls = calls[calls["merged_into"].isna() & (calls["origin"] == "community") & (calls["scope"] == "in_scope")]
    places = store.read("places").set_index("place_id")
    places = places[places["x"].notna() & (places["place_kind"] != "placeholder")]
    minutes = {(row.place_id, row.service_id, row.access): row.minutes for row in store.read("reach").itertuples()}
    travel, duty, services = store.manifest["settings"]["travel"], _duty(store.read("duty")), _services(store)
    busy: dict[str, list[int]] = defaultdict(list)
    xy = {place_id: (row.x, row.y) for place_id, row in places.iterrows()}
    zones: dict[tuple[str, bytes], bool] = {}
    out = []
    for call in calls.sort_values(["received_at", "call_id"]).itertuples():
        if call.place_id not in xy:
            continue
        for leg in LEGS[call.need]:
            if leg == "contact" and call.tier != 0:
                continue
            found = []
            for service in services[(call.need, leg)]:
                own = minutes.get((call.place_id, service.service_id, service.access))
                s = _s(call, service, own, xy[call.place_id], travel, zones)
                found.append((service, s, _b(call, service), own))
            out += _of_call(call, leg, found, duty, busy, job_min[call.need])
    table = pd.DataFrame(out)
    key = ["call_id", "leg", "service_id"]
    return table.groupby(key, as_index=False).agg(
        near=("near", "any"), closed=("closed", "any"), closed_sure=("closed_sure", "any"), sure=("sure", "any"),
        minutes=("minutes", "min"),
    )  # fmt: skip


def _of_call(call, leg, found, duty, busy, job_min):
    now = int(call.received_at.timestamp())
    free = {}
    for service, *_ in found:
        if service.has_duty_log and leg == "respond":
            busy[service.service_id] = [end for end in busy[service.service_id] if end > now]
            on = sum(n for begin, end, n in duty[service.service_id] if begin <= now < end)
            free[service.service_id] = (on, on > len(busy[service.service_id]))
    rows, ready = [], []
    for service, s, b, own in found:
        if service.has_duty_log:
            on, is_free = free.get(service.service_id, (0, False))
            is_open, is_sure = on > 0, is_free
            if s == YES and b == YES and is_free:
                ready.append((np.inf if own is None else own, service.service_id))
        else:
            masks = [mask for mask in (service.hours, service.intake) if isinstance(mask, bytes)]
            is_open = all(unpack(mask)[call.quarter_of_week] for mask in masks)
            is_sure = is_open and len(masks) == 2 and service.capacity_state == "proven"
        fits = s == YES and b == YES
        closed = s != NO and b != NO and not is_open
        proven = service.has_duty_log or service.capacity_state == "proven"
        rows.append(
            {
                "call_id": call.call_id,
                "leg": leg,
                "service_id": service.service_id,
                "near": s != NO,
                "closed": closed,
                "closed_sure": closed and fits and proven,
                "sure": fits and is_sure,
                "minutes": own if s != NO and own is not None else np.nan,
            }
        )
    if ready:
        busy[min(ready)[1]].append(now + 60 * job_min)
    return rows


def _services(store):
    table = store.read("services").sort_values(["service_id", "access"])
    out = defaultdict(list)
    for row in table.itertuples():
        if row.access == "appointment" or row.is_emergency_department or (row.leg == "place" and pd.isna(row.x)):
            continue
        out[(row.need, row.leg)].append(row)
    return out


def _duty(duty):
    out = defaultdict(list)
    for row in duty.itertuples():
        out[row.service_id].append((int(row.on_at.timestamp()), int(row.off_at.timestamp()), row.n_teams))
    return out


def _s(call, service, minutes, at, travel, zones):
    answer = UNKNOWN if service.match == "review" else YES
    limit = {
        "walk_in": travel["walk_min"], "drop_off": travel["drop_off_min"], "unknown": travel["drop_off_min"],
        "team": travel["respond_min"] if pd.notna(service.x) else None,
    }.get(service.access)  # fmt: skip
    if limit is not None and (minutes is None or minutes > limit):
        return NO
    if service.access == "unknown" or service.zone_state == "unknown":
        answer = min(answer, UNKNOWN)
    if service.zone_state == "polygon":
        key = (call.place_id, service.zone)
        if key not in zones:
            zones[key] = bool(shapely.from_wkb(service.zone).intersects(shapely.Point(*at)))
        if not zones[key]:
            return NO
    if pd.notna(service.x) and np.hypot(at[0] - service.x, at[1] - service.y) <= 1.5:
        return NO
    if pd.notna(service.valid_from) and call.local_date < pd.Timestamp(service.valid_from):
        return NO
    if pd.notna(service.valid_to) and call.local_date >= pd.Timestamp(service.valid_to):
        return NO
    return answer


def _b(call, service):
    taken = [service.takes_t0, service.takes_t1, service.takes_t2]
    answer = (YES if all(taken) else UNKNOWN) if pd.isna(call.tier) else (YES if taken[int(call.tier)] else NO)
    answer = min(answer, {"yes": YES, "unknown": UNKNOWN, "no": NO}[service.person])
    return NO if service.access == "walk_in" and call.caller_role in ("bystander", "professional") else answer
