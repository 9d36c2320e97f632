// Runs before anything is drawn, so that no page flashes in the other theme.
(() => {
  const chosen = localStorage.getItem("flashvsr-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
