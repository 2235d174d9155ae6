"""Opening hours written for people ("M-F 8:00 AM - 4:30 PM"), as spans, or None where anything was not read.

The grammar is small on purpose. A clause is days, then times; clauses are parted by `;`, a line end, or a comma
before the next days. Times carry am or pm on both sides, or are two-digit 24-hour times that do not run backwards.
"9-5", "8:00-4:30", "9am-late" and a day given twice are refused, because each can be read in two ways.
"""

import re

Spans = list[tuple[int, int, int]] | None

_NAMES = (
    ("mondays", "monday", "mon", "mo", "m"),
    ("tuesdays", "tuesday", "tues", "tue", "tu"),
    ("wednesdays", "wednesday", "weds", "wed", "we", "w"),
    ("thursdays", "thursday", "thurs", "thur", "thu", "th"),
    ("fridays", "friday", "fri", "fr", "f"),
    ("saturdays", "saturday", "sat", "sa"),
    ("sundays", "sunday", "sun", "su"),
)
_DAY = {name: day for day, names in enumerate(_NAMES) for name in names}
_GROUPS = {
    "daily": range(7),
    "every day": range(7),
    "everyday": range(7),
    "7 days a week": range(7),
    "seven days a week": range(7),
    "weekdays": range(5),
    "weekends": range(5, 7),
}
_SEVEN = r"(,? ?(and )?(7|seven) days( a week| per week|/week)?)?"
_ALWAYS = re.compile(rf"(open |available )?(24/7|24 ?(hours|hrs)( a day| per day|/day|/7)?{_SEVEN})")
_DAY_WORD = "|".join(sorted((name for name in _DAY), key=len, reverse=True))
_GROUP_WORD = "|".join(_GROUPS)
_RANGE = re.compile(rf"({_DAY_WORD})\.?(?:-({_DAY_WORD})\.?)?")
_TIME = r"(?:\d{1,2}(?::\d{2})?(?:am|pm)|\d{2}:\d{2}|noon|midnight)"
_SPAN = re.compile(rf"({_TIME})-({_TIME})")
_DAY_RANGE = rf"(?:{_DAY_WORD})\.?(?:-(?:{_DAY_WORD})\.?)?"
_DAYS_PART = rf"(?:{_GROUP_WORD}|{_DAY_RANGE}(?:[,&]+{_DAY_RANGE})*)"
_TIMES_PART = rf"(?:{_TIME}-{_TIME})(?:[,&]+{_TIME}-{_TIME})*|24hours|closed"
_CLAUSE = re.compile(rf"({_DAYS_PART})[:, ]*({_TIMES_PART})")


def text_spans(text: str) -> Spans:
    """Spans (day, opening minute, closing minute) of hours written for people, or None where any part is unread.

    >>> text_spans("Mon-Wed 9am-5pm")
    [(0, 540, 1020), (1, 540, 1020), (2, 540, 1020)]
    >>> text_spans("9-5 most days") is None
    True
    """
    plain = " ".join(text.lower().replace("–", "-").replace("—", "-").split())
    if _ALWAYS.fullmatch(plain.strip(" .")):
        return [(day, 0, 1440) for day in range(7)]
    spans: list[tuple[int, int, int]] = []
    seen: set[int] = set()
    for day_words, time_words in _clauses(text) or ():
        days = _days(day_words)
        if days is None or seen & set(days):
            return None
        seen |= set(days)
        read = _times(time_words)
        if read is None:
            return None
        spans += [(day, opens, closes) for day in days for opens, closes in read]
    return spans or None


def _clauses(text: str) -> list[tuple[str, str]] | None:
    """(days, times) of each clause in one spelling, or None where a character is left over."""
    out: list[tuple[str, str]] = []
    for line in re.split(r"[;\n]+", _spelled(text)):
        at = 0
        rest = line.strip(" .,&")
        while at < len(rest):
            found = _CLAUSE.match(rest, at)
            if found is None or (found.end() < len(rest) and rest[found.end()] not in ",& "):
                return None
            out.append((found[1], found[2]))
            at = found.end()
            while at < len(rest) and rest[at] in ",& ":
                at += 1
    return out


def _spelled(text: str) -> str:
    """Lower case, one hyphen for every kind of range, `&` for and, no blank inside a time or beside a comma."""
    plain = text.lower()
    for dash in ("–", "—", "−", " through ", " thru ", " to ", " until "):
        plain = plain.replace(dash, "-")
    plain = re.sub(r"(?<=[\d ])([ap])\.?\s?m\b\.?", r"\1m", plain)
    plain = re.sub(r"\b12\s?(noon|midnight)\b", r"\1", plain)
    plain = re.sub(r"(?<=\d)\s+(?=[ap]m\b)", "", plain)
    plain = re.sub(r"\b24\s?(hours|hrs)\b", "24hours", plain)
    plain = re.sub(r"[ \t]*-[ \t]*", "-", plain)
    plain = re.sub(r"[ \t]*(?:,|\band\b|&)[ \t]*", lambda m: "," if "," in m[0] else "&", plain)
    return re.sub(r"[ \t]+", " ", plain)


def _days(text: str) -> list[int] | None:
    if text in _GROUPS:
        return list(_GROUPS[text])
    days: list[int] = []
    for part in re.split(r"[,&]+", text):
        found = _RANGE.fullmatch(part)
        if found is None:
            return None
        first = _DAY[found[1]]
        last = _DAY[found[2]] if found[2] else first
        days += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return days if len(set(days)) == len(days) else None


def _times(text: str) -> list[tuple[int, int]] | None:
    if text == "closed":
        return []
    if text == "24hours":
        return [(0, 1440)]
    out = []
    for opens, closes in _SPAN.findall(text):
        start, end = _minute(opens, closing=False), _minute(closes, closing=True)
        plain = opens[-1].isdigit() and closes[-1].isdigit()
        mixed = opens[-1].isdigit() != closes[-1].isdigit() and not {opens, closes} & {"noon", "midnight"}
        if start is None or end is None or start == end or mixed or (plain and end < start):
            return None
        out.append((start, end))
    return out


def _minute(text: str, *, closing: bool) -> int | None:
    if text in ("noon", "midnight"):
        return 720 if text == "noon" else (1440 if closing else 0)
    digits = text.removesuffix("am").removesuffix("pm")
    hour, _, minute = digits.partition(":")
    h, m = int(hour), int(minute or 0)
    if m > 59:
        return None
    if digits != text:
        if not 1 <= h <= 12:
            return None
        h = h % 12 + (12 if text.endswith("pm") else 0)
    elif h > 24 or (h == 24 and m):
        return None
    total = h * 60 + m
    if closing and total in (0, 1439):
        return 1440
    return total
