// The page that takes a file: dropping and choosing, what is shown meanwhile, and the form's end.
import { ask } from "./ask.js";
import { Upload } from "./upload.js";

const BEGUN = "flashvsr-uploads";
const BEGUN_MAX = 20;
const at = (id) => document.getElementById(id);
const form = at("submit-form");
const field = (name) => form.elements[name];
const asks = form.dataset.asks;
let upload = null;
let wantsToSubmit = false;
let began = { at: 0, bytes: 0 };

// Which file became which upload, so that the same file goes on where it stopped.
const nameOf = (file) => [field("tenant").value, file.name, file.size, file.lastModified].join("|");

function begun() {
  try { return JSON.parse(localStorage.getItem(BEGUN)) ?? {}; } catch { return {}; }
}

function remember(file, id) {
  const all = { ...begun(), [nameOf(file)]: id };
  localStorage.setItem(BEGUN, JSON.stringify(Object.fromEntries(Object.entries(all).slice(-BEGUN_MAX))));
}

function size(bytes) {
  const unit = ["B", "KB", "MB", "GB", "TB"].findIndex((_, power) => bytes < 1000 ** (power + 1));
  return `${(bytes / 1000 ** unit).toFixed(unit && bytes / 1000 ** unit < 100 ? 1 : 0)} ${["B", "KB", "MB", "GB", "TB"][unit]}`;
}

function time(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function complain(sentence) {
  at("file-problem").textContent = sentence;
  at("file-problem").hidden = !sentence;
}

const announce = (sentence) => { at("announcements").textContent = sentence; };

function showProgress() {
  const { sentBytes, file, state } = upload;
  at("file-progress").value = file.size ? (100 * sentBytes) / file.size : 0;
  if (state !== "sending") return;
  const seconds = (performance.now() - began.at) / 1000;
  const rate = (sentBytes - began.bytes) / seconds;
  const speed = seconds > 1 && rate > 0 ? ` · ${size(rate)}/s · ${time((file.size - sentBytes) / rate)} left` : "";
  at("file-status").textContent = `${size(sentBytes)} of ${size(file.size)}${speed}`;
}

function showState() {
  const { state, file } = upload;
  at("pause").hidden = state !== "sending";
  at("resume").hidden = state !== "paused" && state !== "failed";
  complain(state === "failed" ? `${upload.problem} What has come is kept: press “Go on” to try again.` : "");
  const words = { paused: "Paused; what has come is kept.", checking: "Checking …", complete: "All of it has come.", failed: "It stopped." };
  if (state in words) {
    at("file-status").textContent = state === "paused" ? `${size(upload.sentBytes)} of ${size(file.size)}. ${words.paused}` : words[state];
    announce(words[state]);
  }
  if (state === "sending") began = { at: performance.now(), bytes: upload.sentBytes };
  showProgress();
  if (state === "complete") {
    field("upload_id").value = upload.known.id;
    if (wantsToSubmit) form.requestSubmit();
  } else if (state !== "checking" && state !== "sending") stopWaiting();
}

function stopWaiting() {
  wantsToSubmit = false;
  at("submit-button").disabled = false;
  at("submit-note").textContent = "";
}

// An upload of just this file that was begun before, here or before the page was loaded again.
async function earlier(file) {
  const id = begun()[nameOf(file)] ?? field("upload_id").value;
  // Known here under another date: it was changed since, and its parts would not fit together.
  const isChanged = Object.entries(begun()).some(([name, known]) => known === id && name !== nameOf(file));
  if (!id || isChanged) return null;
  try {
    const found = await ask(`${asks}/${id}`);
    return found.size_bytes === file.size && found.filename === file.name ? found : null;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

async function take(file) {
  complain("");
  if (!file) return;
  if (file.size === 0) { complain(`${file.name} is empty, or a folder; choose a video.`); return; }
  const csrf = field("csrf").value;
  try {
    const known = await earlier(file) ?? await ask(asks, {
      method: "POST",
      csrf,
      fields: { tenant: field("tenant").value, filename: file.name, size_bytes: file.size, content_type: file.type.split(";")[0] },
    });
    remember(file, known.id);
    field("upload_id").value = "";
    field("tenant").disabled = true;
    history.replaceState(null, "", `${form.action}?upload=${known.id}`);
    upload = new Upload(file, { asks, csrf, known });
  } catch (error) {
    complain(error.message);
    return;
  }
  at("drop").hidden = true;
  at("sending").hidden = false;
  at("file-name").textContent = file.name;
  at("file-size").textContent = size(file.size);
  upload.addEventListener("progress", showProgress);
  upload.addEventListener("state", showState);
  announce(`Sending ${file.name}.`);
  upload.run();
  at("pause").focus();
}

// The whole page takes the file: one that misses the field would replace the page.
let depth = 0;
const hasFile = (event) => event.dataTransfer?.types.includes("Files");
const isReady = () => !at("drop").hidden;
const mark = () => at("drop").classList.toggle("is-over", depth > 0);
document.addEventListener("dragenter", (event) => { if (hasFile(event)) { depth += 1; mark(); } });
document.addEventListener("dragleave", (event) => { if (hasFile(event)) { depth = Math.max(0, depth - 1); mark(); } });
document.addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  depth = 0;
  mark();
  if (event.dataTransfer.files.length > 1) complain("One file at a time; for many, make a batch.");
  else if (isReady()) take(event.dataTransfer.files[0]);
});
at("file").addEventListener("change", (event) => take(event.target.files[0]));
at("pause").addEventListener("click", () => { upload.pause(); at("resume").focus(); });
at("resume").addEventListener("click", () => { upload.run(); at("pause").focus(); });

form.addEventListener("submit", (event) => {
  if (upload ? upload.state === "complete" : at("drop").hidden) return;
  event.preventDefault();
  if (!upload) { complain("Choose a file first."); at("file").focus(); return; }
  wantsToSubmit = true;
  at("submit-button").disabled = true;
  at("submit-note").textContent = "It is submitted as soon as the file is there.";
  if (upload.state === "paused" || upload.state === "failed") upload.run();
});
