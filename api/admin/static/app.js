// What every page needs: local times, the theme switch, and parts that refresh themselves.
import { localise } from "./times.js";
import { startLive } from "./live.js";
import { startThemeSwitch } from "./theme_switch.js";
import { startForms } from "./forms.js";

localise(document);
startThemeSwitch(document.getElementById("theme-switch"));
startLive(document.getElementById("live-switch"));
startForms(document);
// On a narrow screen the navigation is one line that scrolls.
document.querySelector(".side a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
document.body.addEventListener("htmx:afterSettle", (event) => localise(event.target));
