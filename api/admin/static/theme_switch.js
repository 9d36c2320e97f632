// Goes round: as the system, light, dark.
const ORDER = ["system", "light", "dark"];
const KEY = "flashvsr-theme";

function show(button, theme) {
  button.textContent = `Theme: ${theme}`;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new CustomEvent("themechange"));
}

export function startThemeSwitch(button) {
  if (!button) return;
  let theme = localStorage.getItem(KEY) ?? "system";
  if (!ORDER.includes(theme)) theme = "system";
  button.hidden = false;
  show(button, theme);
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem(KEY, theme);
    show(button, theme);
  });
}
