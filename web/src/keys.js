// The keys that a phone's keyboard lacks.

const ARROWS = { up: "A", down: "B", right: "C", left: "D" };
const PLAIN = {
  escape: "\x1b", tab: "\t", enter: "\r", backspace: "\x7f", bar: "|", question: "?", "ctrl-^": "\x1e", "ctrl-c": "\x03",
};

export function control(character) {
  const code = character.toUpperCase().charCodeAt(0);
  if (character === " " || character === "@") return "\0";
  if (character === "?") return "\x7f";
  return code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : character;
}

export class Keys {
  // `send` takes text, `modes` gives the terminal's modes, `breakLine` sends a break.
  constructor(bar, { send, modes, breakLine }) {
    this.held = false;
    this.ctrl = bar.querySelector("[data-key=ctrl]");
    // Without losing the terminal's focus, and with it the phone's keyboard.
    bar.addEventListener("pointerdown", (event) => event.target.closest("button") && event.preventDefault());
    bar.addEventListener("click", (event) => {
      const key = event.target.closest("button")?.dataset.key;
      if (key === "ctrl") this.hold(!this.held);
      else if (key === "break") breakLine();
      else if (key in ARROWS) send(`\x1b${modes().applicationCursorKeysMode ? "O" : "["}${ARROWS[key]}`);
      else if (key) send(this.apply(PLAIN[key]));
    });
  }

  hold(held) {
    this.held = held;
    this.ctrl.setAttribute("aria-pressed", String(held));
  }

  // A character after Ctrl is a control character, once.
  apply(text) {
    if (!this.held || text.length !== 1) return text;
    this.hold(false);
    return control(text);
  }
}
