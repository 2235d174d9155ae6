"""The project's own way: `flow.run` from raw files to gaps and hotspots, a line a stage."""

import sys
from pathlib import Path

from tests.bench.watch import tell


class Told:
    """A progress that tells each stage as it ends."""

    def begin(self, stage: str, total: int | None) -> None:
        pass

    def advance(self, step: str, done: int, total: int) -> None:
        pass

    def end(self, stage: str, rows: int, seconds: float, skipped: bool) -> None:
        tell(stage, rows=rows)


def main(city_file: str, raw: str, store: str) -> None:
    from pipelines.city import load_city
    from pipelines.flow import run

    city = load_city(city_file)
    tell("start")
    run(city, Path(raw), Path(store), progress=Told())
    tell("finish")


if __name__ == "__main__":
    main(*sys.argv[1:])
