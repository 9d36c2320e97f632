// One file on its way, in parts, straight to the object store: it pauses, goes on, and sends
// nothing twice. Knows nothing of the page.
import { ask, Refused } from "./ask.js";

const PARALLEL = 3;
const LINKS = 12;
const TRIES = 6;

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("", "AbortError")); }, { once: true });
});

// fetch() cannot tell how far it is; this can.
function put(request, body, onBytes, signal) {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open(request.method, request.url);
    for (const [name, value] of Object.entries(request.headers)) sender.setRequestHeader(name, value);
    sender.upload.addEventListener("progress", (event) => onBytes(event.loaded));
    sender.addEventListener("load", () => {
      if (sender.status < 300) resolve();
      else reject(new Refused(sender.status, `The object store refused it (${sender.status}).`));
    });
    const site = new URL(request.url, location.href).origin;
    const cause = site === location.origin ? "check the line" : `check the line, and that ${site} lets this site (${location.origin}) send files to it`;
    sender.addEventListener("error", () => reject(new Refused(0, `The file could not be sent; ${cause}.`)));
    sender.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal.addEventListener("abort", () => sender.abort(), { once: true });
    sender.send(body);
  });
}

const mayPass = (error) => error instanceof Refused && (error.status === 0 || error.status === 403 || error.status === 408 || error.status === 429 || error.status >= 500);

export class Upload extends EventTarget {
  // `asks` is the address of all uploads; `known` the document of one that was begun before.
  constructor(file, { asks, csrf, known }) {
    super();
    this.file = file;
    this.known = known;
    this.asks = asks;
    this.csrf = csrf;
    this.state = "paused";
    this.settled = 0;
    this.flying = new Map();
  }

  get here() { return `${this.asks}/${this.known.id}`; }

  get sentBytes() {
    let sum = this.settled;
    for (const bytes of this.flying.values()) sum += bytes;
    return Math.min(sum, this.file.size);
  }

  pause() {
    if (this.state !== "sending") return;
    this.aborter.abort();
    this.flying.clear();
    this.enter("paused");
  }

  async run() {
    this.aborter = new AbortController();
    this.enter("sending");
    const { signal } = this.aborter;
    try {
      // What has come is asked for again each time: answers may have been lost on the way.
      const found = await ask(this.here, { signal });
      if (found.state !== "complete") {
        if (found.request) await this.sendWhole(found, signal);
        else await this.sendParts(found, signal);
        this.enter("checking");
        this.known = await ask(`${this.here}/complete`, { method: "POST", csrf: this.csrf, signal });
      }
      this.settled = this.file.size;
      this.enter("complete");
    } catch (error) {
      if (error.name === "AbortError") return;
      this.aborter.abort();
      this.flying.clear();
      this.problem = error.message;
      this.enter("failed");
    }
  }

  async sendWhole(found, signal) {
    this.settled = 0;
    let request = found.request;
    await this.persist(0, found.size_bytes, () => request, async () => { request = (await ask(this.here, { signal })).request; }, signal);
  }

  async sendParts(found, signal) {
    const arrived = new Set(found.parts_arrived);
    const step = found.part_size_bytes;
    const sizeOf = (number) => Math.min(step, found.size_bytes - (number - 1) * step);
    const missing = [];
    this.settled = 0;
    for (let number = 1; number <= found.part_count; number += 1) {
      if (arrived.has(number)) this.settled += sizeOf(number);
      else missing.push(number);
    }
    this.tell();
    const links = new Map();
    let waiting = null;
    const sign = async (numbers) => {
      const query = numbers.map((number) => `number=${number}`).join("&");
      for (const part of (await ask(`${this.here}/parts?${query}`, { signal })).parts) links.set(part.number, part.request);
    };
    const linkOf = async (number) => {
      // One request for some links at a time, because links expire.
      while (!links.has(number)) {
        waiting ??= sign([number, ...missing.filter((each) => !links.has(each)).slice(0, LINKS - 1)]).finally(() => { waiting = null; });
        await waiting;
      }
    };
    const lane = async () => {
      for (let number = missing.shift(); number !== undefined; number = missing.shift()) {
        await linkOf(number);
        await this.persist((number - 1) * step, sizeOf(number), () => links.get(number), () => sign([number]), signal);
        links.delete(number);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, lane));
  }

  // Sends one piece, again where that may help.
  async persist(offset, size, request, renew, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        await put(request(), this.file.slice(offset, offset + size), (bytes) => { this.flying.set(offset, Math.min(bytes, size)); this.tell(); }, signal);
        break;
      } catch (error) {
        this.flying.delete(offset);
        if (!mayPass(error) || tries === TRIES) throw error;
        await pause(500 * 2 ** tries, signal);
        // A link expires; a new one does no harm where it had not.
        if (error.status === 403) await renew();
      }
    }
    this.flying.delete(offset);
    this.settled += size;
    this.tell();
  }

  enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  tell() { this.dispatchEvent(new Event("progress")); }
}
