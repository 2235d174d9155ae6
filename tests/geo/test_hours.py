"""Opening hours: each notation, midnight, what is refused, and the peer's fifteen strings."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from geo.hours import NOTATIONS, hour_overlap, minutes_of, pack, unpack, week_minutes, week_slots


def hours_open(text: object, notation: str, **settings: object) -> float | None:
    slots = week_slots(text, notation=notation, **settings)  # type: ignore[arg-type]
    return None if slots is None else float(slots.sum()) / 4


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("24/7", 168),
        ("Mo-Fr 08:30-17:00; Sa 10:00-14:00", 46.5),
        ("Mo-Su 18:00-06:00", 84),
        ("Mo-Fr 09:00-17:00; We off", 32),
        ("Fr-Mo 20:00-08:00", 48),
        ("Mo 09:30-10:15", 0.75),
        ("off", 0),
        ("Mo-Fr 9-5", None),
        ("Mon-Fri 9am-5pm", None),
        ("M-F 8:00 AM - 4:30 PM", None),
        ("25:00-26:00", None),
        ("", None),
        ("unknown", None),
        ("Jan-Mar Mo 09:00-10:00", None),
        ("Mo[1] 10:00-12:00", None),
    ],
)
def test_osm_grammar_is_read_or_refused(text: str, hours: float | None) -> None:
    assert hours_open(text, "osm") == hours


def test_osm_reproduces_the_peer(oracle_dir: Path) -> None:
    expected = json.loads((oracle_dir / "opening_hours" / "expected.json").read_text())
    n = 0
    for text, want in expected.items():
        if text.startswith("parse:"):
            assert week_slots(text.removeprefix("parse:"), notation="osm") is None
            continue
        slots = week_slots(text, notation="osm", week_of=date(2026, 6, 3))
        assert slots is not None
        assert int(slots.sum()) == want["open_15min_slots"], text
        mask = "".join("1" if slots[4 * hour + 2] else "0" for hour in range(168))
        assert mask == want["mask"], text
        assert [mask[24 * d : 24 * d + 24].count("1") for d in range(7)] == want["by_day"]
        n += 1
    assert n == 15


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("M-F 8:00 AM - 4:30 PM", 42.5),
        ("Mon-Fri 9am-5pm", 40),
        ("Monday through Friday 9:00 a.m. to 5:00 p.m.", 40),
        ("MO-FR 09:00-17:00", 40),
        ("Mon, Wed & Fri 9am-12pm, 1pm-5pm; Sat 10am-2pm", 25),
        ("Mon-Fri 9am-5pm, Sat 10am-noon", 42),
        ("Daily 7pm-7am", 84),
        ("weekdays: 8am-8pm; weekends: closed", 60),
        ("Sun 10pm-2am", 4),
        ("24 hours", 168),
        ("Open 24 hours a day, 7 days a week", 168),
        ("24/7", 168),
        ("Mon-Fri 24 hours", 120),
        ("9-5", None),
        ("Mon-Fri 9-5", None),
        ("Mon-Fri 8:00-4:30", None),
        ("Mon-Fri 9am-late", None),
        ("Mon-Fri 9am-5pm; Fri 9am-1pm", None),
        ("Mon-Fri 22:00-06:00", None),
        ("Mon-Fri 9am-5pm by appointment", None),
        ("T 9am-5pm", None),
        ("Mon-Fri 9am-9am", None),
        ("Mon 13pm-15pm", None),
        ("call for hours", None),
        ("", None),
    ],
)
def test_human_hours_are_read_whole_or_not_at_all(text: str, hours: float | None) -> None:
    assert hours_open(text, "text") == hours


def rule(**more: object) -> dict[str, object]:
    return {"freq": "WEEKLY", "byday": "MO,TU", "opens_at": "09:00", "closes_at": "17:00"} | more


@pytest.mark.parametrize(
    ("rows", "hours"),
    [
        ([rule()], 16),
        ([rule(), rule(byday="SA", opens_at="10:00:00", closes_at="12:30:00")], 18.5),
        ([rule(byday="SU", opens_at="22:00", closes_at="02:00")], 4),
        ([rule(byday="MO,TU,WE,TH,FR,SA,SU", opens_at="00:00", closes_at="24:00")], 168),
        ([rule(byday="MO", opens_at="00:00", closes_at="23:59")], 24),
        ([rule(freq="DAILY", byday="")], 56),
        ([rule(freq="MONTHLY", byday="1MO")], None),
        ([rule(), rule(freq="MONTHLY", bymonthday="1")], None),
        ([rule(interval="2")], None),
        ([rule(byday="1MO")], None),
        ([rule(closes_at="")], None),
        ([rule(opens_at="09:00", closes_at="09:00")], None),
        ([rule(valid_to="2020-01-01")], None),
        ([rule(until="2020-01-01"), rule(byday="WE")], 8),
        ([], None),
    ],
)
def test_hsds_3_schedules(rows: list[dict[str, object]], hours: float | None) -> None:
    assert hours_open(rows, "hsds_3", on=date(2025, 1, 6)) == hours


def test_hsds_1_schedules_by_name_and_number() -> None:
    named = [
        {"weekday": "Monday", "opens_at": "9:00", "closes_at": "22:00"},
        {"weekday": "Sunday", "opens_at": None, "closes_at": None},
    ]
    assert hours_open(named, "hsds_1") == 13
    assert hours_open([{"weekday": "1", "opens_at": "09:00:00", "closes_at": "17:00:00"}], "hsds_1") == 8
    assert hours_open([{"weekday": "Monday", "opens_at": "", "closes_at": ""}], "hsds_1") is None
    assert hours_open([{"weekday": "0", "opens_at": "09:00", "closes_at": "17:00"}], "hsds_1") is None


def test_linksf_starts_on_sunday_and_knows_its_two_ways_to_write_a_day() -> None:
    slots = week_slots({"0": [[900, 1000]]}, notation="linksf")
    assert slots is not None
    assert slots.nonzero()[0].tolist() == [6 * 96 + 36 + quarter for quarter in range(4)]
    assert hours_open({str(d): [[0, 2359]] for d in range(7)}, "linksf") == 168
    assert hours_open({str(d): [[0, 1200]] for d in range(7)}, "linksf") == 168
    assert hours_open({"3": [[0, 1200]]}, "linksf") is None
    assert hours_open({"1": [[700, 1200], [1300, 1700]]}, "linksf") == 9
    assert hours_open({}, "linksf") is None


def test_sf_guide_runs_past_midnight_and_refuses_what_is_no_time() -> None:
    row = {"day": "Sunday", "opens_at": 1945, "closes_at": 130}
    slots = week_slots([row], notation="sf_service_guide")
    assert slots is not None
    assert slots.sum() == 23
    assert slots[:6].all()
    assert not slots[6]
    assert hours_open([row | {"opens_at": 15300}], "sf_service_guide") is None
    assert hours_open([row | {"closes_at": None}], "sf_service_guide") is None


def test_a_quarter_hour_is_open_only_when_all_of_it_is() -> None:
    slots = week_slots("Mo 09:10-09:50", notation="osm")
    minutes = week_minutes("Mo 09:10-09:50", notation="osm")
    assert slots is not None
    assert minutes is not None
    assert slots.nonzero()[0].tolist() == [37, 38]
    assert hour_overlap(minutes)[9] == pytest.approx(40 / 60)
    assert hour_overlap(minutes).sum() == pytest.approx(40 / 60)


def test_overlap_is_not_sampled() -> None:
    minutes = week_minutes("Mo-Fr 08:30-17:00; Sa 10:00-14:00", notation="osm")
    assert minutes is not None
    assert hour_overlap(minutes).sum() == pytest.approx(46.5)


@given(st.lists(st.booleans(), min_size=672, max_size=672))
def test_packing_turns_back(bits: list[bool]) -> None:
    mask = np.array(bits, dtype=np.bool_)
    assert (unpack(pack(mask)) == mask).all()
    assert pack(mask)[0] >> 7 == int(bits[0])


@given(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1439))
def test_a_span_is_as_long_as_it_says_wherever_it_starts(day: int, opens: int, length: int) -> None:
    closes = (opens + length) % 1440
    assert minutes_of([(day, opens, closes)]).sum() == length


@given(st.text(max_size=40), st.sampled_from(["osm", "text"]))
def test_any_text_is_read_or_unknown(text: str, notation: str) -> None:
    slots = week_slots(text, notation=notation)
    assert slots is None or slots.shape == (672,)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="notation"):
        week_slots("24/7", notation="prose")
    with pytest.raises(InputError, match="84 bytes"):
        unpack(b"")
    with pytest.raises(InputError, match="672"):
        pack(np.zeros(168, dtype=np.bool_))
    assert set(NOTATIONS) == {"osm", "text", "hsds_3", "hsds_1", "linksf", "sf_service_guide"}
