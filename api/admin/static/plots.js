// The overview's plots: data from the server, lines by uPlot, a legend of our own with the figures.
import { isLive } from "./live.js";

const EVERY_MS = 30000;
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3], [12, 5], [4, 2]];
const thousands = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const UNITS = {
  count: (v) => thousands.format(v),
  per_hour: (v) => `${thousands.format(v)}/h`,
  frames_per_s: (v) => `${thousands.format(v)} fps`,
  share: (v) => `${thousands.format(v * 100)} %`,
  bytes: (v) => `${thousands.format(v / 1e9)} GB`,
  seconds: (v) => (v < 90 ? `${thousands.format(v)} s` : v < 5400 ? `${thousands.format(v / 60)} min` : `${thousands.format(v / 3600)} h`),
};

const charts = new Map();
const root = document.getElementById("charts");

// As the page draws it: a variable itself still says what it is in either theme.
function color(name) {
  const sample = document.createElement("span");
  sample.style.color = `var(${name})`;
  root.append(sample);
  const drawn = getComputedStyle(sample).color;
  sample.remove();
  return drawn;
}

// As the viewer writes times; a day is named where it begins.
function when(seconds) {
  const at = new Date(seconds * 1000);
  return (at.getHours() || at.getMinutes() ? clock : day).format(at);
}

function options(chart, width) {
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width,
    height: 170,
    legend: { show: false },
    cursor: { y: false },
    scales: { y: { range: (_, low, high) => [0, chart.unit === "share" ? 1 : high > 0 ? high * 1.1 : 1] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map(when) }, { ...axis, size: 72, values: (_, ticks) => ticks.map(UNITS[chart.unit]) }],
    series: [{}, ...chart.lines.map((line, index) => ({
      label: line.label,
      stroke: color(`--series-${(index % 6) + 1}`),
      dash: DASHES[index % DASHES.length],
      width: 2,
      spanGaps: false,
      points: { show: line.values.filter((v) => v !== null).length < 3 },
    }))],
  };
}

function cell(row, tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  row.append(element);
  return element;
}

function swatch(index) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", "24");
  svg.setAttribute("height", "8");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 24, y1: 4, y2: 4, class: `swatch-${index % 6}`, "stroke-dasharray": DASHES[index % DASHES.length].join(" ") })) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function writeLegend(body, chart) {
  body.replaceChildren(...chart.lines.map((line, index) => {
    const known = line.values.filter((value) => value !== null);
    const row = document.createElement("tr");
    const head = cell(row, "th", line.label);
    head.scope = "row";
    head.prepend(swatch(index));
    const unit = UNITS[chart.unit];
    for (const value of [known.at(-1), known.reduce((a, b) => a + b, 0) / known.length, Math.max(...known)]) {
      cell(row, "td", known.length ? unit(value) : "–").className = "number";
    }
    return row;
  }));
}

function draw(chart) {
  const figure = root.querySelector(`[data-chart="${chart.name}"]`);
  if (!figure) return;
  const place = figure.querySelector(".plot");
  charts.get(chart.name)?.destroy();
  charts.delete(chart.name);
  writeLegend(figure.querySelector("tbody"), chart);
  figure.querySelector("table").hidden = chart.lines.length === 0;
  if (chart.lines.length === 0) {
    const note = document.createElement("p");
    note.className = "plot-empty";
    note.textContent = "Nothing was measured in this time.";
    place.replaceChildren(note);
    return;
  }
  place.replaceChildren();
  charts.set(chart.name, new uPlot(options(chart, place.clientWidth), [chart.at, ...chart.lines.map((line) => line.values)], place));
}

let latest = [];

async function load() {
  const answer = await fetch(root.dataset.source, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  latest = (await answer.json()).charts;
  latest.forEach(draw);
}

if (root) {
  load();
  setInterval(() => { if (isLive()) load(); }, EVERY_MS);
  document.addEventListener("themechange", () => latest.forEach(draw));
  new ResizeObserver(() => {
    for (const [name, plot] of charts) {
      const width = root.querySelector(`[data-chart="${name}"] .plot`).clientWidth;
      if (width !== plot.width) plot.setSize({ width, height: 170 });
    }
  }).observe(root);
}
