"""Where the project's data files are, in a checkout and inside an installed wheel."""

from importlib import resources
from pathlib import Path

from geo.errors import ConfigError


def data_root() -> Path:
    """The folder that holds the project's data files.

    In an installed wheel this is `pipelines/_data`; in a checkout it is the folder `data` beside the package.

    Raises
    ------
    ConfigError
        Neither folder is there.
    """
    package = Path(str(resources.files("pipelines")))
    for folder in (package / "_data", package.parent / "data"):
        if (folder / "needs.toml").is_file():
            return folder
    raise ConfigError("data", [f"expected needs.toml in data/ or in pipelines/_data, got neither beside [{package}]"])


def data_path(*parts: str) -> Path:
    """The path of a data file or folder of the project, for instance `data_path("rules", "raise.toml")`.

    Raises
    ------
    ConfigError
        The parts lead out of the data folder, or to nothing.
    """
    root = data_root()
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError("data", [f"expected a path inside the data folder, got [{'/'.join(parts)}]"])
    if not path.exists():
        raise ConfigError("data", [f"expected a data file, got nothing at [{'/'.join(parts)}]; is the install whole?"])
    return path
