"""Needs and rule books: contents, order, identity and the faults they name."""

import time
from pathlib import Path

import pytest

from geo.errors import ConfigError
from pipelines import vocabulary
from pipelines.resources import data_path

HEAD = 'version = "1.0.0"\nkind = "{kind}"\n'


def _write(folder: Path, text: str, *, kind: str = "call_type") -> Path:
    path = folder / "own.toml"
    path.write_text(HEAD.format(kind=kind) + text, encoding="utf-8")
    return path


def test_needs_and_classes_are_the_agreed_ones() -> None:
    needs = vocabulary.needs()
    assert {need.code: need.id for need in needs.values()} == {
        "MH": "mental_health",
        "SU": "substance_use",
        "HL": "homelessness",
        "WC": "welfare_check",
        "MED": "medical",
        "JUV": "youth_family",
        "NQ": "quality_of_life",
        "OTHER_NC": "other_noncriminal",
        "TRAF": "traffic",
        "ALARM": "alarm",
        "ADMIN": "administrative",
        "CRIM": "criminal",
        "UNMATCHED": "unmatched",
    }
    assert {need.id: need.legs for need in needs.values() if need.in_scope} == {
        "mental_health": ("contact", "respond", "place"),
        "substance_use": ("contact", "respond", "place"),
        "homelessness": ("respond", "place"),
        "welfare_check": ("contact", "respond"),
        "youth_family": ("contact", "respond"),
    }
    assert {need.job_min for need in needs.values()} == {60}
    assert needs["welfare_check"].tier == 0
    assert needs["medical"].tier == 3


def test_rules_of_a_city_join_the_common_ones_and_no_other_city_sees_them() -> None:
    common = {rule.id for rule in vocabulary.call_rules().call_types}
    fargo = {rule.id for rule in vocabulary.call_rules("fargo_nd").call_types}
    assert common < fargo
    assert all(rule.startswith("fargo-") for rule in fargo - common)
    assert vocabulary.call_rules("nowhere").call_types == vocabulary.call_rules().call_types


def test_bands_are_tried_in_order() -> None:
    bands = [rule.band for rule in vocabulary.call_rules("san_francisco").call_types]
    assert bands == sorted(bands)


def test_hash_changes_with_the_rules_and_with_a_switch(tmp_path: Path) -> None:
    own = _write(tmp_path, 'rules = [{ id = "own", band = 1, pattern = "XYZ", need = "homelessness" }]')
    hashes = {
        vocabulary.call_rules().content_hash,
        vocabulary.call_rules("fargo_nd").content_hash,
        vocabulary.call_rules(files=(own,)).content_hash,
        vocabulary.call_rules(off=("public_intoxication",)).content_hash,
    }
    assert len(hashes) == 4
    assert vocabulary.version("fargo_nd").endswith(vocabulary.content_hash("fargo_nd")[:12])


def test_files_without_a_reviewer_are_drafts() -> None:
    book = vocabulary.call_rules()
    assert book.is_draft
    assert "need.toml" in book.draft_files


def test_all_faults_of_a_rule_file_are_named_at_once(tmp_path: Path) -> None:
    own = _write(
        tmp_path,
        """rules = [
  { id = "a", band = 1, pattern = "(?<!NO )WELFARE", need = "welfare_check" },
  { id = "b", band = 1, pattern = "X", need = "nothing" },
  { id = "c", band = 1, pattern = "X", need = "medical", tier = 7 },
  { id = "d", pattern = "X", need = "medical" },
  { id = "e", band = 1, pattern = "X", need = "medical", colour = "red" },
  { id = "f", band = 1, pattern = "X", need = "medical", secondary = ["nobody"] },
]""",
    )
    with pytest.raises(ConfigError) as caught:
        vocabulary.call_rules(files=(own,))
    text = str(caught.value)
    for part in ("own.toml.a.pattern", "unless", "[nothing]", "[7]", "d.band", "e.colour", "['nobody']"):
        assert part in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('rules = [{ id = "alarm", band = 1, pattern = "X", need = "alarm" }]', "alarm: expected each id once"),
        ("rules = [", "expected TOML"),
        ('colour = "red"', "own.toml.colour: unknown key"),
        ('field = "notes"', "expected text or code, got [notes]"),
    ],
)
def test_faulty_file_is_refused(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        vocabulary.call_rules(files=(_write(tmp_path, text),))
    assert part in str(caught.value)


def test_a_pattern_that_hangs_other_engines_does_not_hang_this_one(tmp_path: Path) -> None:
    own = _write(tmp_path, "rules = [{ id = 'slow', band = 1, pattern = '^(A+)+$', need = 'alarm' }]")
    rule = next(rule for rule in vocabulary.call_rules(files=(own,)).call_types if rule.id == "slow")
    started = time.perf_counter()
    assert not rule.fires("A" * 5000 + "!")
    assert time.perf_counter() - started < 1


def test_an_overlong_pattern_is_refused(tmp_path: Path) -> None:
    own = _write(tmp_path, f"rules = [{{ id = 'long', band = 1, pattern = '{'A' * 2000}', need = 'alarm' }}]")
    with pytest.raises(ConfigError, match="split the rule"):
        vocabulary.call_rules(files=(own,))


def test_switch_turns_the_offence_off() -> None:
    def criminal(off: tuple[str, ...]) -> bool:
        rules = vocabulary.call_rules(off=off).call_types
        return next(rule for rule in rules if rule.id == "crime-public-intoxication").is_criminal

    assert criminal(())
    assert not criminal(("public_intoxication",))


def test_origins_and_dispositions_are_at_hand() -> None:
    assert {rule.origin for rule in vocabulary.origins()} == set(vocabulary.ORIGINS) - {"unknown"}
    assert any(rule.city == "san_francisco" for rule in vocabulary.dispositions("san_francisco"))
    assert not any(rule.city for rule in vocabulary.dispositions())


@pytest.mark.parametrize("parts", [("..", "pyproject.toml"), ("rules", "nothing.toml")])
def test_data_path_leads_to_a_file_of_the_project_or_nowhere(parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        data_path(*parts)
