// The list of ports, kept fresh while it is looked at.
import { Connection } from "./connection.js";

const LOOK_MS = 2000; // last lines are no events

const list = document.getElementById("ports");
const said = document.getElementById("said");
const shown = new Map();

const connection = new Connection({
  open: () => connection.ask({ type: "watch" }),
  closed: () => {
    said.textContent = "Connection lost; trying again";
    list.classList.add("off");
  },
  message: (message) => {
    if (message.type === "ports") show(message.ports);
    else if (message.type.endsWith("-changed")) connection.ask({ type: "list-ports" });
  },
  data: () => {},
});

setInterval(() => document.visibilityState === "visible" && connection.ask({ type: "list-ports" }), LOOK_MS);

function show(ports) {
  list.classList.remove("off");
  said.textContent = ports.length ? "" : "No ports: add [[consoles]] to the cluster file, or plug an adapter in and open it in a shell.";
  const names = new Set(ports.map(({ name }) => name));
  for (const [name, { item }] of shown) {
    if (!names.has(name)) {
      item.remove();
      shown.delete(name);
    }
  }
  for (const port of ports) fill(shown.get(port.name) ?? add(port.name), port);
}

function add(name) {
  const item = document.getElementById("port").content.firstElementChild.cloneNode(true);
  item.querySelector("a").href = `/console/${encodeURIComponent(name)}`;
  const part = Object.fromEntries([...item.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
  shown.set(name, { item, part });
  list.append(item);
  return shown.get(name);
}

function fill({ part }, { name, state, settings, device, viewers, writer, last_line: last, logged_line: logged, reason }) {
  const watching = viewers.length ? `${viewers.length} watching` : "nobody watches";
  const texts = {
    name, state, settings, device,
    people: writer ? `${writer} writes, ${watching}` : watching,
    last: state === "open" ? last || logged || "nothing yet" : reason.replace(`${device}: `, ""),
  };
  for (const [key, text] of Object.entries(texts)) if (part[key].textContent !== text) part[key].textContent = text;
  part.state.dataset.state = state;
}
