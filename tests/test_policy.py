"""A policy reads, or is refused with key path and reason, all faults at once; what it does not name does not leave."""

import copy
import dataclasses
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.errors import ConfigError
from pipelines.city import City, load_city
from pipelines.policy import (
    Policy,
    SignOff,
    allows,
    barred_needs,
    explain,
    gates,
    load_policy,
    policy_hash,
    release_tables,
    terms_hash,
    waivers,
    why_closed,
)
from pipelines.policy_words import AUDIENCES, FIELDS, NEVER, ROLES, VIEWS
from pipelines.resources import data_path

NOW = "2025-06-01T12:00:00+00:00"
FILL = {
    "<agency that owns the calls>": "City Police",
    "<address>": "privacy@city.example",
    "<account>": "a.coordinator",
}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMET_NOW", NOW)


@pytest.fixture(scope="module")
def city() -> City:
    return load_city("sample")


@pytest.fixture(scope="module")
def real_city(city: City) -> City:
    return dataclasses.replace(city, is_synthetic=False)


def text_of(slug: str) -> str:
    return data_path("policies", f"{slug}.toml").read_text("utf-8")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(text, "utf-8")
    return path


def faults(tmp_path: Path, slug: str, *edits: tuple[str, str], city: City | None = None) -> tuple[str, ...]:
    """The faults of a shipped policy after edits, each of which must hit."""
    text = text_of(slug)
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        load_policy(write(tmp_path, text), city=city)
    return caught.value.faults


def one(found: tuple[str, ...], where: str, *words: str) -> None:
    """One fault of this key path says all these words."""
    hits = [fault for fault in found if fault.startswith(f"{where}: ")]
    assert [hit for hit in hits if all(word in hit for word in words)], found


