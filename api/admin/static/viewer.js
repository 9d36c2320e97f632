// The before/after viewer: finds out what this browser can play, and joins films, picture and buttons.
import { FilmPair, load } from "./film_pair.js";
import { Stage } from "./stage.js";

const RATE = 25;
const clockOf = (seconds) => {
  const whole = Math.floor(seconds);
  const short = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}`;
  return whole < 3600 ? short : `${Math.floor(whole / 3600)}:${short.padStart(5, "0")}`;
};

async function plays(video, address) {
  if (!address) return false;
  try { await load(video, address); return true; } catch { return false; }
}

// Chooses what to show, the best first; says so where it is not the whole films.
async function choose(root, before, after) {
  const { before: input, after: result, preview, poster } = root.dataset;
  if (poster) after.poster = poster;
  const [hasInput, hasResult] = await Promise.all([plays(before, input), plays(after, result)]);
  if (hasInput && hasResult) return { kind: "films", note: "" };
  const which = hasResult ? (input ? "This browser cannot play the input" : "The input is not there any more") : hasInput ? "This browser cannot play the result" : "This browser can play neither film";
  if (preview && (await Promise.all([plays(before, preview), plays(after, preview)])).every(Boolean) && after.videoWidth % 2 === 0) {
    return { kind: "halves", note: `${which}, so this is the preview: a few seconds, at most 640 pixels wide.` };
  }
  if (hasResult && await plays(after, result)) return { kind: "one", note: `${which}, so this is the result alone.` };
  if (poster) return { kind: "still", note: `${which}, so this is a picture of the result. Download it to play it.` };
  return { kind: "nothing", note: `${which}. Download it to play it.` };
}

function shape(root, stage, kind, video) {
  const { width, height } = root.dataset;
  const halves = kind === "halves" ? 2 : 1;
  const [w, h] = kind === "still" && width ? [Number(width), Number(height)] : [video.videoWidth / halves, video.videoHeight];
  if (!w || !h) return;
  stage.style.aspectRatio = `${w} / ${h}`;
  // A high picture is bounded by the screen; its width follows.
  stage.style.maxWidth = `calc(75vh * ${w / h})`;
}

async function start(root) {
  const find = (selector) => root.querySelector(selector);
  const [after, before] = [find(".layer-after video"), find(".layer-before video")];
  const stageElement = find(".stage");
  const chosen = await choose(root, before, after);
  const note = find("#viewer-note");
  note.textContent = chosen.note;
  root.dataset.kind = chosen.kind;
  if (chosen.kind === "nothing") return;
  find(".viewer-body").hidden = false;
  root.classList.toggle("has-halves", chosen.kind === "halves");
  root.classList.toggle("has-one", chosen.kind === "one" || chosen.kind === "still");
  shape(root, stageElement, chosen.kind, after);
  const hasTwo = chosen.kind === "films" || chosen.kind === "halves";
  find(".viewer-split").hidden = !hasTwo;
  const stage = new Stage(stageElement);
  if (chosen.kind === "still") {
    const picture = document.createElement("img");
    picture.src = root.dataset.poster;
    picture.alt = "A picture of the result";
    find(".still").append(picture);
    find(".still").hidden = false;
    find(".viewer-films").hidden = true;
    find(".viewer-tools").hidden = true;
    find(".viewer-keys").hidden = true;
    return;
  }
  const pair = new FilmPair(after, hasTwo ? before : null, Number(root.dataset.rate) || RATE);
  root.films = pair;
  join(root, find, stage, pair);
}

function join(root, find, stage, pair) {
  const split = find("#split");
  const seek = find(".seek");
  const zoom = find(".zoom");
  const button = (name) => find(`[data-does="${name}"]`);
  const toggle = () => (pair.isPlaying ? pair.pause() : pair.play());
  const press = {
    play: toggle,
    back: () => pair.step(-1),
    on: () => pair.step(1),
    smaller: () => stage.zoomTo(stage.zoom / 2),
    larger: () => stage.zoomTo(stage.zoom * 2),
    fit: () => stage.zoomTo(1),
    sound: () => {
      pair.lead.muted = !pair.lead.muted;
      button("sound").setAttribute("aria-pressed", String(!pair.lead.muted));
      button("sound").textContent = `Sound: ${pair.lead.muted ? "off" : "on"}`;
    },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
  };
  for (const [name, act] of Object.entries(press)) button(name).addEventListener("click", act);
  button("full").hidden = !document.fullscreenEnabled;
  button("speed").addEventListener("change", (event) => pair.setSpeed(Number(event.target.value)));
  split.addEventListener("input", () => stage.setSplit(Number(split.value)));
  seek.addEventListener("input", () => pair.seek(Number(seek.value)));
  stage.addEventListener("change", () => {
    split.value = stage.split;
    split.setAttribute("aria-valuetext", `${Math.round(stage.split)} % input, ${Math.round(100 - stage.split)} % result`);
    zoom.value = `${Math.round(stage.zoom * 100)} %`;
  });
  const show = () => {
    seek.max = pair.duration || 1;
    seek.value = pair.at;
    const words = `${clockOf(pair.at)} of ${clockOf(pair.duration)}, frame ${pair.frame}`;
    seek.setAttribute("aria-valuetext", words);
    find(".clock").value = `${clockOf(pair.at)} / ${clockOf(pair.duration)} · ${pair.frame}`;
    button("play").textContent = pair.isPlaying ? "Pause" : "Play";
  };
  pair.addEventListener("change", show);
  const keys = {
    " ": toggle,
    k: toggle,
    ",": press.back,
    ".": press.on,
    "[": () => stage.setSplit(stage.split - 2),
    "]": () => stage.setSplit(stage.split + 2),
    "+": press.larger,
    "=": press.larger,
    "-": press.smaller,
    0: press.fit,
    ArrowLeft: () => stage.nudge(1, 0),
    ArrowRight: () => stage.nudge(-1, 0),
    ArrowUp: () => stage.nudge(0, 1),
    ArrowDown: () => stage.nudge(0, -1),
  };
  stage.element.addEventListener("keydown", (event) => {
    const isArrow = event.key.startsWith("Arrow");
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys) || (isArrow && stage.zoom === 1)) return;
    event.preventDefault();
    keys[event.key]();
  });
  stage.show();
  show();
}

function begin() {
  const root = document.querySelector("#viewer:not([data-begun])");
  if (!root) return;
  root.dataset.begun = "";
  start(root);
}

begin();
// The viewer comes into the page when the job that is watched succeeds.
document.body.addEventListener("htmx:afterSettle", begin);
