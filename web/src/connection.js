// The broker's messages over a WebSocket that comes back by itself (src/pibramble/console/messages.py).

const WINDOW_BYTES = 16384; // never so much ahead of `written`
const PIECE_BYTES = 4096;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
const PATIENCE_MS = 4000; // for a sign of life after the page was away
const NOT_LOGGED_IN = 4401;

export class Connection {
  // `on` has open(), closed(), message(object), data(bytes), queue(bytes waiting, bytes of the whole).
  constructor(on) {
    this.on = on;
    this.pause = FIRST_PAUSE_MS;
    this.forget();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
    window.addEventListener("online", () => this.look());
    this.connect();
  }

  forget() {
    this.waiting = []; // bytes that were not sent yet
    this.waitingBytes = 0;
    this.wholeBytes = 0;
    this.aheadBytes = 0;
  }

  connect() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/socket`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE_MS;
      this.on.open();
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(this.doubt);
      if (typeof data === "string") this.hear(JSON.parse(data));
      else this.on.data(new Uint8Array(data));
    };
    socket.onclose = ({ code }) => socket === this.socket && this.lost(code);
  }

  lost(code) {
    clearTimeout(this.doubt);
    this.forget();
    this.socket = null;
    if (code === NOT_LOGGED_IN) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
      return;
    }
    this.on.closed();
    this.timer = setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }

  // The network may have gone while the page slept, and nothing has told so.
  look() {
    if (this.socket === null) {
      this.pause = FIRST_PAUSE_MS;
      this.connect();
    } else if (this.socket.readyState === WebSocket.OPEN) {
      this.ask({ type: "list-ports" });
      clearTimeout(this.doubt);
      this.doubt = setTimeout(() => {
        const gone = this.socket;
        this.lost(0);
        gone?.close();
      }, PATIENCE_MS);
    }
  }

  hear(message) {
    if (message.type === "written") {
      this.aheadBytes = Math.max(0, this.aheadBytes - message.bytes);
      this.flush();
    } else if (message.type === "cancelled") {
      this.forget();
      this.on.queue(0, 0);
    }
    this.on.message(message);
  }

  ask(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  write(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.waiting.push(bytes.subarray(at, at + PIECE_BYTES));
    this.waitingBytes += bytes.length;
    this.wholeBytes += bytes.length;
    this.flush();
  }

  flush() {
    while (this.waiting.length && this.aheadBytes + this.waiting[0].length <= WINDOW_BYTES) {
      if (this.socket?.readyState !== WebSocket.OPEN) break;
      const piece = this.waiting.shift();
      this.socket.send(piece);
      this.waitingBytes -= piece.length;
      this.aheadBytes += piece.length;
    }
    this.on.queue(this.waitingBytes, this.wholeBytes);
    if (!this.waitingBytes) this.wholeBytes = 0;
  }

  cancel() {
    this.forget();
    this.ask({ type: "cancel" });
  }
}
