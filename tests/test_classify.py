"""Classification of call types, dispositions and sources: hand-made table, traps, labels, real cities."""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from geo.errors import InputError
from pipelines import vocabulary
from pipelines.classify import (
    classify_dispositions,
    classify_origins,
    classify_types,
    inferred_origin,
    merge_secondary,
    normalise,
    raise_by_priority,
    read_type,
    transition_matrix,
)

BOOK = vocabulary.call_rules()
NA = None

# text, need, tier, criminal, secondary
TABLE: list[tuple[str, str, int | None, bool, tuple[str, ...]]] = [
    ("EDP", "mental_health", 1, False, ()),
    ("ARMED EDP", "mental_health", 3, False, ()),
    ("MENTAL SUBJ", "mental_health", 1, False, ()),
    ("MENTAL SUBJECT W/KNIFE", "mental_health", 3, False, ()),
    ("PSYCH EMERGENCY", "mental_health", 1, False, ()),
    ("BEHAVIORAL HEALTH CRISIS", "mental_health", 1, False, ()),
    ("Mentally Impaired", "mental_health", 1, False, ()),
    ("121C_Mental Disordr N-Viol Wpn", "mental_health", 3, False, ()),
    ("121D", "mental_health", 3, False, ()),
    ("CIT CALL", "mental_health", 1, False, ()),
    ("IVC ORDER", "mental_health", 2, False, ()),
    ("MENTAL WARRANT", "mental_health", 2, False, ()),
    ("5150", "mental_health", 1, False, ()),
    ("SUICIDAL SUBJECT", "mental_health", 2, False, ()),
    ("SUICIDAL SUBJECT WITH GUN", "mental_health", 3, False, ()),
    ("SUICIDE - THREAT", "mental_health", 2, False, ()),
    ("ATTEMPTED SUICIDE", "mental_health", 3, False, ()),
    ("SUICIDE", "mental_health", 3, False, ()),
    ("MAN WITH GUN SUICIDAL", "criminal", 3, True, ("mental_health",)),
    ("ASSAULT BY MENTAL SUBJECT", "criminal", 3, True, ("mental_health",)),
    ("ESCAPED MENTAL PATIENT", "mental_health", 2, False, ()),
    ("OVERDOSE", "substance_use", 3, False, ()),
    ("NARCAN ADMIN", "substance_use", 3, False, ()),
    ("INTENTIONAL OVERDOSE", "substance_use", 3, False, ("mental_health",)),
    ("DETOX - REQUEST FOR", "substance_use", 1, False, ()),
    ("Impaired Person", "substance_use", 1, False, ()),
    ("Impaired Driver", "criminal", NA, True, ()),
    ("PUBLIC INTOXICATION", "substance_use", 1, True, ()),
    ("INTOXICATED SUBJECT WITH WEAPON", "criminal", 3, True, ("substance_use",)),
    ("HOMELESS OUTREACH", "homelessness", 1, False, ()),
    ("TRANSIENT", "homelessness", 1, False, ()),
    ("TRANSIENT ISCHEMIC ATTACK", "unmatched", 3, False, ()),
    ("ENCAMPMENT", "homelessness", 1, False, ()),
    ("CAMPER TRAILER FIRE", "other_noncriminal", NA, False, ()),
    ("PANHANDLING - AGGRESSIVE", "homelessness", 2, False, ()),
    ("HOMELESS W/ KNIFE", "criminal", 3, True, ("homelessness",)),
    ("UNWANTED PERSON", "criminal", NA, True, ()),
    ("UNWANTED SUBJ - TRANSIENT", "homelessness", 1, False, ()),
    ("CHECK WELFARE", "welfare_check", 0, False, ()),
    ("WELLNESS CK", "welfare_check", 0, False, ()),
    ("WELFARE CHECK - WEAPON", "welfare_check", 3, False, ()),
    ("WELFARE CHECK , EMS RESPONSE", "welfare_check", 3, False, ()),
    ("SUBJ DOWN", "welfare_check", NA, False, ()),
    ("MISSING CHILD", "youth_family", 3, False, ()),
    ("MISSING ADULT", "youth_family", 1, False, ()),
    ("MISSING PERSON", "youth_family", NA, False, ()),
    ("MISSING PERSON, MENTAL HANDICAP", "youth_family", 3, False, ()),
    ("RUN AWAY JUV", "youth_family", 1, False, ()),
    ("DOMESTIC - VERBAL", "youth_family", 2, False, ()),
    ("DV - NO ASLT", "youth_family", 2, False, ()),
    ("DOMESTIC ASSAULT", "criminal", 3, True, ()),
    ("DEATH INVESTIGATION", "medical", 3, False, ()),
    ("ALTERED MENTAL STATUS", "medical", 3, False, ()),
    ("EMS: OVERDOSE", "substance_use", 3, False, ()),
    ("EMS: VEHICLE ACCIDENT", "traffic", NA, False, ()),
    ("SUPPLEMENTAL REPORT", "administrative", NA, False, ()),
    ("ENVIRONMENTAL", "unmatched", NA, False, ()),
    ("NON-DRUG RELATED", "unmatched", NA, False, ()),
    ("WIRES DOWN", "other_noncriminal", NA, False, ()),
    ("DOWN TIME", "administrative", NA, False, ()),
    ("POSS MARIJUANA *DRUG FREE ZONE*", "criminal", NA, True, ()),
    ("WARRANT CITY PD (PUBLIC INTOXICATION)", "criminal", NA, True, ()),
    ("BURGLAR ALARM, SILEN", "alarm", NA, False, ()),
    ("MEDICAL ALARM", "alarm", 3, False, ("medical",)),
    ("Public Assist", "other_noncriminal", NA, False, ()),
    ("LOITERING", "quality_of_life", NA, False, ()),
    ("10-56", "unmatched", NA, False, ()),
    ("988 TRANSFER", "unmatched", NA, False, ()),
    ("CO-RESPONDER", "unmatched", NA, False, ()),
    ("UNKNOWN", "unmatched", NA, False, ()),
]


