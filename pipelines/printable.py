"""Text from data made fit for a terminal: what could move the cursor, colour or reorder a line is spelled out."""

import json
import re
import unicodedata

_JOINERS = "\u200c\u200d"  # words of several scripts need them, and they reorder nothing
_LINE_ENDS = "\u2028\u2029"


def printable(text: str, *, lines: bool = False) -> str:
    r"""The same text with control, direction and other invisible characters as escapes; `lines` keeps line feeds.

    >>> printable("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    return "".join(_spelled(one) if _is_hidden(one) and not (lines and one == "\n") else one for one in text)


def printable_json(text: str) -> str:
    r"""JSON text with the same characters as JSON escapes, so that a program reads what it would have read.

    >>> printable_json('"\u202e"')
    '"\\u202e"'
    """
    return re.sub(r"[^\x20-\x7e\n]", lambda one: json.dumps(one[0])[1:-1] if _is_hidden(one[0]) else one[0], text)


def _is_hidden(one: str) -> bool:
    return one not in _JOINERS and (unicodedata.category(one) in ("Cc", "Cf", "Cs") or one in _LINE_ENDS)


def _spelled(one: str) -> str:
    return ascii(one)[1:-1] if ord(one) < 0x20 or ord(one) > 0x7E else one