def filled(slug: str) -> str:
    text = data_path("policies", "templates", f"{slug}.toml").read_text("utf-8")
    head, body = re.match(r"((?:#[^\n]*\n)*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    body = body.replace('"YYYY-MM-DD"', "2027-12-31")
    return head + re.sub(r"<[^<>]*>", lambda hit: FILL.get(hit[0], "Filled in"), body)


@pytest.mark.parametrize("slug", AUDIENCES)
def test_shipped_policies_read_for_the_sample_and_not_for_a_real_city(
    slug: str, city: City, real_city: City, tmp_path: Path
) -> None:
    policy = load_policy(slug, city=city)
    assert (policy.slug, policy.audience, policy.expires) == (slug, slug, None)
    assert gates(policy, city=city, draft_rules=True, draft_matching=True) == []
    assert why_closed(policy, is_synthetic=True) == []
    with pytest.raises(ConfigError) as caught:
        load_policy(slug, city=real_city)
    one(caught.value.faults, "expires", "never", "synthetic")
    assert why_closed(policy, is_synthetic=False)


@pytest.mark.parametrize("slug", AUDIENCES)
def test_templates_are_refused_until_filled_and_then_hold_for_a_real_city(
    slug: str, real_city: City, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(data_path("policies", "templates", f"{slug}.toml"))
    assert all("CONFIG_PLACEHOLDER" in fault for fault in caught.value.faults)
    one(caught.value.faults, "expires", "YYYY-MM-DD")
    one(caught.value.faults, "legal_basis")
    policy = load_policy(write(tmp_path, filled(slug)), city=real_city)
    assert policy.expires == date(2027, 12, 31)
    assert policy.synthetic == ()
    assert bool(gates(policy, city=real_city, draft_rules=False, draft_matching=False)) == (slug != "internal")


def test_the_four_kinds_of_refusal_name_key_path_and_reason(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        "public",
        ('name = "ranks"', 'name = "rank"'),
        ("threshold = 11", "threshold = 10"),
        ('"grant", "evaluation"]\nattestation', '"enforcement"]\nattestation'),
        ('expires = "never"', "expires = 2025-05-31"),
    )  # fmt: skip
    one(found, "fields[9].name", "unknown field [rank]", "did you mean ranks?")
    one(found, "threshold", "at least 11", "[10]")
    one(found, "purposes[1]", "enforcement", "cannot be made one")
    one(found, "expires", "2025-05-31", "still to come")
    assert len(found) == 6  # and the two purposes of the role that the policy no longer has


def test_an_expiry_in_the_past_alone_is_refused_and_its_last_day_still_holds(tmp_path: Path) -> None:
    found = faults(tmp_path, "public", ('expires = "never"', "expires = 2025-05-31"))
    assert len(found) == 1
    one(found, "expires", "2025-05-31", "builds nothing and opens nothing")
    late = load_policy(tmp_path / "p.toml", expired_too=True)
    assert not allows(late, role="public", purpose="planning", view="explore")
    assert why_closed(late, is_synthetic=True)
    last_day = text_of("public").replace('expires = "never"', "expires = 2025-06-01")
    policy = load_policy(write(tmp_path, last_day))
    assert allows(policy, role="public", purpose="planning", view="explore")


def test_an_open_policy_closes_when_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, text_of("public").replace('expires = "never"', "expires = 2025-06-30"))
    policy = load_policy(path)
    assert allows(policy, role="public", purpose="grant", view="kit")
    monkeypatch.setenv("UNMET_NOW", "2025-07-01T00:00:00+00:00")
    answer = allows(policy, role="public", purpose="grant", view="kit")
    assert not answer
    assert "2025-06-30" in answer.reason


def test_enforcement_is_refused_wherever_it_is_written(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        "internal",
        ("enforcement = false", "enforcement = true"),
        ('[roles.command]\npurposes = ["planning"]', '[roles.command]\npurposes = ["Enforcement", "planning"]'),
    )
    one(found, "enforcement", "expected false", "no purpose here")
    one(found, "roles.command.purposes[0]", "cannot be made one")
    one(faults(tmp_path, "public", ("enforcement = false\n", "")), "enforcement", "expected false", "[nothing]")
    assert "no purpose" in allows(load_policy("public"), role="public", purpose="enforcement", view="explore").reason


@pytest.mark.parametrize(
    ("slug", "edit", "where", "word"),
    [
        ("public", ("has_places = false", "has_places = true"), "has_places", "audience = public"),
        ("public", ("suppress = true", "suppress = false"), "suppress", "audience = public"),
        ("partner", ('grain = "quarter"', 'grain = "day"'), "periods.grain", "quarter or year"),
        ("public", ("delay_days = 30", "delay_days = 7"), "periods.delay_days", "at least 30"),
        ("public", ('"rates", sensitivity = "low"', '"rates", sensitivity = "open"'), "fields[6].sensitivity", "low"),
        ("public", ('"hours", sensitivity = "moderate", transform = "six_blocks"',
                    '"hours", sensitivity = "moderate", transform = "none"'), "fields[10].transform", "six_blocks"),
        ("public", ('name = "ranks"', 'name = "place_points"'), "fields[9].name", "case_conference only"),
        ("public", ('name = "ranks"', 'name = "narrative"'), "fields[9].name", "under no policy"),
        ("public", ('"suicide", ', ""), "never_points", "without suicide"),
        ("internal", ('"homelessness"]', "]"), "never_points", "without homelessness"),
        ("public", ("min_calls = 11", "min_calls = 10"), "hotspots.min_calls", "11"),
        ("public", ("[roles.public]", "[roles.visitor]"), "roles.visitor", "unknown role"),
        ("public", ('"kit"]', '"kit", "brief"]'), "roles.public.views[8]", "internal"),
        ("internal", ('"brief"]\nmay_export = false', '"brief", "analyst"]\nmay_export = false'),
         "roles.command.views[7]", "areas only"),
        ("case_conference", ('members = ["loopback", "sample.clinician", "sample.coordinator"]', ""),
         "members", "named"),
        ("partner", ('redisclosure = "with_written_consent"', 'redisclosure = "free"'), "redisclosure", "[free]"),
        ("public", ("needs_reviewer = true", "needs_reviewer = false"), "sign_off.needs_reviewer", "expected true"),
        ("public", ('needs = "each" },\n  { level = "tract", period = "quarter", detail = "unmet"',
                    'needs = "each" },\n  { level = "tract", period = "quarter", detail = "causes"'),
         "ladder[1]", "ladder[0]"),
        ("public", ('{ name = "city" },\n', '{ name = "beat", within = "city" },\n  { name = "city" },\n'),
         "levels[2].name", "can be subtracted"),
        ("public", ('{ name = "tract", within', '{ name = "block_group", within'),
         "levels[0].name", "tract or coarser"),
        ("public", ("part2 = false\n", ""), "part2", "missing"),
        ("public", ("retention_days = 730", "retention_days = 0"), "retention_days", "1 to 3650"),
        ("public", ("schema = 1\n", "schema = 1\nretention = 3\n"), "retention", "unknown key"),
        ("public", ("homelessness =", "homeles ="), "floors.homeles", "did you mean homelessness?"),
        ("public", ("schema = 1\n", 'schema = 1\napi_key = "x"\n'), "api_key", "secret"),
    ],
)  # fmt: skip
def test_what_a_policy_may_not_say(tmp_path: Path, slug: str, edit: tuple[str, str], where: str, word: str) -> None:
    one(faults(tmp_path, slug, edit), where, word)


HIPAA = '[hipaa]\nmode = "none"'


def test_legal_modes_raise_the_minima(tmp_path: Path) -> None:
    found = faults(tmp_path, "public", (HIPAA, '[hipaa]\nmode = "safe_harbor"'))
    one(found, "periods.grain", "year or coarser", "safe_harbor")
    one(found, "levels[0].name", "zip3, state", "[tract]")
    one(found, "levels[2].name", "[city]")
    one(found, "ladder[0].period", "safe_harbor")
    found = faults(tmp_path, "public", ("part2 = false", "part2 = true"))
    one(found, "levels[0].name", "county, state", "part2")
    one(found, "periods.grain", "year or coarser")
    found = faults(tmp_path, "public", (HIPAA, '[hipaa]\nmode = "limited_data_set"'))
    one(found, "audience", "internal, case_conference, partner", "[public]")
    one(found, "hipaa.evidence", "data use agreement")
    found = faults(tmp_path, "internal", (HIPAA, '[hipaa]\nmode = "expert_determination"'))
    one(found, "suppress", "expert_determination")
    one(found, "hipaa.evidence", "expert's determination")
    found = faults(tmp_path, "case_conference", ("part2 = false", "part2 = true"))
    one(found, "has_places", "never joined to a point")
    found = faults(tmp_path, "partner", ("threshold = 11", "threshold = 5"), ("part2 = false", "part2 = true"))
    assert [fault for fault in found if fault.startswith("threshold: ")] == [
        "threshold: expected at least 11 (hipaa.mode = none), got [5] (CONFIG_VALUE)",
        "threshold: expected at least 11 (part2 = true, no part2_expert), got [5] (CONFIG_VALUE)",
    ]


def test_a_mode_that_is_met_is_let_through(tmp_path: Path) -> None:
    expert = 'part2 = true\npart2_expert = { name = "E. Expert", role = "statistician", date = 2025-01-02 }'
    evidence = f'{HIPAA}\nevidence = {{ name = "DUA 12", role = "provider", date = 2025-01-02 }}'
    text = text_of("partner").replace("part2 = false", expert)
    text = text.replace(HIPAA, evidence.replace('"none"', '"limited_data_set"'))
    assert load_policy(write(tmp_path, text)).part2_expert is not None
    harbor = text_of("public").replace(HIPAA, '[hipaa]\nmode = "safe_harbor"').replace('"quarter"', '"year"')
    for key, value in {
        "levels": '{ name = "zip3", within = "state", base = true }, { name = "state" }',
        "ladder": '{ level = "zip3", period = "year", detail = "calls", needs = "each" }',
    }.items():
        harbor = re.sub(rf"{key} = \[.*?\n\]", f"{key} = [{value}]", harbor, flags=re.DOTALL)
    harbor = harbor.replace('homelessness = "neighbourhood"', 'homelessness = "state"')
    policy = load_policy(write(tmp_path, harbor))
    assert policy.min_population == 20_001
    assert "20,001" in explain(policy)


def test_levels_are_those_of_the_city(tmp_path: Path, city: City) -> None:
    found = faults(tmp_path, "public", ('"neighbourhood"', '"neighborhood"'), city=city)
    one(found, "levels[1].name", "[neighborhood]", "did you mean neighbourhood?")


def test_default_deny() -> None:
    policy = load_policy("public")
    ask = {"role": "public", "purpose": "planning"}
    assert allows(policy, **ask, view="explore")
    assert not allows(policy, **ask)
    assert "nothing was asked" in allows(policy, **ask).reason
    assert "no view" in allows(policy, **ask, view="places").reason
    assert "does not leave" in allows(policy, **ask, field="place_points").reason
    assert "does not leave" in allows(policy, **ask, field="address").reason
    assert "no role" in allows(policy, role="analyst", purpose="planning", view="explore").reason
    assert "no purpose" in allows(policy, role="public", purpose="curiosity", view="explore").reason
    assert "not for planning" in allows(policy, **ask, view="kit").reason
    assert "looks like" not in allows(policy, role="public", purpose="grant", view="kit").reason


@pytest.mark.parametrize("slug", AUDIENCES)
def test_the_matrix_of_roles_views_and_fields_is_exactly_what_the_policy_names(slug: str) -> None:
    policy = load_policy(slug)
    for role in (*ROLES, "root", ""):
        known = policy.role(role)
        for purpose in ("planning", "grant", "evaluation", "enforcement", ""):
            may = known is not None and purpose in known.purposes
            for view in (*VIEWS, "debug"):
                named = may and known is not None and view in known.views and VIEWS[view].purpose in ("", purpose)
                assert bool(allows(policy, role=role, purpose=purpose, view=view, who="loopback")) == named
            for field in (*FIELDS, *NEVER):
                if allows(policy, role=role, purpose=purpose, field=field, who="loopback"):
                    assert may
                    assert policy.field(field) is not None


def test_named_staff_only_and_places_never_in_a_file() -> None:
    policy = load_policy("case_conference")
    ask = {"role": "analyst", "purpose": "planning"}
    assert allows(policy, **ask, view="places", who="sample.clinician")
    assert "names its readers" in allows(policy, **ask, view="places", who="somebody").reason
    assert "names its readers" in allows(policy, **ask, view="places").reason
    assert "never exported" in allows(policy, **ask, view="places", export=True, who="loopback").reason
    assert "never exported" in allows(policy, **ask, field="place_points", export=True, who="loopback").reason
    assert allows(policy, **ask, field="masked_points", export=True, who="loopback")
    planner = {"role": "planner", "purpose": "planning", "who": "loopback"}
    assert "take nothing away" in allows(policy, **planner, view="explore", export=True).reason
    assert "analyst's own" in allows(policy, **planner, field="masked_points").reason


def test_grant_material_leaves_from_public_and_partner_only(tmp_path: Path) -> None:
    text = text_of("internal").replace(
        'purposes = ["planning", "evaluation"]\n', 'purposes = ["planning", "evaluation", "grant"]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(write(tmp_path, text))
    one(caught.value.faults, "roles.planner.may_export", "public or partner")


def signed(policy: Policy, **changes: Any) -> Policy:
    base = dataclasses.replace(policy, synthetic=(), expires=date(2027, 1, 1), partners_previewed=date(2025, 5, 1))
    counsel = SignOff(name="C", role="city attorney", date=date(2025, 5, 2), terms=terms_hash(base))
    return dataclasses.replace(dataclasses.replace(base, counsel=counsel), **changes)


def test_gates_say_which_sign_off_is_missing(real_city: City) -> None:
    policy = signed(load_policy("public"))
    ask = {"city": real_city, "draft_rules": False, "draft_matching": False}
    assert gates(policy, **ask) == []
    (said,) = gates(policy, **{**ask, "draft_rules": True})
    assert "tiers are a draft" in said
    (said,) = gates(policy, **{**ask, "draft_matching": True})
    assert "data/matching" in said
    (said,) = gates(dataclasses.replace(policy, counsel=None), **ask)
    assert "no counsel has signed" in said
    (said,) = gates(dataclasses.replace(policy, partners_previewed=None), **ask)
    assert "own record" in said
    (said,) = gates(dataclasses.replace(policy, retention_days=731), **ask)
    assert "counsel signed other terms" in said
    assert "2025-05-31" in gates(signed(load_policy("public"), expires=date(2025, 5, 31)), **ask)[0]


@pytest.mark.parametrize(("floor", "fine"), [((), "tract"), ((("homelessness", "tract"),), "tract")])
def test_homelessness_below_district_is_a_closed_gate(
    real_city: City, floor: tuple[tuple[str, str], ...], fine: str
) -> None:
    policy = dataclasses.replace(load_policy("public"), floors=floor, synthetic=(), expires=date(2027, 1, 1))
    said = [one for one in gates(policy, city=real_city, draft_rules=False, draft_matching=False) if "floors" in one]
    assert len(said) == 1
    assert f"[{fine}]" in said[0]


def test_a_waiver_holds_for_a_synthetic_city_only_and_is_said(city: City, real_city: City) -> None:
    policy = load_policy("public")
    assert len(waivers(policy, city=city)) == 3
    assert all("synthetic" in line for line in waivers(policy, city=city))
    assert waivers(policy, city=real_city) == []
    said = gates(policy, city=real_city, draft_rules=True, draft_matching=True)
    assert sum("sign_off" in line or "draft" in line for line in said) == 5
    bare = dataclasses.replace(policy, synthetic=())
    assert len(gates(bare, city=city, draft_rules=True, draft_matching=True)) == 4


def test_nobody_has_signed_tomorrow(tmp_path: Path) -> None:
    found = faults(tmp_path, "public", ("[sign_off]\n", "[sign_off]\npartners_previewed = 2025-06-02\n"))
    one(found, "sign_off.partners_previewed", "a day that has been")


def test_hash_is_of_what_is_said_and_terms_are_all_but_who_signed(tmp_path: Path) -> None:
    policy = load_policy("public")
    commented = load_policy(write(tmp_path, "# another comment\n" + text_of("public")))
    assert policy_hash(commented) == policy_hash(policy)
    for name in ("threshold", "retention_days", "delay_days"):
        changed = dataclasses.replace(policy, **{name: getattr(policy, name) + 1})
        assert policy_hash(changed) != policy_hash(policy)
        assert terms_hash(changed) != terms_hash(policy)
    by_counsel = signed(policy)
    assert by_counsel.counsel is not None
    assert by_counsel.counsel.terms == terms_hash(by_counsel)


def test_tables_and_needs_that_must_be_absent() -> None:
    tables = {slug: release_tables(load_policy(slug)) for slug in AUDIENCES}
    for slug in ("internal", "partner", "public"):
        assert not tables[slug] & {"places", "place_hours", "reach", "masked"}
    assert tables["case_conference"] >= {"places", "place_hours", "reach"}
    public = load_policy("public")
    assert barred_needs(public, "tract") == {"homelessness", "social"}
    assert barred_needs(public, "neighbourhood") == barred_needs(public, "city") == frozenset()


@pytest.mark.parametrize("slug", AUDIENCES)
def test_explain_is_plain_and_claims_nothing(slug: str) -> None:
    policy = load_policy(slug)
    text = explain(policy)
    assert not re.search(r"ensur|complian|comply|guarantee|safe to", text, re.IGNORECASE)
    assert max(map(len, text.splitlines())) <= 100
    for heading in ("WHO SEES WHAT", "WHAT LEAVES THE STORE", "WHAT IS HIDDEN", "WHAT NEVER LEAVES", "HOW LONG"):
        assert heading in text
    for word in [role.name for role in policy.roles] + [field.name for field in policy.fields]:
        assert word in text
    assert terms_hash(policy) in text
    assert "not legal advice" in text
    assert "Counsel: not signed." in text


def test_finding_a_policy(tmp_path: Path) -> None:
    for wrong, word in [("publik", "did you mean public?"), (str(tmp_path / "none.toml"), "no such file"),
                        ("policy.yaml/x", "no such file")]:  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            load_policy(wrong)
        assert word in str(caught.value)
    for raw in (b"a = ", b"\xff\xfe", b"a" * 300_000):
        (tmp_path / "bad.toml").write_bytes(raw)
        with pytest.raises(ConfigError, match="CONFIG_SYNTAX"):
            load_policy(tmp_path / "bad.toml")


def _paths(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where] * bool(where) + [path for key, item in inner for path in _paths(item, (*where, key))]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


ODD: list[Any] = [
    0,
    -1,
    99999,
    True,
    "",
    "nonsense",
    "enforcement",
    [],
    ["x"],
    [[1]],
    {},
    {"a": 1},
    1.5,
    date(2020, 1, 1),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_key_removed_or_made_odd_gives_a_policy_or_named_faults(tmp_path: Path, data: st.DataObject) -> None:
    table: Any = copy.deepcopy(tomllib.loads(text_of(data.draw(st.sampled_from(AUDIENCES)))))
    where = data.draw(st.sampled_from(_paths(table)))
    parent = table
    for key in where[:-1]:
        parent = parent[key]
    if data.draw(st.booleans()):
        del parent[where[-1]]
    else:
        parent[where[-1]] = data.draw(st.sampled_from(ODD))
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())
    found: tuple[str, ...] = ()
    policy = None
    try:
        policy = load_policy(write(tmp_path, text))
    except ConfigError as error:
        found = error.faults
    assert (policy is None) == bool(found)
    assert all(re.match(r"[\w\[\]. ]+: ", fault) for fault in found)
    if policy is not None:
        assert policy.threshold >= 11
        assert "enforcement" not in policy.purposes
        assert policy.audience not in ("partner", "public") or (policy.is_suppressed and not policy.has_places)
        assert explain(policy)
