// The terminal: 80 by 24, since a serial line carries no window size; the font is what gives way.
import { SearchAddon } from "@xterm/addon-search";
import { Terminal } from "@xterm/xterm";
import { keepStylesOutOfLine } from "./styles.js";

export const COLUMNS = 80;
export const ROWS = 24;
const FONT = '"DejaVu Sans Mono", "Droid Sans Mono", Menlo, Consolas, "Liberation Mono", monospace';
const LARGEST_FONT_PX = 22;
const SMALLEST_HEIGHT_PX = 200; // less is left beside a phone's keyboard: then the width alone counts
const STEP_PX = 0.1;

const THEME = {
  background: "#0b0f12",
  foreground: "#e4e8eb",
  cursor: "#ffd75f",
  cursorAccent: "#0b0f12",
  selectionBackground: "#3a5f8a",
  black: "#2a3238",
  red: "#ff7b72",
  green: "#6fd388",
  yellow: "#f2cc60",
  blue: "#79b8ff",
  magenta: "#d2a8ff",
  cyan: "#6fd6d6",
  white: "#d6dce0",
  brightBlack: "#8b98a3",
  brightRed: "#ffa198",
  brightGreen: "#a5e8b4",
  brightYellow: "#f8e3a1",
  brightBlue: "#a5d1ff",
  brightMagenta: "#e2c5ff",
  brightCyan: "#a5ecec",
  brightWhite: "#ffffff",
};

export class Screen {
  constructor(place) {
    keepStylesOutOfLine();
    this.place = place;
    this.terminal = new Terminal({
      cols: COLUMNS,
      rows: ROWS,
      fontFamily: FONT,
      fontSize: 8,
      scrollback: 5000,
      cursorBlink: false,
      minimumContrastRatio: 4.5, // whatever colours a program chooses
      theme: THEME,
    });
    this.search = new SearchAddon();
    this.terminal.loadAddon(this.search);
    this.terminal.open(place);
    this.terminal.write("\x1b[?25h"); // a cursor before anybody has typed
    // A phone must not improve what is typed.
    const field = this.terminal.textarea;
    for (const [name, value] of [["autocapitalize", "none"], ["autocomplete", "off"], ["enterkeyhint", "enter"]]) {
      field.setAttribute(name, value);
    }
    this.perPixel = measure();
    this.restBytes = 0; // of the restoring bytes that are still to come
    this.restoring = false;
    new ResizeObserver(() => this.fit()).observe(place);
    window.visualViewport?.addEventListener("resize", () => this.fit());
    this.fit();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width) return;
    const byWidth = width / COLUMNS / this.perPixel.width;
    const limited = getComputedStyle(this.place).getPropertyValue("--fit").trim() === "both";
    const byHeight = limited && height > SMALLEST_HEIGHT_PX ? height / ROWS / this.perPixel.height : Infinity;
    const before = this.terminal.options.fontSize;
    let size = Math.floor(Math.min(byWidth, byHeight, LARGEST_FONT_PX) / STEP_PX) * STEP_PX;
    do {
      this.terminal.options.fontSize = size;
      size -= STEP_PX;
    } while (size > 4 && this.overflows(width, byHeight === Infinity ? Infinity : height));
    if (this.terminal.options.fontSize !== before) this.scrollAgain();
    this.place.classList.toggle("cut", this.terminal.element.offsetHeight > height + 1);
    if (this.place.classList.contains("cut")) this.showCursor();
  }

  // xterm.js 6.0 keeps its place in pixels of the old font until the next line comes, and counts from there what is to be
  // scrolled; no public call makes it look again. At once: a search may follow before the next frame.
  scrollAgain() {
    const viewport = this.terminal._core._viewport;
    viewport._latestYDisp = undefined;
    viewport._sync();
  }

  overflows(width, height) {
    const screen = this.place.querySelector(".xterm-screen");
    return screen.offsetWidth > width || screen.offsetHeight > height;
  }

  showCursor() {
    const row = this.terminal.buffer.active.cursorY + 1;
    const bottom = (this.terminal.element.offsetHeight * row) / ROWS;
    this.place.scrollTop = Math.max(0, bottom - this.place.clientHeight);
  }

  // The next `bytes` bytes show the screen on a terminal that was just reset.
  restore(bytes) {
    this.terminal.reset();
    this.restBytes = bytes;
    this.restoring = bytes > 0;
  }

  show(data) {
    if (!this.restBytes) {
      this.terminal.write(data);
      return;
    }
    const past = data.subarray(0, this.restBytes);
    const live = data.subarray(past.length);
    this.restBytes -= past.length;
    const last = !this.restBytes;
    this.terminal.write(past, () => {
      if (last) this.restoring = false;
    });
    if (live.length) this.terminal.write(live);
  }
}

// How wide and how high a character is, per pixel of font size.
function measure() {
  const probe = document.createElement("span");
  probe.style.cssText = `position:absolute;visibility:hidden;white-space:pre;line-height:normal;font:100px ${FONT}`;
  probe.textContent = "W".repeat(50);
  document.body.append(probe);
  const { width, height } = probe.getBoundingClientRect();
  probe.remove();
  return { width: width / 5000, height: height / 100 };
}
