/* The gap map's own script: reads the page's inert data, colours folium's layers, writes words by textContent. */
"use strict";
(() => {
  const told = JSON.parse(document.getElementById("told").textContent);
  const map = window.map_gap;
  const byId = (id) => document.getElementById(id);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const state = { need: told.default[0], leg: told.default[1], kind: null, at: -1 };
  const layers = { areas: [], named: [], recurring: [] };
  const marks = L.layerGroup().addTo(map);
  const spots = L.layerGroup().addTo(map);
  const pointed = L.layerGroup().addTo(map);
  const chosen = L.layerGroup().addTo(map);
  let names = [];
  let dots = [];
  let badges = [];
  let theme = {};

  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const fill = (node, ...children) => node.replaceChildren(...children.filter(Boolean));
  const hidden = told.hidden.charAt(0);
  const count = (n) => (n === null ? hidden : n.toLocaleString("en-US"));
  const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const needOf = (id) => told.needs.find((one) => one.id === id);
  const legOf = (id) => told.legs.find((one) => one.id === id);
  const cells = () => told.cells[`${state.need}|${state.leg}`];

  /* ---- colours: the style sheet is the one source of them ---- */
  const readTheme = () => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(`--${name}`).trim();
    theme = {
      classes: [0, 1, 2, 3, 4].map((at) => colour(`c${at}`)),
      ink: colour("ink"), paper: colour("paper"), border: colour("border"), edge: colour("edge"),
      accent: colour("accent"), select: colour("select"),
      "-1": pattern(colour("few"), colour("few-line"), "lines"),
      "-2": pattern(colour("none"), colour("none-line"), "dots"),
      "-3": pattern(colour("hidden"), colour("hidden-line"), "cross"),
    };
  };
  const pattern = (ground, line, kind) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = ground;
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = pen.fillStyle = line;
    if (kind === "lines" || kind === "cross") {
      pen.beginPath();
      const rising = [[-2, 2, 2, -2], [-2, 10, 10, -2], [6, 10, 10, 6]];
      const falling = kind === "cross" ? rising.map(([a, b, c, d]) => [a, 8 - b, c, 8 - d]) : [];
      [...rising, ...falling].forEach(([a, b, c, d]) => { pen.moveTo(a, b); pen.lineTo(c, d); });
      pen.stroke();
    } else {
      pen.beginPath();
      pen.arc(4, 4, 1.2, 0, 7);
      pen.fill();
    }
    return pen.createPattern(tile, "repeat");
  };
  const fillOf = (cell) => (cell.class < 0 ? theme[String(cell.class)] : theme.classes[cell.class]);

  /* ---- what is drawn ---- */
  const paint = () => {
    layers.areas.forEach((layer, at) => {
      layer.setStyle({ color: theme.border, weight: 1, opacity: 1, fill: true, fillOpacity: 1, fillColor: fillOf(cells().areas[at]) });
    });
    layers.named.forEach((layer) => layer.setStyle({ color: theme.edge, weight: 1.6, opacity: 0.9, fill: false }));
    paintMarks();
    paintSpots();
    paintChosen();
    placeNames();
  };
  const paintMarks = () => {
    marks.clearLayers();
    dots = [];
    const scale = window.innerWidth <= 600 ? 0.75 : 1;
    cells().areas.forEach((cell, at) => {
      if (cell.flag !== "flagged" && cell.flag !== "possibly") return;
      const style = { radius: 6.5 * scale, weight: 0, fillOpacity: 1, fillColor: theme.paper, interactive: false };
      marks.addLayer(L.circleMarker(told.at.areas[at], style));
      marks.addLayer(L.circleMarker(told.at.areas[at], {
        radius: 4.2 * scale, weight: 2 * scale, color: theme.ink, fillOpacity: 1, interactive: false,
        fillColor: cell.flag === "flagged" ? theme.ink : theme.paper,
      }));
      dots.push(told.at.areas[at]);
    });
  };
  const paintSpots = () => {
    spots.clearLayers();
    badges = [];
    told.recurring.forEach((spot, at) => {
      if (spot.need !== state.need) return;
      layers.recurring[at].setStyle({ color: theme.accent, weight: 2.6, opacity: 1, fill: false });
      spots.addLayer(cased(layers.recurring[at], theme.paper, 6));
      spots.addLayer(layers.recurring[at]);
      const icon = L.divIcon({ className: "spot", html: make("span", spot.label, "badge"), iconSize: [0, 0] });
      const badge = L.marker(told.at.recurring[at], { icon, keyboard: true, alt: spotName(spot) });
      badge.on("click", () => choose("recurring", at, { pan: false }));
      spots.addLayer(badge);
      const node = badge.getElement();
      node.setAttribute("aria-label", spotName(spot));
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose("recurring", at, { pan: false });
      });
      badges.push({ at: told.at.recurring[at], node: node.firstChild, layer: layers.recurring[at] });
    });
  };
  const cased = (layer, color, weight) =>
    L.geoJSON(layer.toGeoJSON(), { interactive: false, smoothFactor: 0, style: { color, weight, opacity: 1, fill: false } });
  const paintChosen = () => {
    chosen.clearLayers();
    pointed.clearLayers();
    if (state.kind === null) return;
    const layer = layers[state.kind][state.at];
    chosen.addLayer(cased(layer, theme.paper, 7));
    chosen.addLayer(cased(layer, state.kind === "areas" ? theme.select : theme.accent, 3.6));
  };

  /* ---- numbers and names: each moved a little until it covers nothing ---- */
  const addNames = () => {
    names = told.named.map((text, at) => {
      const html = make("span", text);
      const icon = L.divIcon({ className: "name", html, iconSize: [0, 0] });
      L.marker(told.at.named[at], { icon, interactive: false, keyboard: false }).addTo(map);
      html.parentElement.setAttribute("aria-hidden", "true");
      return { at: told.at.named[at], node: html, layer: layers.named[at] };
    });
  };
  const overlap = (a, b) =>
    Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const around = (p, w, h) => [p.x - w, p.y - h, p.x + w, p.y + h];
  const outside = (box, size) =>
    Math.max(0, -box[0]) + Math.max(0, -box[1]) + Math.max(0, box[2] - size.x) + Math.max(0, box[3] - size.y);
  const ringsOf = (latlngs) => (Array.isArray(latlngs[0]) ? latlngs.flatMap(ringsOf) : [latlngs.map((one) => map.latLngToContainerPoint(one))]);
  const isInside = (rings, x, y) => {
    let inside = false;
    rings.forEach((ring) => ring.forEach((a, at) => {
      const b = ring[(at + 1) % ring.length];
      if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
    }));
    return inside;
  };
  const put = (node, at, shifts, taken, fault) => {
    const p = map.latLngToContainerPoint(at);
    const [w, h] = [node.offsetWidth / 2 + 2, node.offsetHeight / 2 + 1];
    const size = map.getSize();
    let best = null;
    shifts.forEach(([dx, dy]) => {
      const box = around({ x: p.x + dx, y: p.y + dy }, w, h);
      const hit = taken.reduce((sum, other) => sum + overlap(box, other), 0);
      const cost = hit * 10 + outside(box, size) + Math.hypot(dx, dy) + fault(box);
      if (best === null || cost < best.cost) best = { cost, dx, dy, box };
    });
    node.style.left = `${best.dx}px`;
    node.style.top = `${best.dy}px`;
    taken.push(best.box);
    return best.box;
  };
  const grid = [0, -10, 10, -20, 20, -30, 30, -42, 42].flatMap((dy) => [0, -10, 10, -20, 20, -34, 34, -48, 48].map((dx) => [dx, dy]));
  const placeNames = () => {
    const dot = window.innerWidth <= 600 ? 6 : 8;
    const taken = dots.map((at) => around(map.latLngToContainerPoint(at), dot, dot));
    badges.forEach(({ at, node, layer }) => {
      const bounds = layer.getBounds();
      const [a, b] = [map.latLngToContainerPoint(bounds.getNorthWest()), map.latLngToContainerPoint(bounds.getSouthEast())];
      const [w, h] = [(b.x - a.x) / 2 + 14, (b.y - a.y) / 2 + 14];
      taken.push([a.x, a.y, b.x, b.y]);
      put(node, at, [[0, -h], [w, 0], [-w, 0], [0, h], [w, -h], [-w, -h], [w, h], [-w, h]], taken, () => 0);
    });
    names.forEach(({ at, node, layer }) => {
      const rings = ringsOf(layer.getLatLngs());
      const strays = (box) => [0.12, 0.5, 0.88].filter((part) => !isInside(rings, box[0] + part * (box[2] - box[0]), (box[1] + box[3]) / 2)).length;
      const box = put(node, at, grid, taken, (one) => strays(one) * 400);
      node.style.visibility = outside(box, map.getSize()) > 0 ? "hidden" : "visible";
    });
  };

  /* ---- words ---- */
  const lead = (cell) => {
    const node = make("p", null, "lead");
    if (!cell.recorded) { node.textContent = told.none[state.leg]; return node; }
    if (!cell.shown) { node.textContent = told.hidden; return node; }
    node.append(upper(cell.band) + ` of ${count(cell.n)} calls in scope`);
    if (cell.n) node.append(" ", make("small", `(${cell.share})`));
    return node;
  };
  const parts = (cell) => {
    if (!cell.recorded || cell.n === 0) return [];
    const kinds = ["seen", "unsure", "lack"];
    const words = ["listed as available", "not known", "nothing suitable, at least"];
    const bar = make("div", null, "bar");
    bar.setAttribute("aria-hidden", "true");
    const list = make("ul", null, "parts");
    const add = (text, n, kind) => {
      const item = make("li", null, kind ? null : "sub");
      fill(item, kind ? make("i", null, kind) : null, make("span", text), make("span", count(n)));
      list.append(item);
    };
    cell.parts.forEach((n, at) => {
      if (n && cell.shown) { const piece = make("i", null, kinds[at]); piece.style.flexGrow = String(n); bar.append(piece); }
      add(words[at], n, kinds[at]);
    });
    if (cell.split) {
      add("none within reach", cell.split[0]);
      add("in reach, but would not take this call", cell.split[1]);
      add("would take it, but not open or free at that hour", cell.split[2]);
    }
    return cell.shown ? [bar, list] : [list];
  };
  const pairs = (facts, className) => {
    const list = make("dl", null, className);
    facts.forEach(([term, text]) => list.append(make("dt", term), make("dd", text)));
    return list;
  };
  const areaFacts = (area, cell) => [
    cell.flag_words ? ["Flag", cell.flag_words] : null,
    cell.rank ? ["Rank", cell.rank] : null,
    area.residents ? ["Residents", area.residents] : null,
    cell.recorded && cell.rate ? ["Rate", cell.rate] : null,
  ].filter(Boolean);
  const spotName = (spot) => `Recurring-call area ${spot.label}, ${spot.where}`;

  const showWords = () => {
    const { city } = cells();
    const need = needOf(state.need);
    const leg = legOf(state.leg);
    byId("headline").textContent = `${need.label}: ${leg.headline}`;
    byId("measure").textContent = `Share of calls in scope: ${leg.headline}, at least (% of calls)`;
    byId("denominator").textContent = city.denominator;
    byId("nothing").hidden = city.recorded;
    byId("nothing").textContent = city.recorded ? "" : told.none[state.leg];
    byId("table-caption").textContent = `${need.label}: ${leg.headline}. Calls: in scope on this leg.`;
    fill(byId("city"), lead(city), ...parts(city), city.recorded && city.yearly ? make("p", city.yearly, "note") : null);
    showLists();
    showTable();
    showChosen();
  };
  const showChosen = () => {
    const target = byId("chosen");
    document.querySelectorAll("[data-kind]").forEach((node) => {
      node.setAttribute("aria-pressed", String(node.dataset.kind === state.kind && Number(node.dataset.at) === state.at));
    });
    if (state.kind === null) {
      fill(target, make("p", "Choose an area on the map or in the lists to read its numbers.", "note"));
    } else if (state.kind === "areas") {
      const area = told.areas[state.at];
      const cell = cells().areas[state.at];
      fill(target, make("h2", area.name), lead(cell), ...parts(cell), pairs(areaFacts(area, cell)));
    } else {
      const spot = told.recurring[state.at];
      fill(target, make("h2", spotName(spot)), make("p", spot.title, "note"), pairs(spot.facts, "wide"));
    }
  };
  const entry = (kind, at, mark, text, small, figure) => {
    const button = make("button");
    button.type = "button";
    button.dataset.kind = kind;
    button.dataset.at = String(at);
    const words = make("span", text);
    if (small) words.append(make("small", small));
    fill(button, mark, words, figure ? make("span", figure, "figure") : null);
    button.addEventListener("focus", () => look(kind, at));
    button.addEventListener("blur", () => pointed.clearLayers());
    button.addEventListener("click", () => choose(kind, at, { pan: true, reveal: true }));
    const item = make("li");
    item.append(button);
    return item;
  };
  const flagMark = (flag) => {
    const mark = make("span", null, `mark ${flag === "flagged" ? "dot" : "ring"}`);
    mark.setAttribute("aria-hidden", "true");
    return mark;
  };
  const showLists = () => {
    const byChance = (flag) => cells().areas.map((cell, at) => ({ cell, at })).filter(({ cell }) => cell.flag === flag)
      .sort((a, b) => (b.cell.p ?? 0) - (a.cell.p ?? 0) || a.at - b.at);
    const listed = (id, found) => {
      fill(byId(id), ...found.map(({ cell, at }) =>
        entry("areas", at, flagMark(cell.flag), told.areas[at].name, `${cell.band} of ${count(cell.n)} calls`, cell.share)));
      if (!found.length) byId(id).append(make("li", "None for this call reason and leg.", "note"));
    };
    const [sure, maybe] = [byChance("flagged"), byChance("possibly")];
    listed("flagged", sure);
    listed("possibly", maybe);
    byId("flagged-title").textContent = `Flagged areas (${sure.length})`;
    byId("possibly-title").textContent = `Possibly flagged (${maybe.length})`;
    const own = told.recurring.map((spot, at) => ({ spot, at })).filter(({ spot }) => spot.need === state.need);
    fill(byId("recurring"), ...own.map(({ spot, at }) => {
      return entry("recurring", at, make("span", spot.label, "badge mark"), spot.where, spot.small, null);
    }));
    if (!own.length) byId("recurring").append(make("li", "None for this call reason.", "note"));
  };
  const tableBand = (cell) => (!cell.recorded ? "not on record" : cell.shown ? cell.band : hidden);
  const tableShare = (cell) => (cell.recorded && cell.n ? cell.share : cell.recorded && !cell.shown ? hidden : "–");
  const showTable = () => {
    fill(byId("rows"), ...cells().areas.map((cell, at) => {
      const row = make("tr");
      const head = make("th");
      head.scope = "row";
      const button = make("button", told.areas[at].name);
      button.type = "button";
      button.dataset.kind = "areas";
      button.dataset.at = String(at);
      button.addEventListener("focus", () => look("areas", at));
      button.addEventListener("blur", () => pointed.clearLayers());
      button.addEventListener("click", () => choose("areas", at, { pan: true, reveal: true }));
      head.append(button);
      fill(row, head, make("td", count(cell.n)), make("td", tableBand(cell)), make("td", tableShare(cell)));
      return row;
    }));
  };

  /* ---- choosing ---- */
  const centreOf = (kind, at) => (kind === "areas" ? L.latLng(told.at.areas[at]) : layers.recurring[at].getBounds().getCenter());
  const look = (kind, at) => {
    const room = Math.min(80, map.getSize().x / 8, map.getSize().y / 8);
    map.panInside(centreOf(kind, at), { padding: [room, room], animate: !still.matches, duration: 0.3 });
    pointed.clearLayers();
    pointed.addLayer(cased(layers[kind][at], theme.paper, 5));
    pointed.addLayer(cased(layers[kind][at], kind === "areas" ? theme.select : theme.accent, 2.2));
  };
  const wholeCity = (animate) => {
    const [left, bottom] = window.innerWidth <= 600 ? [14, 54] : [58, 18];
    const room = { paddingTopLeft: [left, 14], paddingBottomRight: [14, bottom] };
    map.fitBounds(window.geo_json_areas.getBounds(), { ...room, animate: animate && !still.matches });
  };
  const choose = (kind, at, { pan, reveal }) => {
    Object.assign(state, { kind, at });
    showChosen();
    if (pan) look(kind, at);
    paintChosen();
    if (reveal && window.innerWidth <= 1020) {
      document.querySelector(".stage").scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
    }
  };
  const tip = (at) => {
    const cell = cells().areas[at];
    const node = make("div");
    const text = !cell.recorded ? told.none[state.leg] : cell.shown ? `${cell.band} of ${count(cell.n)} calls (${cell.share})` : told.hidden;
    node.append(make("b", told.areas[at].name), make("span", cell.class === -1 ? `too few calls to judge: ${text}` : text));
    return node;
  };

  /* ---- switches ---- */
  const addWholeCity = () => {
    const button = make("a", "⌂");
    Object.assign(button, { href: "#map_gap", title: "Show the whole city" });
    button.setAttribute("role", "button");
    button.setAttribute("aria-label", "Show the whole city");
    L.DomEvent.on(button, "click", (event) => { L.DomEvent.stop(event); wholeCity(true); });
    document.querySelector("#map_gap .leaflet-control-zoom").append(button);
  };
  const addSwitches = () => {
    told.needs.forEach((need) => {
      const option = make("option", need.label);
      option.value = need.id;
      byId("need").append(option);
    });
    byId("need").value = state.need;
    const row = make("div", null, "row");
    told.legs.forEach((leg) => {
      const label = make("label", null);
      const input = make("input");
      Object.assign(input, { type: "radio", name: "leg", value: leg.id, id: `leg-${leg.id}` });
      input.addEventListener("change", () => { state.leg = leg.id; update(); });
      label.append(input, make("span", upper(leg.words)));
      row.append(label);
    });
    byId("leg").append(row);
    byId("need").addEventListener("change", (event) => { state.need = event.target.value; update(); });
  };
  /* What the release has no numbers for is not drawn. */
  const drop = () => {
    byId("sure").hidden = byId("maybe").hidden = !told.has.flags;
    byId("spots").hidden = !told.recurring.length;
    byId("every").open = !told.has.flags;
    byId("need").parentElement.hidden = told.needs.length < 2;
    byId("leg").hidden = told.legs.length < 2;
  };
  const update = () => {
    const { legs } = needOf(state.need);
    if (!legs.includes(state.leg)) state.leg = legs[0];
    if (state.kind === "recurring" && told.recurring[state.at].need !== state.need) Object.assign(state, { kind: null, at: -1 });
    told.legs.forEach((leg) => {
      const input = byId(`leg-${leg.id}`);
      input.disabled = !legs.includes(leg.id);
      input.checked = leg.id === state.leg;
      input.parentElement.title = input.disabled ? "does not apply to this call reason" : "";
    });
    paint();
    showWords();
  };

  /* ---- start ---- */
  const take = (name) => window[`geo_json_${name}`].eachLayer((layer) => { layers[name][layer.feature.properties.i] = layer; });
  const start = () => {
    ["areas", "named", "recurring"].forEach(take);
    window.geo_json_recurring.remove();
    layers.named.forEach((layer) => { layer.options.interactive = false; });
    window.geo_json_named.remove().addTo(map);
    layers.recurring.forEach((layer) => { layer.options.interactive = false; });
    layers.areas.forEach((layer, at) => {
      layer.bindTooltip(() => tip(at), { sticky: true, direction: "top", offset: [0, -8], opacity: 1 });
      layer.on("click", () => choose("areas", at, { pan: false }));
    });
    [marks, spots, pointed, chosen].forEach((group) => group.remove().addTo(map));
    readTheme();
    wholeCity(false);
    addNames();
    addWholeCity();
    addSwitches();
    drop();
    update();
    map.on("zoomend moveend resize", placeNames);
    dark.addEventListener("change", () => { readTheme(); paint(); });
    if (document.fonts && document.fonts.ready) document.fonts.ready.then(placeNames);
    document.body.dataset.ready = "yes";
  };
  start();
})();
