// @ts-check
/** What is looked for in output: a text, whose finds one goes through by Enter, and the level from which lines are shown. */
import { make, makeButton, say } from "../common/dom.mjs";
import { LEVELS } from "./log-lines.mjs";

/** @param {string} label  @param {HTMLElement} box  what holds the lines  @param {() => void} changed */
export function makeLogFinder(label, box, changed) {
  const input = make("input", "nbflow-ask-field nbflow-log-search", "", {
    type: "search", placeholder: "Search", "aria-label": `search ${label}`, autocomplete: "off", spellcheck: "false",
  });
  const level = make("select", "nbflow-ask-field nbflow-log-level", LEVELS.map(([word]) => make("option", "", word)), {
    "aria-label": `level of ${label}`,
  });
  const count = make("span", "nbflow-faint nbflow-log-count", "", { "aria-live": "polite" });
  const back = makeButton("↑", "nbflow-push nbflow-log-go", () => go(-1), { "aria-label": "previous find" });
  const on = makeButton("↓", "nbflow-push nbflow-log-go", () => go(1), { "aria-label": "next find" });
  const element = make("div", "nbflow-log-finder", [input, back, on, count, level]);
  let at = -1;
  const finds = () => [...box.querySelectorAll(".nbflow-said:not([hidden]) mark")];

  const finder = {
    element,
    text: "",
    rank: 0,
    /** Say how many finds there are, now that the lines are others. */
    count() {
      const found = finder.text ? finds() : [];
      at = Math.min(at, found.length - 1);
      back.hidden = on.hidden = !found.length;
      const words = found.length ? (at < 0 ? `${found.length}` : `${at + 1} of ${found.length}`) : "not found";
      say(count, finder.text ? words : "");
    },
  };
  /** @param {number} step */
  const go = (step) => {
    const found = finds();
    if (!found.length) return;
    found[at]?.classList.remove("nbflow-found-now");
    at = at < 0 && step < 0 ? found.length - 1 : (at + step + found.length) % found.length;
    found[at].classList.add("nbflow-found-now");
    box.scrollTop += found[at].getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
    finder.count();
  };
  const renew = () => {
    at = -1;
    changed();
  };
  input.addEventListener("input", () => {
    finder.text = input.value;
    renew();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && input.value) {
      input.value = finder.text = "";
      renew();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  level.addEventListener("change", () => {
    finder.rank = LEVELS[level.selectedIndex][1];
    renew();
  });
  finder.count();
  return finder;
}
