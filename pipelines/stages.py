"""The stages of a run, in order: `flow` wires them by the names of what they read and make."""

from pathlib import Path

from pipelines import intake
from pipelines.call_types import call_types, dispositions
from pipelines.cascade import cascade
from pipelines.city import City, Source
from pipelines.compare import gaps
from pipelines.detect import hotspots
from pipelines.files import locate_file
from pipelines.flow import Stage
from pipelines.incidents import incidents, responses
from pipelines.locate import points
from pipelines.merge import calls
from pipelines.offences import offences
from pipelines.places import places
from pipelines.quality import books, quality_places
from pipelines.rates import rates
from pipelines.reach import reach
from pipelines.tabulate import demand, type_changes
from pipelines.unmet import unmet

TIME = ("timezone", "windows", "outages")
IDENTITY = ("slug", "crs", "bbox")


def stages(city: City) -> tuple[Stage, ...]:
    """All stages of a city, in an order in which each finds what it reads."""
    read = tuple(
        _raw_stage(source) for kind in ("calls", "incidents", "duty", "responses") for source in city.sources_of(kind)
    )
    return (
        Stage(
            name="areas",
            makes=("areas", *_books("areas")),
            run=intake.areas,
            settings=(*IDENTITY, "is_synthetic", "levels", "denominators"),
            raw=_area_files,
        ),
        *read,
        Stage(name="duty", makes=("duty",), run=intake.duty),
        Stage(
            name="services",
            makes=("services", *_books("services")),
            run=intake.services,
            settings=(*IDENTITY, "sources", "services_as_of", "travel"),
            data=("matching", "needs.toml"),
            raw=_service_files,
        ),
        Stage(
            name="call_types",
            makes=("call_types", "quality_classify"),
            run=call_types,
            settings=("slug",),
            data=("rules", "needs.toml"),
        ),
        Stage(
            name="dispositions",
            makes=("dispositions",),
            run=dispositions,
            settings=("slug",),
            data=("rules", "needs.toml"),
        ),
        Stage(
            name="points",
            makes=("points", "atoms"),
            run=points,
            settings=("slug", "crs", "levels", "placeholders"),
        ),
        Stage(
            name="calls",
            makes=("calls", "quarantine_merge", "quality_merge"),
            run=calls,
            settings=("slug", "crs", "sources", "tier_priority_raise", "merge_minutes"),
            data=("needs.toml",),
        ),
        Stage(name="type_changes", makes=("type_changes",), run=type_changes),
        Stage(
            name="places",
            makes=("places",),
            run=places,
            settings=("crs", "institutions", "institution_radius_m"),
        ),
        Stage(
            name="incidents",
            makes=("incidents",),
            run=incidents,
            settings=("slug", "crs", "sources"),
            data=("offences.toml",),
        ),
        Stage(name="responses", makes=("responses",), run=responses, settings=("sources",)),
        Stage(name="reach", makes=("reach",), run=reach, settings=("travel", "levels"), raw=_matrix_files),
        Stage(
            name="unmet",
            makes=("unmet", "verification"),
            run=unmet,
            settings=("travel", "directory_complete"),
            data=("needs.toml",),
        ),
        Stage(name="demand", makes=("demand",), run=demand),
        Stage(
            name="hotspots",
            makes=("hotspots",),
            run=hotspots,
            settings=("windows", "outages", "breaks", "n_sim", "seed"),
            data=("needs.toml",),
            optional=("old_hotspots",),
        ),
        Stage(
            name="gaps",
            makes=("gaps",),
            run=gaps,
            settings=("windows", "outages", "standard", "levels", "n_draws", "seed"),
            data=("needs.toml",),
        ),
        Stage(
            name="rates",
            makes=("rates",),
            run=rates,
            settings=("windows", "outages", "levels"),
            data=("needs.toml",),
        ),
        Stage(name="offences", makes=("offences",), run=offences, settings=(*TIME, "levels")),
        Stage(
            name="cascade",
            makes=("cascade",),
            run=cascade,
            settings=("slug",),
            data=("needs.toml", "rules"),
        ),
        Stage(
            name="quality_places",
            makes=("quality_places",),
            run=quality_places,
            settings=("crs", "windows", "outages", "levels", "breaks", "directory_complete"),
        ),
        _books_stage(city),
    )


def _raw_stage(source: Source) -> Stage:
    name = source.table

    def files(city: City, root: Path) -> list[Path]:
        return [locate_file(city, root, source.path)]

    return Stage(
        name=f"read {source.id}",
        makes=(f"raw_{name}", *_books(name)),
        run=intake.raw,
        settings=(*IDENTITY, *TIME),
        fixed=(("source", source),),
        raw=files,
    )


def _books(name: str) -> tuple[str, ...]:
    return tuple(f"{book}_{name}" for book in intake.BOOKS)


def _books_stage(city: City) -> Stage:
    sources = [s.table for s in city.sources if s.kind != "services"]
    named = [table for name in ("areas", "services", *sources) for table in _books(name)]
    named += ["quality_classify", "quality_merge", "quarantine_merge", "quality_places"]
    return Stage(
        name="quality", makes=("quality", "quarantine", "counts"), run=books, settings=("sources",), also=tuple(named)
    )


def _area_files(city: City, root: Path) -> list[Path]:
    paths = [*(level.path for level in city.levels), *(table.path for table in city.denominators)]
    return [locate_file(city, root, path) for path in dict.fromkeys(paths)]


def _service_files(city: City, root: Path) -> list[Path]:
    found: list[Path] = []
    for source in city.sources_of("services"):
        path = locate_file(city, root, source.path)
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return found


def _matrix_files(city: City, root: Path) -> list[Path]:
    return [locate_file(city, root, city.travel.matrix)] if city.travel.matrix else []
