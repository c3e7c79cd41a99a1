// A paste: how far the broker is with it, how it is stopped, and why it did not come to its end.
import { thousands } from "./words.js";

const LARGEST_BYTES = 512 * 1024; // as the broker's (src/pibramble/console/messages.py): what it would refuse is not sent
const SHOW_MS = 300; // a line that is gone at once need not be told of

export class Pastes {
  constructor(port, connection) {
    this.port = port;
    this.connection = connection;
    this.at = null; // the broker's last word of the paste that goes down the line
    this.problem = "";
    const parts = ["", "-said", "-bar", "-end"].map((part) => document.getElementById(`paste${part}`));
    [this.row, this.words, this.bar, this.button] = parts;
    this.button.addEventListener("click", () => (this.running ? this.stop() : this.end("")));
  }

  get running() {
    return this.at !== null;
  }

  // Return whether it was sent to the broker, which asks first when it is long.
  // `declined` is called when none of it went.
  begin(text, bracketed, declined = () => {}) {
    const size = new TextEncoder().encode(text).length;
    if (size > LARGEST_BYTES) {
      this.end(
        `${thousands(size)} bytes are too many to paste; ${thousands(LARGEST_BYTES)} are the most`,
        `As a file it goes, in a shell: pibramble console ${this.port} --send-file FILE`,
      );
      return false;
    }
    if (this.problem) this.end("");
    this.declined = declined;
    this.connection.ask({ type: "paste", text, bracketed });
    return true;
  }

  told(at) {
    const began = !this.running;
    this.at = at.bytes < at.of_bytes ? at : null;
    if (this.running && began) {
      this.problem = "";
      this.timer = setTimeout(() => this.show(), SHOW_MS);
    } else if (!this.running || !this.row.hidden) this.show();
  }

  refused(problem, hint) {
    if (!this.running) this.declined();
    this.end(problem, hint);
  }

  stop() {
    this.connection.cancel();
    this.end(`Stopped: ${this.far()}`);
  }

  lost() {
    if (this.running) this.end("The connection was lost, and the paste ended", "The screen tells how far it came.");
  }

  end(problem, hint = "") {
    this.at = null;
    this.problem = [problem, hint].filter(Boolean).join("\n");
    this.show();
  }

  far() {
    const { bytes, of_bytes: ofBytes, lines, of_lines: ofLines } = this.at;
    if (ofLines > 1) return `${thousands(lines)} of ${thousands(ofLines)} lines sent`;
    return `${thousands(bytes)} of ${thousands(ofBytes)} bytes sent`;
  }

  show() {
    clearTimeout(this.timer);
    this.row.hidden = !this.running && !this.problem;
    this.row.classList.toggle("ended", !this.running);
    this.button.textContent = this.running ? "Stop" : "Close";
    this.words.setAttribute("aria-live", this.running ? "off" : "polite"); // not ten times a second
    this.words.textContent = this.running ? `Pasting: ${this.far()}` : this.problem;
    if (this.running) this.bar.value = this.at.bytes / this.at.of_bytes;
  }
}
