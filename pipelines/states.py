"""Whether census ids belong to the state in which a city lies, by the reference systems made for that place."""

from collections.abc import Iterable

FIPS = {
    "01": "Alabama", "02": "Alaska", "04": "Arizona", "05": "Arkansas", "06": "California", "08": "Colorado",
    "09": "Connecticut", "10": "Delaware", "11": "District of Columbia", "12": "Florida", "13": "Georgia",
    "15": "Hawaii", "16": "Idaho", "17": "Illinois", "18": "Indiana", "19": "Iowa", "20": "Kansas", "21": "Kentucky",
    "22": "Louisiana", "23": "Maine", "24": "Maryland", "25": "Massachusetts", "26": "Michigan", "27": "Minnesota",
    "28": "Mississippi", "29": "Missouri", "30": "Montana", "31": "Nebraska", "32": "Nevada", "33": "New Hampshire",
    "34": "New Jersey", "35": "New Mexico", "36": "New York", "37": "North Carolina", "38": "North Dakota",
    "39": "Ohio", "40": "Oklahoma", "41": "Oregon", "42": "Pennsylvania", "44": "Rhode Island",
    "45": "South Carolina", "46": "South Dakota", "47": "Tennessee", "48": "Texas", "49": "Utah", "50": "Vermont",
    "51": "Virginia", "53": "Washington", "54": "West Virginia", "55": "Wisconsin", "56": "Wyoming",
    "72": "Puerto Rico",
}  # fmt: skip
LENGTHS = (11, 12, 15)


def state_fault(geoids: Iterable[str], bbox: tuple[float, float, float, float]) -> str | None:
    """A sentence where most ids name a state that is not near `bbox` (degrees), else None.

    Only ids that are census GEOIDs (11, 12 or 15 digits) are judged. What is near a place is read from the areas of
    use of the EPSG state plane systems, so neighbouring states pass.
    """
    full = [one for one in geoids if one.isdigit() and len(one) in LENGTHS]
    nearby = states_at(bbox)
    odd = [one for one in full if one[:2] not in nearby]
    if not full or not nearby or len(odd) <= len(full) / 2:
        return None
    found = sorted({one[:5] for one in odd})
    named = FIPS.get(found[0][:2], "no state")
    expected = ", ".join(f"{code} ({FIPS[code]})" for code in sorted(nearby))
    return (
        f"ids start with {', '.join(found[:3])} ({named}); expected a state that is here: {expected}. "
        "The shapes and the ids are of different places"
    )


def states_at(bbox: tuple[float, float, float, float]) -> frozenset[str]:
    """Codes of the states that have a state plane system in use at the middle of a box; empty outside the U.S."""
    from pyproj.aoi import AreaOfInterest
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType

    west, south, east, north = bbox
    lon, lat = (west + east) / 2, (south + north) / 2
    here = query_crs_info(
        auth_name="EPSG",
        pj_types=PJType.PROJECTED_CRS,
        area_of_interest=AreaOfInterest(lon, lat, lon, lat),
        contains=True,
    )
    used = [info.area_of_use.name for info in here if info.area_of_use and info.area_of_use.name]
    parts = [name.split(" - ", 1)[1].lower() for name in used if name.startswith("United States (USA) - ")]
    return frozenset(
        code for code, state in FIPS.items() if any(part == state.lower() or part.startswith(f"{state.lower()} - ")
                                                    for part in parts)
    )  # fmt: skip
