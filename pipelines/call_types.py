"""The stages `call_types` and `dispositions`: the distinct words of a city with what the rules say of them."""

from pathlib import Path

import pandas as pd

from pipelines.city import City
from pipelines.classify import classify_dispositions, classify_types
from pipelines.engine import connect, frame, scan
from pipelines.vocabulary import call_rules

WARN_UNMATCHED, TOO_UNMATCHED = 0.05, 0.15
LISTED = 20


def call_types(city: City, work: Path, raw_calls: tuple[Path, ...]) -> dict[str, pd.DataFrame]:
    """`call_types`, a row per distinct pair of final and initial words, and `quality_classify`."""
    pairs = frame(
        connect(work),
        f"""SELECT call_type, call_type_initial, count(*)::BIGINT AS n_rows,
                   count(*) FILTER (origin IS NULL OR origin = 'community')::BIGINT AS n_community
            FROM {scan(raw_calls)} GROUP BY ALL ORDER BY 1, 2""",
    )
    book = call_rules(city.slug)
    found = classify_types(pairs.rename(columns={"call_type": "call_type_final"}), book)
    told = found.drop(columns=["call_type_final", "call_type_initial"]).rename(columns={"call_type": "used_type"})
    table = pd.concat([pairs, told], axis=1)
    table["n_community"] = table["n_community"].where(table["origin_hint"] != "officer", 0)
    return {"call_types": table, "quality_classify": _findings(table, book.is_draft)}


def dispositions(city: City, work: Path, raw_calls: tuple[Path, ...]) -> pd.DataFrame:
    """`dispositions`, a row per distinct text; a missing one says nothing."""
    texts = frame(connect(work), f"SELECT DISTINCT disposition FROM {scan(raw_calls)} ORDER BY 1")["disposition"]
    found = classify_dispositions([None if pd.isna(text) else text for text in texts], call_rules(city.slug))
    return found.drop_duplicates("disposition").reset_index(drop=True)


def _findings(table: pd.DataFrame, is_draft: bool) -> pd.DataFrame:
    """How much no rule matched, with the most frequent types, and whether the rules were reviewed."""
    unmatched = table[table["need"] == "unmatched"]
    n = int(unmatched["n_community"].sum())
    share = n / max(1, int(table["n_community"].sum()))
    severity = "error" if share > TOO_UNMATCHED else "warning" if share > WARN_UNMATCHED else "info"
    often = unmatched.groupby(unmatched["used_type"].fillna("(blank)"))["n_community"].sum().nlargest(LISTED)
    listed = "; ".join(f"{str(text)[:40]} ({count:,})" for text, count in often.items() if count)
    rows: list[tuple[str, str, int, float | None, str, str | None]] = [
        ("UNKNOWN_CALL_TYPE", severity, n, share, "community calls whose type no rule matched", listed or None)
    ]
    if is_draft:
        words = "call rules have no reviewer: draft classification - not for publication"
        rows.append(("DRAFT_RULES", "warning", 0, None, words, None))
    return pd.DataFrame(
        [
            {
                "stage": "classify",
                "source_id": "*",
                "reason": reason,
                "severity": kind,
                "n_rows": count,
                "share": part,
                "detail": detail,
                "sample": sample,
            }
            for reason, kind, count, part, detail, sample in rows
        ]
    )
