"""The standalone gap map: one HTML file without any outside resource. The only module that touches folium.

folium renders what it is given as a template, so it is given numbers only: shapes with an index. All words travel
as inert JSON that the page's own script writes by `textContent`, or as text escaped by `escape`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import shapely

from geo.errors import UnmetError
from pipelines.map_data import BREAKS, MapData, map_data
from pipelines.release import Release

LARGEST_BYTES = 2_000_000
RISKY = "&<>\"'{}$`\\"
LAYERS = ("areas", "named", "recurring")
FOLIUM_HOSTS = re.compile(
    r"https://(cdn\.jsdelivr\.net|code\.jquery\.com|cdnjs\.cloudflare\.com|netdna\.bootstrapcdn\.com)/[^\"']+"
)
NAMESPACES = ("http://www.w3.org/2000/svg", "https://leafletjs.com")
FETCHING = ("src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "background", "ping")
FETCHING_TAGS = ("link", "iframe", "frame", "object", "embed", "base", "img", "video", "audio", "source")


def write_gap_map(release: Release, path: Path) -> Path:
    """The path of the written map: one offline page made from a release and nothing else.

    Raises:
        UnmetError: the release has no outlines or no outcomes; or the page would fetch something, or is over 2 MB.
    """
    page = _page(map_data(release))
    check_offline(page)
    size = len(page.encode("utf-8"))
    if size >= LARGEST_BYTES:
        raise UnmetError(f"expected a map below {LARGEST_BYTES:,} bytes, got [{size:,}]; use a coarser base level")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def escape(text: object) -> str:
    """Text in which every character that HTML, Jinja or a JavaScript template could read is a numeric entity.

    >>> escape("{{7*7}} <b>")
    '&#123;&#123;7*7&#125;&#125; &#60;b&#62;'
    """
    return "".join(f"&#{ord(c)};" if c in RISKY or c in "\u2028\u2029" else c for c in str(text))


def inert_json(value: object) -> str:
    """JSON that no HTML parser can leave: ASCII only, with `<`, `>` and `&` as escapes.

    >>> inert_json({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page(data: MapData) -> str:
    """The whole page: shell, styles, inert data, Leaflet, folium's drawing, own script."""
    styles = [_leaflet_css(), _asset("gap_map.css")]
    scripts = [_leaflet_js(), _drawing(data), _asset("gap_map.js")]
    slots = {
        **_words(data.told),
        "policy": _policy(scripts, styles),
        "styles": "\n".join(f"<style>{style}</style>" for style in styles),
        "data": inert_json(data.told),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return _filled(_asset("gap_map.html"), slots)


def _filled(shell: str, slots: Mapping[str, str]) -> str:
    """The shell with each `<!--slot:name-->` or `%%name%%` replaced, in one pass, so that no value is read again."""
    return re.sub(r"<!--slot:(\w+)-->|%%(\w+)%%", lambda found: slots[found[1] or found[2]], shell)


def _words(told: Mapping[str, Any]) -> dict[str, str]:
    """The words of the page that do not change with its switches, escaped."""
    breaks = [f"<li>{share * 100:.0f}</li>" for share in BREAKS]
    return {
        "title": escape(f"Gap map – {told['city']}"),
        "city": escape(told["city"]),
        "period": escape(told["period"]),
        "release": escape(_release_words(told)),
        "banners": _items(told["banners"]),
        "breaks": "".join(breaks),
        "swatches": "".join(f'<i class="c{at}"></i>' for at in range(len(BREAKS) - 1)),
        "keys": _keys(told),
        "flags": _flag_note(told),
        "services": escape(told["services"]),
        "services_as_of": escape(told["services_as_of"]),
        "thresholds": _items(told["thresholds"]),
        "caveats": _items([*told["caveats"], *told["breaks"]]),
        "notes": "".join(f"<p>{escape(text)}</p>" for text in told["notes"]),
    }


def _release_words(told: Mapping[str, Any]) -> str:
    return f"policy {told['policy']} {told['policy_version']}, release {told['release']}"


def _keys(told: Mapping[str, Any]) -> str:
    """The legend's signs, those only whose dimension is in the release."""
    has, level = told["has"], told["level"]
    keys = [("few", "too few calls (< 24 a year)")]
    keys += [("hidden", told["hidden"])] if has["hidden"] else [("none", "not on record")]
    keys += [("dot", "flagged"), ("ring", "possibly flagged")] if has["flags"] else []
    keys += [("line", "recurring-call area")] if told["recurring"] else []
    keys += [("edge", level["named"])] if has["named"] else []
    return "".join(f'<li><i class="{name}"></i>{escape(words)}</li>' for name, words in keys)


def _flag_note(told: Mapping[str, Any]) -> str:
    """How an area is flagged, where the release has flags."""
    if not told["has"]["flags"]:
        return ""
    over = escape(told["standard"] or "the standard")
    return (
        f" An area is flagged when the chance that its true share is above {over} is more than 0.8, possibly flagged "
        "when only <em>at most</em> says so."
    )


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(text[:1].upper() + text[1:])}</li>" for text in texts)


def _drawing(data: MapData) -> str:
    """folium's script: a map without tiles on canvas and three layers of numbered shapes, under fixed names."""
    import folium

    drawn = folium.Map(
        tiles=None,
        prefer_canvas=True,
        attribution_control=False,
        control_scale=True,
        fade_animation=False,
        zoom_snap=0.1,
        zoom_delta=0.5,
        scroll_wheel_zoom=False,
    )
    drawn._id = "gap"
    for name in LAYERS:
        layer = folium.GeoJson(_numbered(getattr(data, name)), control=False, smooth_factor=0)
        layer._id = name
        layer.add_to(drawn)
    drawn.fit_bounds(data.bounds, padding=(18, 18))
    return _script_of(drawn.get_root().render())


def _numbered(shapes: Sequence[shapely.Geometry]) -> dict[str, Any]:
    """A GeoJSON collection whose features carry their index and nothing else."""
    features = [
        {"type": "Feature", "properties": {"i": at}, "geometry": shapely.geometry.mapping(shape)}
        for at, shape in enumerate(shapes)
    ]
    return {"type": "FeatureCollection", "features": features}


def _script_of(rendered: str) -> str:
    """The drawing script of a page that folium rendered; its links to other hosts are left behind.

    Raises:
        UnmetError: folium wrote something that is not known.
    """
    tags = re.findall(r"<(?:script|link)[^>]*?(?:src|href)=[\"']([^\"']+)", rendered)
    unknown = [link for link in tags if not FOLIUM_HOSTS.fullmatch(link)]
    found = re.search(r"</body>\s*<script>(.*)</script>\s*</html>\s*$", rendered, re.DOTALL)
    if unknown or found is None:
        raise UnmetError(f"expected the page of folium 0.20, got [{unknown or 'another layout'}]; check its version")
    return found[1]


def _leaflet(name: str) -> str:
    """A file of Leaflet from the installed package."""
    folder = resources.files("js_lib_leaflet") / "static" / "js_lib_leaflet"
    return (folder / name).read_text("utf-8")


def _leaflet_js() -> str:
    """Leaflet's script with its licence, without the link to its source map."""
    licence = metadata.distribution("django-js-lib-leaflet").read_text("LICENSE")
    if not licence:
        raise UnmetError("expected the licence of Leaflet beside it, got none; install django-js-lib-leaflet again")
    return f"/*\n{licence.replace('*/', '')}*/\n" + re.sub(r"//# sourceMappingURL=.*", "", _leaflet("leaflet.js"))


def _leaflet_css() -> str:
    """Leaflet's style without its pictures (no layer switch, no default marker is used)."""
    return re.sub(r"[\w-]+:\s*url\([^)]*\);?", "", _leaflet("leaflet.css"))


def _asset(name: str) -> str:
    return (resources.files("pipelines") / "map_assets" / name).read_text("utf-8")


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """A content security policy that lets exactly these scripts and styles run and nothing be fetched."""
    kinds = {
        "script-src": " ".join(_hash(text) for text in scripts),
        "style-src": " ".join(_hash(text) for text in styles),
    }
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; {'; '.join(f'{kind} {value}' for kind, value in kinds.items())}; {rest}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


class _Links(HTMLParser):
    """Collects what a page could fetch: by tag, attribute, style or script."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inside = ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in FETCHING_TAGS or (tag == "meta" and given.get("http-equiv", "").lower() == "refresh"):
            self.found.append(f"<{tag}>")
        self.found += [
            f"{tag} {name}={value}"
            for name, value in given.items()
            if (name in FETCHING and not value.startswith("#")) or name.startswith("on") or "url(" in value.lower()
        ]
        is_data = given.get("type") == "application/json"
        self.inside = tag if tag in ("script", "style") and not is_data else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.found += re.findall(r"url\([^)]*\)|@import[^;]*", data, re.IGNORECASE)
        if self.inside == "script":
            links = re.findall(r"(?:https?|wss?|ftp):/?/?[^\s\"'`<>)]*|[\"'`]//[\w.-]+", data, re.IGNORECASE)
            self.found += [link for link in links if link.rstrip("/") not in NAMESPACES]


def check_offline(page: str) -> None:
    """Nothing, once no tag, attribute, style or script of the page names anything to fetch.

    Raises:
        UnmetError: lists what would be fetched.
    """
    links = _Links()
    links.feed(page)
    links.close()
    if links.found:
        raise UnmetError(f"expected a map that fetches nothing, got {sorted(set(links.found))[:5]}; inline or drop it")