@pytest.mark.parametrize(("text", "need", "tier", "criminal", "secondary"), TABLE, ids=[row[0] for row in TABLE])
def test_hand_made_table(text: str, need: str, tier: int | None, criminal: bool, secondary: tuple[str, ...]) -> None:
    reading = read_type(text, BOOK)
    assert (reading.need, reading.tier, reading.is_criminal, reading.need_secondary) == (
        need,
        tier,
        criminal,
        secondary,
    )


@pytest.mark.parametrize("weapon", ["GUN", "KNIFE", "WPN", "FIREARM", "MACHETE", "WEAPONS"])
@pytest.mark.parametrize(
    "need", ["WELFARE CHECK", "MENTAL SUBJECT", "INTOX PERSON", "HOMELESS PERSON", "SUICIDAL PERSON", "FAMILY DISPUTE"]
)
@pytest.mark.parametrize("shape", ["{need} {weapon}", "{need} W/{weapon}", "{need} - {weapon}", "{need}/{weapon}"])
def test_a_weapon_never_leaves_a_call_below_tier_3(weapon: str, need: str, shape: str) -> None:
    assert read_type(shape.format(need=need, weapon=weapon), BOOK).tier == 3


@pytest.mark.parametrize(
    ("text", "sensitive"),
    [
        ("SUICIDAL SUBJECT", "suicide"),
        ("DOMESTIC DISPUTE", "domestic_violence"),
        ("SEXUAL ASSAULT - JUVENILE", "sexual_assault"),
        ("OVERDOSE", "overdose"),
        ("MISSING JUVENILE", "juvenile"),
        ("WELFARE CHECK", "none"),
    ],
)
def test_sensitive(text: str, sensitive: str) -> None:
    assert read_type(text, BOOK).sensitive == sensitive


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("121C_Mental  Disordr", ("121C", "MENTAL DISORDER")),
        ("--CRISIS COMPLAINT", ("", "CRISIS COMPLAINT")),
        ("11V - BURG MOTOR VEH", ("11V", "BURGLARY MOTOR VEHICLE")),
        ("911 HANG UP", ("", "911 HANG UP")),
        ("EMS: OVERDOSE", ("EMS", "OVERDOSE")),
        ("Traffic: DISABLED VEHICLE -", ("TRAFFIC", "DISABLED VEHICLE")),
        ("5150", ("5150", "5150")),
        ("BREAK &amp; ENTER", ("", "BREAK & ENTER")),
        ("WELFARE\u00a0CHECK\u3000", ("", "WELFARE CHECK")),
        ("WELL\u200bFARE", ("WELLFARE", "WELLFARE")),
        ("ｗｅｌｆａｒｅ", ("WELFARE", "WELFARE")),
        (None, ("", "")),
        (float("nan"), ("", "")),
        ("  ", ("", "")),
    ],
)
def test_normalise(text: object, expected: tuple[str, str]) -> None:
    assert normalise(text, BOOK) == expected


