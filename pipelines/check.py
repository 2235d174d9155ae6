"""`unmet check`: what is wrong between a city's TOML and its files, all at once, and what each source holds.

Every file is opened in a confined child. A *fault* stops a run; a *note* is something a person should know first.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pipelines.check_areas import check_denominator, check_level
from pipelines.check_found import Found, Profile
from pipelines.check_sources import check_source
from pipelines.city import City
from pipelines.city_section import shown
from pipelines.files import source_folder

Progress = Callable[[str, int, int], None]
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Faults, notes and profiles of a city's files."""

    city: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    profiles: tuple[Profile, ...]

    @property
    def ok(self) -> bool:
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "city": self.city,
            "ok": self.ok,
            "faults": list(self.faults),
            "notes": list(self.notes),
            "sources": [
                {**dataclasses.asdict(p), "blank_share": dict(p.blank_share), "facts": dict(p.facts)}
                for p in self.profiles
            ],
        }


def check_city(city: City, root: Path, *, progress: Progress | None = None) -> CheckReport:
    """Faults and notes of every file of a city, and a profile of each.

    `root` is the data root; files are looked for in `root/<slug>` where that folder exists, else in `root`.
    `progress(file, done, total)` is called before each file.
    """
    folder = source_folder(city, root)
    if not folder.is_dir():
        said = f"data root: no folder [{shown(str(folder))}]; name it with --data-root or UNMET_DATA (DATA_MISSING)"
        return CheckReport(city=city.slug, faults=(said,), notes=(), profiles=())
    ids: dict[str, list[str]] = {}
    files = [partial(check_source, city, source) for source in city.sources]
    layers = [partial(check_level, level, ids=ids) for level in city.levels]
    tables = [partial(check_denominator, table, ids=ids) for table in city.denominators]
    names = [*(s.path for s in city.sources), *(a.path for a in city.levels), *(t.path for t in city.denominators)]
    found = Found(folder=folder)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        # Tables come after layers, whose ids they are compared with.
        done = chain(pool.map(_apart(folder), (*files, *layers)), map(_apart(folder), tables))
        for at, name in enumerate(names):
            if progress:
                progress(name, at, len(names))
            found.add(next(done))
    if city.travel.matrix:
        found.path_of("travel.matrix", city.travel.matrix)
    return CheckReport(
        city=city.slug,
        faults=tuple(found.faults),
        notes=(*found.notes, *_city_notes(city)),
        profiles=tuple(found.profiles),
    )


def _apart(folder: Path) -> Callable[[Callable[[Found], None]], Found]:
    """A function that runs one check into a gathering of its own, so that checks may run side by side."""

    def run(check: Callable[[Found], None]) -> Found:
        found = Found(folder=folder)
        check(found)
        return found

    return run


def _city_notes(city: City) -> list[str]:
    notes = []
    last = city.windows[-1].end
    if not any(source.kind == "services" for source in city.sources):
        notes.append("sources.services: no directory; every leg is not recorded")
    late = [s.id for s in city.sources if s.kind == "services" and s.valid_as_of and s.valid_as_of >= last]
    if late:
        notes.append(f"services are dated after the last call ({last}): {', '.join(late)}")
    return notes
