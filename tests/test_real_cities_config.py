"""The three real cities' configurations fit the public files they were written for."""

from pathlib import Path

import pytest

from pipelines.check import check_city
from pipelines.city import load_city


@pytest.mark.real
@pytest.mark.parametrize(("slug", "rows", "areas", "n_outside"), [
    ("san_francisco", 24_833, 195, "996"),
    ("fargo_nd", 144_835, 20, ""),
    ("montgomery_pa", 99_492, 210, "247"),
])  # fmt: skip
def test_a_real_city_has_no_faults(real_data: Path, slug: str, rows: int, areas: int, n_outside: str) -> None:
    report = check_city(load_city(slug), real_data)
    assert report.faults == ()
    profiles = {profile.id: profile for profile in report.profiles}
    (calls,) = [profile for name, profile in profiles.items() if name.startswith("calls.")]
    assert calls.rows == rows
    assert profiles["levels.tract"].rows == areas
    outside = [note.split(":")[1].split()[0] for note in report.notes if "outside the windows" in note]
    assert outside == ([n_outside] if n_outside else [])
    assert not any("have no row" in note for note in report.notes)


def test_each_real_city_says_what_it_cannot_say() -> None:
    said = {slug: " ".join(load_city(slug).caveats) for slug in ("san_francisco", "fargo_nd", "montgomery_pa")}
    assert "cannot show recurrence" in said["san_francisco"]
    assert "no trend may be read" in said["fargo_nd"]
    assert "Only emergency medical, fire and traffic calls" in said["montgomery_pa"]
    assert all("No responder team" in text for text in said.values())


def test_a_level_may_keep_several_values_of_one_attribute() -> None:
    (tract,) = [level for level in load_city("fargo_nd").levels if level.name == "tract"]
    assert tract.keeps("38" if name == "state" else "000802" for name, _ in tract.where)
    assert not tract.keeps("38" if name == "state" else "010201" for name, _ in tract.where)
    assert not tract.keeps("27" if name == "state" else "000802" for name, _ in tract.where)