def test_spellings_of_one_type_are_one_reading() -> None:
    spellings = [
        "welfare check",
        " WELFARE  CHECK ",
        "Welfare Check\u200b",
        "WELFARE\u00a0CHECK",
        "WELFARE CHECK\u3000",
    ]
    assert {read_type(text, BOOK) for text in spellings} == {read_type("WELFARE CHECK", BOOK)}


def test_final_type_counts_unless_it_is_a_status() -> None:
    types = pd.DataFrame(
        {
            "call_type_final": ["MENTAL PATIENT", "SUPPLEMENTAL", None, "SUPPLEMENTAL", None, "ODD WORDS", "121C"],
            "call_type_initial": ["FIGHT", "WELFARE CHECK", "HOMELESS", None, None, "HOMELESS", None],
        },
        index=[10, 11, 12, 13, 14, 15, 16],
    )
    before = types.copy()
    read = classify_types(types, BOOK)
    assert read.index.tolist() == types.index.tolist()
    assert read["need"].tolist() == [
        "mental_health",
        "welfare_check",
        "homelessness",
        "administrative",
        "unmatched",
        "unmatched",
        "mental_health",
    ]
    assert read["basis"].tolist() == ["final", "initial", "initial", "final", "final", "final", "code"]
    assert read["confidence"].tolist() == ["rule", "rule", "rule", "rule", "none", "none", "rule"]
    assert read["tier"].dtype == "Int64"
    assert read["tier"].isna().tolist() == [False, False, False, True, True, True, False]
    assert all(isinstance(value, list) for value in read["need_secondary"])
    pd.testing.assert_frame_equal(types, before)


def test_classify_types_takes_one_column_and_refuses_none() -> None:
    read = classify_types(pd.DataFrame({"call_type_initial": ["DETOX"]}), BOOK)
    assert read.loc[0, "need"] == "substance_use"
    assert classify_types(pd.DataFrame({"call_type_final": []}), BOOK).empty
    with pytest.raises(InputError, match="call_type_final"):
        classify_types(pd.DataFrame({"kind": ["DETOX"]}), BOOK)


def test_dispositions() -> None:
    values = [
        "UNFOUNDED",
        "CANCELLED",
        "DUPLICATE",
        "GONE ON ARRIVAL",
        "UNABLE TO LOCATE",
        "TRANSPORTED TO DETOX",
        "EMERGENCY DETENTION",
        "ARREST MADE",
        "REPORT WRITTEN (NO ARREST)",
        "ADVISED",
        "ODD WORDS",
        None,
        "UNFOUNDED",
    ]
    read = classify_dispositions(values, BOOK)
    assert read["disposition"].tolist()[:-1] == values[:-2]
    assert read["is_resolved"].tolist()[:3] == [False, False, False]
    assert read["is_resolved"].tolist()[3:10] == [True] * 7
    assert read["is_resolved"].isna().tolist()[10:] == [True, True]
    assert read.loc[read["no_one_found"], "disposition"].tolist() == ["GONE ON ARRIVAL", "UNABLE TO LOCATE"]
    assert read["need_secondary"].tolist()[5:7] == [["substance_use"], ["mental_health"]]
    assert read["outcome_class"].tolist()[5:10] == [
        "transported",
        "emergency_hold",
        "arrest_or_citation",
        "report",
        "advised_or_referred",
    ]


def test_codes_of_a_city_read_its_dispositions() -> None:
    read = classify_dispositions(["HAN", "NOM", "ND", "Not recorded", "22"], vocabulary.call_rules("san_francisco"))
    assert read["is_resolved"].astype(object).where(read["is_resolved"].notna(), None).tolist() == [
        True,
        False,
        None,
        None,
        False,
    ]


def test_origins() -> None:
    values = ["ONVIEW", "911", "ALARM CALL (NOT POLICE ALARM)", "SCHEDULED EVENT (RECURRING)", "FK ERROR", None, "Y"]
    read = classify_origins(values, BOOK, mapping={"y": "officer"})
    assert read["origin"].tolist() == ["officer", "community", "alarm", "scheduled", "unknown", "unknown", "officer"]
    assert inferred_origin(read_type("TRAFFIC STOP", BOOK).origin_hint) == "officer"
    assert inferred_origin(read_type("BURGLAR ALARM", BOOK).origin_hint) == "community"
    with pytest.raises(InputError, match="robot"):
        classify_origins(values, BOOK, mapping={"Y": "robot"})


def test_priority_raises_and_never_lowers() -> None:
    raises = {"1": 3, "2": 2}
    assert raise_by_priority(0, 1, raises) == 3
    assert raise_by_priority(1, " 2 ", raises) == 2
    assert raise_by_priority(3, "2", raises) == 3
    assert raise_by_priority(1, "9", raises) == 1
    assert raise_by_priority(None, "2", raises) is None
    assert raise_by_priority(None, "1", raises) == 3


