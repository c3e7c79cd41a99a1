// One port: its terminal, and all that is done to it.
import { Connection } from "./connection.js";
import { Keys } from "./keys.js";
import { Pastes } from "./paste.js";
import { Screen } from "./screen.js";
import { thousands } from "./words.js";

const byId = (id) => document.getElementById(id);
const main = document.querySelector("main");
const port = main.dataset.port;
const tab = String(crypto.getRandomValues(new Uint32Array(2))); // by it a tab that comes back is known
const encoder = new TextEncoder();
const TOLD_MS = 8000;
const MOST_ROWS = 5; // of the line to send, when it is several

const screen = new Screen(byId("terminal"));
const terminal = screen.terminal;
const state = {
  connected: false, status: null, enter: "\r", writing: false, mayWrite: true, wroteBefore: false, told: "",
};

const connection = new Connection({
  open: () => connection.ask({ type: "attach", port, name: tab, read_only: false }),
  closed: () => {
    Object.assign(state, { connected: false, wroteBefore: state.wroteBefore || state.writing, writing: false });
    pastes.lost();
    byId("question").close("no"); // who asked is gone, and the next question may have the same number
    show();
  },
  message: (message) => handlers[message.type]?.(message),
  data: (bytes) => screen.show(bytes),
});
const pastes = new Pastes(port, connection);

const handlers = {
  attached: ({ status, buttons, enter }) => {
    Object.assign(state, { connected: true, status, enter, told: "" });
    showButtons(buttons);
    if (state.wroteBefore && status.writer === null) connection.ask({ type: "take" });
    state.wroteBefore = false;
    show();
  },
  restored: ({ bytes }) => screen.restore(bytes),
  missed: ({ bytes }) => tell(`This browser was too slow: ${thousands(bytes)} bytes were left out`),
  ports: ({ ports }) => ours(ports.find(({ name }) => name === port) ?? state.status),
  "state-changed": (event) => ours(event),
  "viewers-changed": (event) => ours(event),
  "settings-changed": (event) => ours(event),
  "writer-changed": ({ writer, you }) => {
    if (state.writing && !you && writer) tell(`${writer} took control`);
    if (you) state.told = "";
    state.writing = you;
    ours({ writer });
    if (you && !matchMedia("(pointer: coarse)").matches) terminal.focus(); // a phone's keyboard comes when asked for
  },
  notice: ({ text }) => tell(text),
  refused: ({ message, hint, what }) => {
    if (what === "paste") pastes.refused(message, hint);
    else tell(hint ? `${message}: ${hint}` : message);
  },
  pasting: (howFar) => pastes.told(howFar),
  ask: async ({ id, question }) => connection.ask({ type: "answer", id, yes: await confirmed(question) }),
};

function ours(facts) {
  Object.assign(state.status ?? {}, facts);
  show();
}

function tell(text) {
  state.told = text;
  clearTimeout(state.telling);
  if (text) state.telling = setTimeout(() => tell(""), TOLD_MS);
  show();
}

function show() {
  const { connected, status, writing } = state;
  main.classList.toggle("writing", writing);
  main.classList.toggle("off", !connected || status?.state !== "open");
  const control = byId("control");
  control.disabled = !connected;
  control.textContent = writing ? "Release" : "Take control";
  byId("settings").textContent = status?.settings ?? "";
  byId("state").dataset.state = connected ? status.state : "lost";
  byId("state").textContent = connected ? status.state : "no connection";
  byId("said").textContent = said();
  for (const element of document.querySelectorAll("[data-writes]")) element.disabled = !writing;
  terminal.options.disableStdin = !writing;
}

function said() {
  const { connected, status, writing, told } = state;
  if (!connected) return status ? "Connection lost; trying again" : "Connecting";
  const others = status.viewers.length - 1;
  const who = writing ? "You write" : status.writer ? `${status.writer} writes` : "Nobody writes: take control to type";
  const company = others ? `, ${others} more ${others === 1 ? "watches" : "watch"}` : "";
  const gone = status.state === "open" ? "" : `. ${status.reason}`;
  return `${told ? `${told}. ` : ""}${who}${company}${gone}`;
}

// --- Writing ---

function send(text) {
  if (screen.restoring) return; // the terminal answers questions that were asked long ago
  if (!state.writing) {
    tell("Read only");
    return;
  }
  if (text === "\x03" && pastes.running) pastes.stop(); // it would wait behind what it is to stop
  else connection.write(encoder.encode(text.replaceAll("\r", state.enter)));
}

