"""The one catalogue of what the screens say, in English: `say(key, **values)`. One module a page; no text elsewhere."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType


def _catalogue() -> Mapping[str, str]:
    texts: dict[str, str] = {}
    for found in iter_modules(__path__):
        told: dict[str, str] = import_module(f"{__name__}.{found.name}").TEXT
        if twice := sorted(set(texts) & set(told)):
            raise ValueError(f"words/{found.name}.py: expected new keys, got [{', '.join(twice)}] again")
        texts |= told
    return MappingProxyType(texts)


TEXTS = _catalogue()


def say(key: str, **values: object) -> str:
    """The text of a key, its `{names}` filled in.

    Raises:
        KeyError: no such text, or a name without a value.
    """
    return TEXTS[key].format(**values) if values else TEXTS[key]


def say_or(key: str, otherwise: str) -> str:
    """The text of a key, or `otherwise` where the catalogue has none (ids of levels and call reasons of a city)."""
    return TEXTS.get(key, otherwise)
