"""What has run out is removed and logged; what has not, or cannot be read, stays."""

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import retire as module
from pipelines.audit import AuditError, append, verify
from pipelines.policy import Policy, load_policy
from pipelines.retire import retire

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "releases"


@pytest.fixture(scope="module")
def public() -> Policy:
    return load_policy("public")


def make(root: Path, name: str, **changes: Any) -> Path:
    folder = root / "sample" / "public" / name
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "cells.parquet").write_bytes(b"x")
    said = {"release_id": name, "city": "sample", "policy": "public", "made_at": "2025-05-01T00:00:00+00:00",
            "expires": "never", "retention_days": 365}  # fmt: skip
    (folder / "release.json").write_text(json.dumps({**said, **changes}))
    return folder


def states(found: list[module.Retired]) -> dict[str, str]:
    return {one.path.name: one.state for one in found}


def go(root: Path, policies: dict[str, Policy] | None = None, **settings: Any) -> list[module.Retired]:
    return retire(root, policies or {}, audit_path=root.parent / "audit.jsonl", who="operator", now=NOW, **settings)


def test_what_has_run_out_goes_and_each_is_logged(root: Path, public: Policy) -> None:
    kept = make(root, "kept")
    last_day = make(root, "last_day", expires="2025-06-01")
    ended = make(root, "ended", expires="2025-05-31")
    old = make(root, "old", made_at="2025-04-01T00:00:00+00:00", retention_days=61)
    found = go(root, {"public": public})
    assert states(found) == {"kept": "kept", "last_day": "kept", "ended": "removed", "old": "removed"}
    assert kept.is_dir()
    assert last_day.is_dir()
    assert not ended.exists()
    assert not old.exists()
    log = root.parent / "audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["action"], line["release"], line["who"]) for line in lines] == [
        ("retire", "ended", "operator"),
        ("retire", "old", "operator"),
    ]
    assert lines[0]["what"] == {"policy": "public", "reason": "its policy ended on 2025-05-31", "files": 2}
    assert lines[1]["what"]["reason"] == "its retention ended on 2025-06-01"
    assert verify(log).is_whole
    assert states(go(root)) == {"kept": "kept", "last_day": "kept"}
    assert len(log.read_text().splitlines()) == 2


def test_retention_ends_at_its_instant(root: Path) -> None:
    make(root, "at", made_at="2025-05-02T12:00:00+00:00", retention_days=30)
    make(root, "past", made_at="2025-05-02T11:59:59+00:00", retention_days=30)
    assert states(go(root, dry_run=True)) == {"at": "kept", "past": "due"}


def test_a_policy_that_was_ended_or_shortened_counts_for_releases_made_before(root: Path, public: Policy) -> None:
    make(root, "one")
    assert states(go(root, {"public": public}, dry_run=True)) == {"one": "kept"}
    ended = dataclasses.replace(public, expires=date(2025, 5, 31))
    assert states(go(root, {"public": ended}, dry_run=True)) == {"one": "due"}
    shorter = dataclasses.replace(public, retention_days=10)
    assert states(go(root, {"public": shorter}, dry_run=True)) == {"one": "due"}
    assert states(go(root, {"partner": ended}, dry_run=True)) == {"one": "kept"}


def test_a_policy_may_not_lengthen_what_a_release_says(root: Path, public: Policy) -> None:
    make(root, "one", retention_days=10)
    make(root, "two", expires="2025-05-31")
    longer = dataclasses.replace(public, retention_days=3650, expires=date(2030, 1, 1))
    assert states(go(root, {"public": longer}, dry_run=True)) == {"one": "due", "two": "due"}


def test_a_dry_run_removes_and_logs_nothing(root: Path) -> None:
    folder = make(root, "ended", expires="2025-05-31")
    assert states(go(root, dry_run=True)) == {"ended": "due"}
    assert folder.is_dir()
    assert not (root.parent / "audit.jsonl").exists()


@pytest.mark.parametrize(
    "odd",
    [{"city": "other"}, {"policy": "internal"}, {"release_id": "../x"}, {"expires": "soon"}, {"retention_days": "9"},
     {"retention_days": True}, {"retention_days": 10**12}, {"retention_days": -1}, {"made_at": 5}, {"expires": 5}],
)  # fmt: skip
def test_what_cannot_be_read_or_is_not_where_it_says_stays(root: Path, odd: dict[str, Any]) -> None:
    folder = make(root, "odd", **{"made_at": "2020-01-01T00:00:00+00:00", **odd})
    (found,) = go(root)
    assert found.state == "unclear"
    assert (folder / "tables" / "cells.parquet").exists()


def test_broken_and_missing_manifests_and_links_stay(root: Path, tmp_path: Path) -> None:
    (make(root, "broken") / "release.json").write_text("{")
    (make(root, "none") / "release.json").unlink()
    (make(root, "list") / "release.json").write_text("[]")
    outside = make(tmp_path / "elsewhere", "outside", expires="2020-01-01")
    (root / "sample" / "public" / "outside").symlink_to(outside)
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "sample")
    assert set(states(go(root)).values()) == {"unclear"}
    assert (outside / "release.json").exists()


def test_nothing_goes_where_the_log_cannot_be_written(root: Path, tmp_path: Path) -> None:
    folder = make(root, "ended", expires="2025-05-31")
    log = tmp_path / "audit.jsonl"
    append(log, who="a", role="", purpose="", action="open", release="", what={}, n_rows=0, city="")
    log.write_bytes(log.read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(AuditError):
        go(root)
    assert (folder / "release.json").exists()


def test_a_removal_that_was_cut_short_is_ended_by_the_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root, "ended", expires="2025-05-31")

    def stop(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            go(root)
    left = root / "sample" / "public" / ".ended.retiring"
    assert left.is_dir()
    (found,) = go(root)
    assert (found.state, found.release_id) == ("removed", "ended")
    assert not left.exists()


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert go(tmp_path / "none") == []
