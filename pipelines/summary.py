"""What a manifest says of a run beside its parts: counts, settings, versions, seed."""

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipelines import store, vocabulary
from pipelines.city import City

LIBRARIES = ("duckdb", "numpy", "pandas", "scipy", "shapely", "geopandas", "scikit-learn", "pyproj")


def manifest_summary(city: City, opened: store.Store) -> dict[str, Any]:
    """Counts per file, settings, versions of code, rules and libraries, and the seed."""
    settings = {name: value for name, value in asdict(city).items() if name != "path"}
    told: dict[str, Any] = {
        "settings": settings,
        "seed": city.seed,
        "is_synthetic": city.is_synthetic,
        "services_as_of": city.services_as_of.isoformat(),
        "versions": {
            "unmet": code_version(),
            "rules": vocabulary.version(city.slug),
            **{name: version(name) for name in LIBRARIES},
        },
    }
    if opened.has("counts"):
        told["counts"] = opened.read("counts").to_dict("records")
    return told


def code_version() -> str:
    """The version of this software, as installed."""
    try:
        return version("unmet")
    except PackageNotFoundError:
        return "not installed"
