// Puts every time into the viewer's own zone and language, and says how long ago it was.
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, {
  month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
});
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS.at(-1);
  return relative.format(Math.round(seconds / length), unit);
}

function write(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const style = element.dataset.style;
  element.title = full.format(at);
  if (style === "date") element.textContent = short.format(at);
  else if (style === "ago") element.textContent = ago(at);
  else element.textContent = `${short.format(at)}, ${ago(at)}`;
}

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) write(element);
}

setInterval(() => { if (!document.hidden) localise(document); }, 30000);
