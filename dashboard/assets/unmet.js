/* Addresses, painting and choosing. Nothing here fetches anything but this server's own shapes. */
(function () {
  "use strict";
  const HIDDEN = 255, NONE = 254, FEW = 64;
  const state = { layers: [], counts: null, picked: "", names: {} };

  // ---- addresses -------------------------------------------------------------------------------
  const here = () => window.location.pathname + window.location.search;
  /* Opens an address: the chosen area first, then the page; the link is not written until the page has its own. */
  function open(address) {
    state.fresh = true;
    state.level = null;
    const area = new URL(address, window.location.origin).searchParams.get("area") || "";
    window.dash_clientside.set_props("query", { data: null });
    window.dash_clientside.set_props("picked", { data: area });
    window.dash_clientside.set_props("nav", { data: address });
  }
  window.addEventListener("popstate", () => open(here()));

  function withQuery(path, query) { return query ? path + "?" + query : path; }

  function writeLink(query, picked) {
    if (query === undefined || query === null) { return window.dash_clientside.no_update; }
    const full = picked ? (query ? query + "&" : "") + "area=" + encodeURIComponent(picked).replace(/%20/g, "+") : query;
    const next = withQuery(window.location.pathname, full);
    if (next !== here()) { window.history[state.fresh ? "replaceState" : "pushState"](null, "", next); }
    state.fresh = false;
    document.querySelectorAll("a[data-nav]").forEach((link) => { link.setAttribute("href", withQuery(link.dataset.nav, full)); });
    return window.dash_clientside.no_update;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-nav]");
    if (link && !(event.ctrlKey || event.metaKey || event.shiftKey || event.button)) {
      event.preventDefault();
      window.history.pushState(null, "", link.getAttribute("href"));
      open(here());
      window.scrollTo(0, 0);
      return;
    }
    const button = event.target.closest && event.target.closest("[data-act]");
    if (button) { act(button); }
  });

  function act(button) {
    const kind = button.dataset.act;
    if (kind === "copy") {
      const told = button.textContent;
      const done = () => { button.textContent = button.dataset.done; setTimeout(() => { button.textContent = told; }, 1500); };
      if (navigator.clipboard) { navigator.clipboard.writeText(window.location.href).then(done, () => {}); }
    } else if (kind === "print") {
      window.print();
    } else if (kind === "theme") {
      const next = dark() ? "light" : "dark";
      document.documentElement.setAttribute("data-mantine-color-scheme", next);
      try { window.localStorage.setItem("mantine-color-scheme-value", next); } catch (error) { /* kept for this page */ }
    } else if (kind === "leg") {
      window.dash_clientside.set_props("leg", { value: button.dataset.leg });
    }
  }

  const dark = () => document.documentElement.getAttribute("data-mantine-color-scheme") === "dark";
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });

  // ---- arrays ----------------------------------------------------------------------------------
  function unpack(packed) {
    if (!packed) { return null; }
    const bytes = Uint8Array.from(atob(packed.d), (c) => c.charCodeAt(0));
    if (packed.t === "u1") { return bytes; }
    return packed.t === "u2" ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
  }

  function areas(url) {
    if (!state.names[url]) {
      state.names[url] = fetch(url).then((answer) => answer.json())
        .then((json) => json.features.map((one) => ({ g: one.properties.g, name: one.properties.n })));
    }
    return state.names[url];
  }

  // ---- map -------------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  let colours = {};
  function tint(name) { return (colours[name] = colours[name] || colour(name)); }

  function look(index, geoid) {
    const code = state.counts ? state.counts.codes[index] : NONE;
    const chosen = geoid === state.picked;
    const out = { weight: chosen ? 3.5 : 0.8, color: chosen ? tint("pick") : tint("edge"), fillOpacity: 1, opacity: 1, hatch: "" };
    if (code === HIDDEN) { return Object.assign(out, { fillColor: tint("map-none"), hatch: "dots" }); }
    if (code === NONE || code === undefined) { return Object.assign(out, { fillColor: tint("map-none"), hatch: state.counts && !state.counts.off ? "cross" : "" }); }
    out.fillColor = tint("c-" + state.counts.palette + "-" + (code & ~FEW & 63));
    if (code & FEW) { out.hatch = "lines"; }
    return out;
  }

  const tiles = {};
  function tile(kind) {
    const key = kind + dark();
    if (tiles[key]) { return tiles[key]; }
    const spot = document.createElement("canvas");
    spot.width = spot.height = 8;
    const pen = spot.getContext("2d");
    pen.strokeStyle = pen.fillStyle = tint("hatch");
    pen.lineWidth = 1.2;
    if (kind === "dots") { pen.beginPath(); pen.arc(4, 4, 1.3, 0, 7); pen.fill(); }
    if (kind !== "dots") { pen.beginPath(); pen.moveTo(-2, 10); pen.lineTo(10, -2); pen.moveTo(-2, 2); pen.lineTo(2, -2); pen.moveTo(6, 10); pen.lineTo(10, 6); pen.stroke(); }
    return (tiles[key] = spot);
  }

  function hatched(renderer) {
    const kind = Object.getPrototypeOf(renderer);
    if (!kind._fillStroke || kind.unmet) { return; }
    const plain = kind._fillStroke;
    kind.unmet = true;
    kind._fillStroke = function (pen, layer) {
      plain.call(this, pen, layer);
      if (layer.options.hatch) {
        pen.save(); pen.globalAlpha = 1;
        pen.fillStyle = pen.createPattern(tile(layer.options.hatch), "repeat");
        pen.fill("evenodd"); pen.restore();
        if (layer.options.stroke) { pen.stroke(); }
      }
    };
  }

  function paintLayer(layer) {
    const told = layer.feature.properties;
    layer.setStyle(look(told.i, told.g));
    if (told.g === state.picked) { layer.bringToFront(); }
  }
  function repaint() {
    colours = {};
    state.layers = state.layers.filter((layer) => layer._map);
    state.layers.forEach(paintLayer);
    rings.forEach((layer) => { if (layer._map && layer.setStyle) { layer.setStyle(layer.unmetStyle()); } });
  }

  function tip(layer) {
    const told = layer.feature.properties, c = state.counts;
    const box = document.createElement("div");
    const name = box.appendChild(document.createElement("b"));
    name.textContent = told.n;
    if (!c || c.off || c.n[told.i] === undefined) { return box; }
    const line = box.appendChild(document.createElement("span"));
    const n = c.n[told.i] - 1;
    line.textContent = c.lo ? range(c.lo[told.i] - 1, c.hi[told.i] - 1) + " " + c.words[1] + " · " + count(n) + " " + c.words[0].toLowerCase()
      : count(n) + " " + c.words[0].toLowerCase();
    if (n >= 0 && n < c.few && c.lo) { box.appendChild(document.createElement("span")).textContent = c.words[2]; }
    return box;
  }

  /* The whole city in sight once the shapes are there; afterwards the map stays where it is put. */
  let fitting = 0;
  function fit(map) {
    if (!map || map.unmetFitted) { return; }
    clearTimeout(fitting);
    fitting = setTimeout(() => {
      map.unmetFitted = true;
      map.invalidateSize(false);
      const box = state.layers.filter((one) => one._map === map).reduce((all, one) => all.extend(one.getBounds()), window.L.latLngBounds([]));
      if (box.isValid()) { map.fitBounds(box, { padding: [14, 14], animate: false }); }
    }, 0);
  }

  /* Areas on one canvas; the layers above as SVG, so that their empty parts let the pointer through. */
  if (window.L) {
    window.L.Map.include({
      _createRenderer: (options) => options && options.pane && options.pane !== "overlayPane" ? window.L.svg(options) : window.L.canvas(options),
    });
  }

  const rings = [];
  window.unmet_map = {
    style: (feature) => look(feature.properties.i, feature.properties.g),
    each: (feature, layer) => {
      state.layers.push(layer);
      layer.on("add", () => { if (layer._renderer) { hatched(layer._renderer); paintLayer(layer); } fit(layer._map); });
      layer.on("click", () => pick(feature.properties.g));
      layer.on("mouseover", () => layer.setStyle({ weight: 2.4, color: tint("pick") }));
      layer.on("mouseout", () => paintLayer(layer));
      layer.bindTooltip(tip, { sticky: true, className: "tip" });
    },
    ring: () => ({ color: tint("ring"), weight: 2.5, fill: true, fillOpacity: 0.06, fillColor: tint("ring"), dashArray: "1 4", lineCap: "round" }),
    dot: (feature, latlng) => window.L.circleMarker(latlng, dotStyle(feature.properties.s)),
    named: (feature, layer) => {
      layer.unmetStyle = feature.properties.k === "service" ? () => dotStyle(feature.properties.s) : window.unmet_map.ring;
      rings.push(layer);
      const box = document.createElement("span");
      box.textContent = feature.properties.t;
      layer.bindTooltip(box, { sticky: true, className: "tip" });
    },
  };
  function dotStyle(kind) {
    return { radius: 5.5, weight: 2, color: tint("dot-edge"), fillColor: kind === "yes" ? tint("dot") : tint("dot-edge"), fillOpacity: 1, opacity: 1,
      ...(kind === "yes" ? {} : { color: tint("dot") }) };
  }

  // ---- choosing --------------------------------------------------------------------------------
  function pick(geoid) {
    const next = geoid === state.picked ? "" : geoid;
    window.dash_clientside.set_props("picked", { data: next });
  }

  const count = (value) => value === null || value === undefined || value < 0 ? "•" : value.toLocaleString("en-US");
  const range = (low, high) => low === high ? count(low) : count(low) + "–" + count(high);

  function rows(c, list) {
    const at = (array, i) => array ? array[i] : null;
    const known = (array, i) => array ? (array[i] === 0 ? null : array[i] - 1) : null;
    return list.map((one, i) => {
      const n = known(c.n, i), lo = known(c.lo, i), hi = known(c.hi, i);
      return { g: one.g, name: one.name, n: n, lo: lo, hi: hi, sh: n && lo !== null ? lo / n : null, sh2: n && hi !== null ? hi / n : null,
        f: at(c.f, i), fw: c.flags[at(c.f, i)] || "", p: at(c.p, i), rl: at(c.rl, i), rh: at(c.rh, i) };
    });
  }

  function choose(picked) {
    state.picked = picked || "";
    repaint();
    const grid = window.dash_ag_grid;
    if (!document.getElementById("explore-grid") || !grid) { return; }
    grid.getApiAsync("explore-grid").then((api) => mark(api, state.picked, 40), () => {});
  }

  /* Rows may come a moment after their data: tries again until the chosen one is there. */
  function mark(api, picked, tries) {
    if (picked !== state.picked || api.isDestroyed()) { return; }
    const node = picked ? api.getRowNode(picked) : null;
    const now = api.getSelectedNodes()[0];
    if (picked && !node && tries) { setTimeout(() => mark(api, picked, tries - 1), 50); return; }
    if (node && node !== now) {
      const show = () => { if (!api.isDestroyed() && picked === state.picked && api.getRowNode(picked)) { api.ensureNodeVisible(api.getRowNode(picked), "middle"); } };
      window.dash_clientside.set_props("explore-grid", { selectedRows: { ids: [picked] } });
      show();
      setTimeout(show, 300);
    }
    if (!node && now) { window.dash_clientside.set_props("explore-grid", { selectedRows: [] }); }
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    unmet: {
      start: () => { setTimeout(() => open(here()), 0); return window.dash_clientside.no_update; },
      /* An area belongs to one level: another level lets it go. */
      level: (value) => {
        if (state.level && state.level !== value && state.picked) { window.dash_clientside.set_props("picked", { data: "" }); }
        state.level = value;
        return window.dash_clientside.no_update;
      },
      /* Filters lie open beside the content, closed above it. */
      rail: () => window.matchMedia("(min-width: 761px)").matches,
      same: (query) => query,
      write_link: writeLink,
      paint: async (counts, url) => {
        const no = window.dash_clientside.no_update;
        if (!counts || !url) { return no; }
        const list = await areas(url);
        const c = Object.assign({}, counts);
        ["codes", "n", "lo", "hi", "f", "p", "rl", "rh"].forEach((key) => { c[key] = unpack(counts[key]); });
        if (list.length !== c.n.length) { return no; }
        state.counts = c;
        repaint();
        document.body.dataset.painted = String(Number(document.body.dataset.painted || 0) + 1);
        return c.off ? [] : rows(c, list);
      },
      from_grid: (selected, found, picked) => {
        const why = window.dash_clientside.callback_context.triggered.map((one) => one.prop_id);
        const no = window.dash_clientside.no_update;
        if (why.includes("explore-find.value") && found) { return found; }
        const chosen = why.includes("explore-grid.selectedRows") && Array.isArray(selected) && selected.length ? selected[0].g : "";
        return chosen && chosen !== picked ? chosen : no;
      },
      choose: (picked) => { choose(picked); return window.dash_clientside.no_update; },
      options: async (url) => (await areas(url)).map((one) => ({ value: one.g, label: one.name })),
    },
  });
  window.unmet_count = count;
})();
