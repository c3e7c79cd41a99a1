// The broker's messages over a WebSocket (src/pibramble/console/messages.py).
import { Socket } from "./socket.js";

const WINDOW_BYTES = 16384; // never so much ahead of `written`
const PIECE_BYTES = 4096;

export class Connection {
  // `on` has open(), closed(), message(object), data(bytes).
  constructor(on) {
    this.on = on;
    this.forget();
    this.socket = new Socket("/socket", {
      open: () => on.open(),
      closed: () => {
        this.forget();
        on.closed();
      },
      text: (text) => this.hear(JSON.parse(text)),
      data: (bytes) => on.data(bytes),
      probe: () => this.ask({ type: "list-ports" }),
    });
  }

  forget() {
    this.waiting = []; // bytes that were not sent yet
    this.aheadBytes = 0;
  }

  hear(message) {
    if (message.type === "written") {
      this.aheadBytes = Math.max(0, this.aheadBytes - message.bytes);
      this.flush();
    } else if (message.type === "cancelled") {
      this.forget();
    }
    this.on.message(message);
  }

  ask(message) {
    if (this.socket.isOpen) this.socket.send(JSON.stringify(message));
  }

  write(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.waiting.push(bytes.subarray(at, at + PIECE_BYTES));
    this.flush();
  }

  flush() {
    while (this.waiting.length && this.aheadBytes + this.waiting[0].length <= WINDOW_BYTES) {
      if (!this.socket.isOpen) break;
      const piece = this.waiting.shift();
      this.socket.send(piece);
      this.aheadBytes += piece.length;
    }
  }

  cancel() {
    this.forget();
    this.ask({ type: "cancel" });
  }
}
