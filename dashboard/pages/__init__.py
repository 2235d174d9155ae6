"""The pages, in the order of the navigation. A page is a module with PATH, TITLE, VIEW, `layout` and `register`."""

from types import ModuleType

from dashboard.pages import explore

PAGES: tuple[ModuleType, ...] = (explore,)