// Return whether it goes; a newline in it is the Enter key.
function paste(text, bracketed = false, declined = undefined) {
  if (state.writing) return pastes.begin(text, bracketed, declined);
  tell("Read only");
  return false;
}

const keys = new Keys(byId("keys"), {
  send: (text) => {
    send(text);
    if (state.writing) terminal.scrollToBottom();
  },
  modes: () => terminal.modes,
  breakLine: async () => {
    if (await confirmed(`Send a break to ${port}? A Cisco device that is starting stops in its ROM monitor.`)) {
      connection.ask({ type: "send-break", seconds: null });
    }
  },
});

// Before xterm.js, which would send it all at once.
screen.place.addEventListener("paste", (event) => {
  event.preventDefault();
  event.stopPropagation();
  const text = event.clipboardData?.getData("text/plain");
  if (text) paste(text, terminal.modes.bracketedPasteMode);
}, { capture: true });
terminal.onData((data) => {
  if (!state.writing) return;
  // A phone's keyboard hands out its clipboard as if it were typed.
  const pasted = !screen.restoring && /^[^\x1b].*\r./s.test(data);
  if (pasted) paste(data.replaceAll("\r", "\n"), terminal.modes.bracketedPasteMode);
  else send(keys.apply(data));
});
terminal.onBinary((data) => state.writing && connection.write(Uint8Array.from(data, (c) => c.charCodeAt(0))));
terminal.onWriteParsed(() => screen.place.classList.contains("cut") && screen.showCursor());
terminal.element.addEventListener("keydown", (event) => {
  if (!state.writing && event.key.length === 1 && !event.ctrlKey && !event.metaKey) tell("Read only");
});

byId("control").addEventListener("click", () => connection.ask({ type: state.writing ? "release" : "take" }));

const field = byId("line");
byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value;
  const key = keys.apply(text); // Ctrl and a letter
  if (key !== text) send(key);
  else if (!paste(text.endsWith("\n") ? text : `${text}\n`, false, () => fill(field.value || text))) return;
  fill("");
});
function fill(text) {
  field.value = text;
  grow();
}
// Several lines come by pasting only: the Enter key sends, whichever way a phone's keyboard says it.
field.addEventListener("beforeinput", (event) => {
  if (event.inputType !== "insertLineBreak" && event.inputType !== "insertParagraph") return;
  event.preventDefault();
  byId("compose").requestSubmit();
});
field.addEventListener("input", grow);
function grow() {
  field.rows = Math.min(field.value.split("\n").length, MOST_ROWS);
  field.classList.toggle("long", field.value.includes("\n"));
}

function showButtons(buttons) {
  const made = buttons.map(({ name, label }) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: label, disabled: true });
    button.dataset.writes = "";
    button.addEventListener("click", () => connection.ask({ type: "press", button: name }));
    return button;
  });
  byId("buttons").replaceChildren(...made);
}

// --- Finding, and questions ---

const find = byId("find");
byId("find-open").addEventListener("click", () => {
  find.hidden = !find.hidden;
  if (find.hidden) closeFind();
  else byId("find-text").focus();
});
find.addEventListener("submit", (event) => {
  event.preventDefault();
  search(event.submitter?.value !== "next");
});
byId("find-close").addEventListener("click", closeFind);
find.addEventListener("keydown", (event) => event.key === "Escape" && closeFind());

function search(backwards) {
  const text = byId("find-text").value;
  const found = backwards ? screen.search.findPrevious(text) : screen.search.findNext(text);
  byId("find-said").textContent = found || !text ? "" : "Not found";
}

function closeFind() {
  find.hidden = true;
  byId("find-said").textContent = "";
  screen.search.clearDecorations();
  terminal.clearSelection();
  terminal.scrollToBottom();
}

byId("side").addEventListener("click", () => {
  const buttons = main.classList.toggle("side-buttons");
  byId("side").textContent = buttons ? "Keys" : "Buttons";
  byId("side").setAttribute("aria-pressed", String(buttons));
});

byId("composing").addEventListener("click", () => {
  const composing = main.classList.toggle("composing");
  byId("composing").setAttribute("aria-pressed", String(composing));
  if (composing) byId("line").focus();
});

let answering = Promise.resolve();
function confirmed(question) {
  const answer = answering.then(() => new Promise((resolve) => {
    const dialog = byId("question");
    byId("question-text").textContent = question;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  }));
  answering = answer;
  return answer;
}

show();
