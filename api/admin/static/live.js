// Parts of pages refresh themselves (hx-trigger="every ..."); this lets people stop that, and
// stops it for pages that nobody sees.
const KEY = "flashvsr-live";

export const isLive = () => localStorage.getItem(KEY) !== "off" && !document.hidden;

export function startLive(button) {
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.hasAttribute("data-poll") && !isLive()) event.preventDefault();
  });
  if (!button || !document.querySelector("[data-poll]")) return;
  const show = () => {
    const isOn = localStorage.getItem(KEY) !== "off";
    button.setAttribute("aria-pressed", String(isOn));
    button.textContent = isOn ? "Live: on" : "Live: paused";
  };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, localStorage.getItem(KEY) === "off" ? "on" : "off");
    show();
  });
}
