// A WebSocket that comes back by itself.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
const PATIENCE_MS = 4000; // for a sign of life after the page was away
const NOT_LOGGED_IN = 4401;

export class Socket {
  // `on` has open(), closed(), text(string), data(bytes), and probe(), which makes the other end say something.
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.pause = FIRST_PAUSE_MS;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
    window.addEventListener("online", () => this.look());
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    this.socket.send(data);
  }

  connect() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE_MS;
      this.on.open();
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(this.doubt);
      if (typeof data === "string") this.on.text(data);
      else this.on.data(new Uint8Array(data));
    };
    socket.onclose = ({ code }) => socket === this.socket && this.lost(code);
  }

  lost(code) {
    clearTimeout(this.doubt);
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
    } else if (this.isOpen) {
      this.on.probe();
      clearTimeout(this.doubt);
      this.doubt = setTimeout(() => {
        const gone = this.socket;
        this.lost(0);
        gone?.close();
      }, PATIENCE_MS);
    }
  }
}
