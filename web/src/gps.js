// The receiver, live: facts in words, the sky, the signals, and what chrony makes of its sources.
import { Socket } from "./socket.js";

const SVG = "http://www.w3.org/2000/svg";
const FULL_DBHZ = 50; // what a good antenna hears of a satellite overhead
const HORIZON = 100; // the sky's radius in the drawing

const at = (id) => document.getElementById(id);

new Socket("/gps/socket", {
  open: () => {},
  closed: () => {
    at("said").textContent = "Connection lost; trying again";
    at("shown").classList.add("off");
  },
  text: (text) => show(JSON.parse(text)),
  data: () => {},
  probe: () => {}, // a state comes every second
});

function show({ problem, mode, facts, satellites, headings, sources }) {
  say(at("said"), problem);
  at("said").classList.toggle("problem", problem !== "");
  at("cure").hidden = problem === "";
  at("shown").hidden = false;
  at("shown").classList.toggle("off", problem !== "");
  showFacts(facts, mode);
  at("satellites").replaceChildren(...onePerSatellite(satellites).flatMap(dot));
  const heard = satellites.filter((one) => one.signal_dbhz);
  at("bars").classList.toggle("named", heard.some((one) => one.signal));
  at("bars").replaceChildren(...heard.map(bar));
  const rest = satellites.length - heard.length;
  say(at("unheard"), rest ? `${rest} more in view, not heard` : heard.length ? "" : "No satellites yet");
  at("chrony").hidden = sources.length === 0;
  at("headings").replaceChildren(...headings.map((text) => made("th", text)));
  at("sources").replaceChildren(...sources.map((cells) => timeSource(cells, headings)));
}

// On a phone a source is a list, not a row: each cell brings its heading. (Laid out so, only roles make it a table.)
function timeSource(cells, headings) {
  const row = made("tr", ...cells.map((text) => made("td", text)));
  row.setAttribute("role", "row");
  [...row.children].forEach((cell, number) => {
    cell.setAttribute("role", "cell");
    cell.dataset.name = headings[number];
  });
  return row;
}

function showFacts(facts, mode) {
  const list = at("facts");
  list.dataset.mode = mode;
  while (list.children.length < 2 * facts.length) list.append(made("dt"), made("dd"));
  facts.forEach(([name, text], number) => {
    say(list.children[2 * number], name);
    say(list.children[2 * number + 1], text);
    list.children[2 * number + 1].dataset.fact = name;
  });
}

// A receiver with two bands lists a satellite twice.
function onePerSatellite(signals) {
  const found = new Map();
  for (const one of signals) {
    const known = found.get(one.name);
    found.set(one.name, known ? { ...one, used: one.used || known.used, signal_dbhz: one.signal_dbhz || known.signal_dbhz } : one);
  }
  return [...found.values()];
}

function kind({ used, signal_dbhz: signal }) {
  return used ? "used" : signal ? "heard" : "silent";
}

// North is above and east on the right, as on a map; the horizon is the circle's edge.
function dot(one) {
  const { name, constellation, elevation_deg: elevation, azimuth_deg: azimuth } = one;
  if (elevation === null || azimuth === null) return [];
  const radius = HORIZON * (1 - Math.max(0, Math.min(90, elevation)) / 90);
  const angle = (azimuth * Math.PI) / 180;
  const group = drawn("g", { class: kind(one), transform: `translate(${radius * Math.sin(angle)} ${-radius * Math.cos(angle)})` });
  const title = drawn("title");
  title.textContent = `${constellation} ${name}, ${elevation.toFixed(0)}° high, ${azimuth.toFixed(0)}° from north, ${kind(one) === "silent" ? "not heard" : kind(one)}`;
  const label = drawn("text", { y: 3 });
  label.textContent = name;
  group.append(title, drawn("circle", { r: 10 }), label);
  return [group];
}

function bar(one) {
  const { name, signal, signal_dbhz: dbhz } = one;
  const item = made("li");
  item.className = kind(one);
  const full = drawn("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  full.append(drawn("rect", { width: Math.min(100, (100 * dbhz) / FULL_DBHZ), height: 10 }));
  const label = made("span", name);
  if (signal) label.append(" ", made("small", signal));
  item.append(label, full, made("span", dbhz.toFixed(0)), made("span", one.used ? "used" : "not used"));
  item.lastChild.className = "spoken";
  return item;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function made(tag, ...content) {
  const node = document.createElement(tag);
  node.append(...content);
  return node;
}

function drawn(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
