"""The plain way: the same job with pandas, geopandas.sjoin and groupby, a line a step."""

import json
import sys
from pathlib import Path

from tests.bench.watch import tell


def main(city_file: str, raw: str, out: str, stop_s: str) -> None:
    import pandas as pd

    from pipelines import geography, supply
    from pipelines.city import load_city
    from pipelines.shapes import area_frame
    from tests.bench import plain_calls, plain_hotspots, plain_legs

    city, root, folder = load_city(city_file), Path(raw), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    tell("start")
    duty = plain_legs.duty(city, root)
    services = supply.services(city, root, duty_ids=frozenset(duty["service_id"])).services
    areas = geography.areas(city, root).areas
    shapes = {level.name: area_frame(areas, level.name) for level in city.levels}
    tell("areas and services")
    calls = plain_calls.read(city, root)
    tell("read", rows=len(calls))
    calls = plain_calls.classify(city, calls)
    tell("classify")
    calls = plain_calls.locate(city, calls, shapes)
    tell("locate")
    calls = plain_calls.mark_places(plain_calls.merge(city, calls), services)
    tell("merge", rows=len(calls))
    legs = plain_legs.legs(city, calls, services, duty)
    tell("unmet", rows=len(legs))
    gaps = plain_legs.gaps(city, legs)
    del legs
    tell("gaps", rows=len(gaps))
    cases = plain_hotspots.cases(calls)
    found = {"volume": list(plain_hotspots.clusters(city, cases))}
    tell("volume")
    found["excess"] = list(plain_hotspots.scan(city, cases, stop_s=float(stop_s)))
    made, whole = max(1, sum(int(one["n_sim"]) for one in found["excess"])), city.n_sim * len(found["excess"])
    note = f"scan stopped after {made} of {whole:,} permutations; all would take {whole / made * float(stop_s):,.0f} s"
    tell("excess", n_sim=made, note="" if made == whole else note)
    gaps.to_parquet(folder / "gaps.parquet")
    pd.DataFrame(found["excess"]).to_parquet(folder / "excess.parquet")
    (folder / "hotspots.json").write_text(json.dumps(found))
    tell("finish")


if __name__ == "__main__":
    main(*sys.argv[1:])
