"""Every rule of `data/rules` has an example that it, and no rule before it, reads."""

import csv
from pathlib import Path

import pytest

from pipelines.classify import normalise, read_type
from pipelines.vocabulary import Rule, RuleBook, call_rules

EXAMPLES = Path(__file__).parent / "call_rule_examples.csv"
CITIES = ("", "san_francisco", "fargo_nd", "montgomery_pa")


def _examples() -> list[tuple[str, str, str]]:
    with EXAMPLES.open(encoding="utf-8", newline="") as lines:
        return [(row["rule"], row["city"], row["text"]) for row in csv.DictReader(lines)]


def _all(book: RuleBook) -> tuple[Rule, ...]:
    return (
        *book.call_types,
        *book.raises,
        *book.sensitive,
        *book.origin_hints,
        *book.sources,
        *book.dispositions,
    )


def test_every_rule_has_an_example() -> None:
    ids = {rule.id for city in CITIES for rule in _all(call_rules(city))}
    told = {rule for rule, _, _ in _examples()}
    assert ids - told == set(), "add one line per rule to tests/call_rule_examples.csv"
    assert told - ids == set(), "these examples name no rule"


@pytest.mark.parametrize(("rule_id", "city", "text"), _examples(), ids=lambda value: str(value))
def test_example_is_read_by_its_rule(rule_id: str, city: str, text: str) -> None:
    book = call_rules(city)
    rule = next(rule for rule in _all(book) if rule.id == rule_id)
    if rule.kind == "call_type":
        assert read_type(text, book).rule == rule_id
        return
    code, words = normalise(text, book)
    assert rule.fires(code if rule.field == "code" else words)


def test_no_rule_reads_an_empty_text() -> None:
    for city in CITIES:
        assert [rule.id for rule in _all(call_rules(city)) if rule.fires("")] == []


def test_in_scope_rules_with_an_unknown_tier_say_why() -> None:
    scoped = ("mental_health", "substance_use", "homelessness", "welfare_check", "youth_family")
    for city in CITIES:
        silent = [
            rule.id
            for rule in call_rules(city).call_types
            if rule.need in scoped and rule.tier is None and not rule.note
        ]
        assert set(silent) <= {"apco-missing", "sf-down"}
