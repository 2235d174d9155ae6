"""Where a city's raw files are."""

from pathlib import Path

from pipelines.city import City


def source_folder(city: City, root: Path) -> Path:
    """The folder that a city's paths are relative to: `root/<slug>` where there is one, else `root`."""
    own = root / city.slug
    return own if own.is_dir() else root


def locate_file(city: City, root: Path, relative: str) -> Path:
    """A path of the city's TOML.

    Raises:
        FileRejected: there is nothing at it.
    """
    from geo.errors import FileRejected

    path = source_folder(city, root) / relative
    if not path.exists():
        raise FileRejected(
            relative, "FILE_MISSING", f"expected a file under [{root.name}], got nothing; see unmet check"
        )
    return path