def test_secondary_needs_are_merged() -> None:
    assert merge_secondary("welfare_check", [], ["mental_health", "welfare_check"]) == ["mental_health"]
    assert merge_secondary("medical", ["a", "b"], ["c"]) == ["a", "b"]


def test_transition_matrix_counts_calls() -> None:
    pairs = pd.DataFrame(
        {
            "call_type_initial": ["WELFARE CHECK", "DISTURBANCE", "WELFARE CHECK", None],
            "call_type_final": ["MENTAL SUBJECT", "MENTAL SUBJECT", "WELFARE CHECK", "FIGHT"],
            "n_calls": [5, 3, 2, 100],
        }
    )
    matrix = transition_matrix(pairs, BOOK)
    assert matrix.loc["welfare_check", "mental_health"] == 5
    assert matrix.loc["quality_of_life", "mental_health"] == 3
    assert matrix.loc["welfare_check", "welfare_check"] == 2
    assert int(matrix.to_numpy().sum()) == 10


@pytest.mark.oracle
def test_labels_of_three_cities(oracle_dir: Path) -> None:
    """At least 95 % of strings, 97 % of volume, every trap."""
    codes = {need.code: need.id for need in vocabulary.needs().values()}
    with (oracle_dir / "call_types_dev" / "expected.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    right = []
    for row in rows:
        reading = read_type(row["call_type"], BOOK)
        second = [codes.get(one, one) for one in row["need_secondary"].split(";") if one]
        right.append(
            reading.need == codes[row["need"]]
            and list(reading.need_secondary) == second
            and reading.is_criminal == (row["criminal"] == "1")
        )
    volume = [float(row["count"]) for row in rows]
    assert sum(right) / len(rows) >= 0.95
    assert sum(n for n, ok in zip(volume, right, strict=True) if ok) / sum(volume) >= 0.97
    assert [row["call_type"] for row, ok in zip(rows, right, strict=True) if row["trap"] and not ok] == []


@pytest.mark.oracle
def test_dispositions_and_sources_of_other_cities(oracle_dir: Path) -> None:
    folder = oracle_dir / "call_types_dev"
    sources = pd.read_csv(folder / "call_sources.csv")
    seattle = sources[sources["City"] == "Seattle"]
    read = classify_origins(seattle["Field1"], BOOK).set_index("call_source")["origin"]
    officer = set(read.index[read == "officer"])
    assert officer == set(seattle.loc[seattle["Self initiated"] == "Yes", "Field1"])
    endings = pd.read_csv(folder / "dispositions.csv")
    known = classify_dispositions(endings["Field1"], BOOK).set_index("disposition")["is_resolved"]
    volume = endings.groupby("Field1")["Count"].sum()
    assert volume[known.reindex(volume.index).notna()].sum() / volume.sum() > 0.97
    for text in ("UNFOUNDED", "DUPLICATE", "VOID", "LCCD_Call Cancelled", "RESPONDING UNIT(S) CANCELLED BY RADIO"):
        assert not known[text]
    for text in ("GONE ON ARRIVAL", "ASSISTANCE RENDERED", "Suspended", "PHYSICAL ARREST MADE"):
        assert known[text]


REAL = [
    ("san_francisco", "san_francisco/calls.csv.gz", "USER_Origi", 0.10, {"Mentally Disturbed": "mental_health"}),
    ("fargo_nd", "fargo_nd/calls_2010_2012.csv.gz", "CallType", 0.13, {"Impaired Person": "substance_use"}),
    ("montgomery_pa", "montgomery_pa/911.csv.gz", "title", 0.01, {"EMS: OVERDOSE": "substance_use"}),
]


@pytest.mark.real
@pytest.mark.parametrize(("city", "path", "column", "most_unmatched", "known"), REAL, ids=[row[0] for row in REAL])
def test_real_cities(
    real_data: Path, city: str, path: str, column: str, most_unmatched: float, known: dict[str, str]
) -> None:
    counts = pd.read_csv(real_data / path, usecols=[column], dtype=str)[column].value_counts()
    read = classify_types(pd.DataFrame({"call_type_final": counts.index}), vocabulary.call_rules(city))
    share: Counter[str] = Counter()
    for need, hint, n in zip(read["need"], read["origin_hint"], counts, strict=True):
        if inferred_origin(hint) == "community":
            share[need] += int(n)
    assert share["unmatched"] / share.total() < most_unmatched
    assert read.set_index("call_type")["need"][list(known)].to_dict() == known
