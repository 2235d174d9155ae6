"""What tests of pages share: acting and waiting for the answer, axe, forging callbacks."""

from typing import Any

AXE_BAD = ("serious", "critical")


def painted(page: Any, act: Any) -> None:
    """Does something that paints the map anew, and waits until it has."""
    before = page.evaluate("document.body.dataset.painted")
    act()
    page.wait_for_selector(f'body:not([data-painted="{before}"])')


def choose(page: Any, identity: str, label: str) -> None:
    """Chooses an option of a select of the left rail by its text."""
    page.locator(f"#{identity}").click()
    page.get_by_role("option", name=label, exact=True).click()


def axe(page: Any) -> list[str]:
    """Serious and critical findings of axe-core on a page, each with the element."""
    from importlib.resources import files

    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in AXE_BAD
        for node in one["nodes"]
    ]


def body_of(app: Any, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The request of a callback as the browser would send it; `values` by `id.property`, None for the others."""
    key, known = next((k, v) for k, v in app.server.config["UNMET_CALLBACKS"].items() if v.name == name)
    sent = {
        "output": key,
        "outputs": known.outputs,
        "inputs": [{"id": i, "property": p, "value": values.get(f"{i}.{p}")} for i, p in known.inputs],
        "changedPropIds": [f"{known.inputs[0][0]}.{known.inputs[0][1]}"],
    }
    if known.state:
        sent["state"] = [{"id": i, "property": p, "value": values.get(f"{i}.{p}")} for i, p in known.state]
    return sent
