// @ts-check
/**
 * A notification of the browser when a run is over, or held where somebody is needed. Nothing is asked for without a
 * click on the box; what was chosen is remembered by the browser.
 *
 * @typedef {import("./format.mjs").Head} Head
 */
import { make, say } from "./dom.mjs";
import { progressText, wordOf } from "./format.mjs";

const REMEMBERED = "nbflow-notify";
const LONG_S = 10; // what has taken longer is told even to somebody who may be looking

/**
 * The box "Notify me", and what tells it how a run stands now.
 * @param {AbortSignal} signal  @returns {{element: HTMLElement, look: (head: Head) => void}}
 */
export function makeNotifier(signal) {
  const box = make("input", "nbflow-notify-box", "", { type: "checkbox" });
  const words = make("span", "nbflow-notify-why", "", { role: "status" });
  const label = make("label", "nbflow-notify-label", [box, "Notify me"], {
    title: `A notification of the browser when a run is over or held, if it took ${LONG_S} s or you look elsewhere`,
  });
  /** @type {Head | undefined} */
  let told;
  box.checked = wasWanted() && permission() === "granted";
  box.addEventListener("change", async () => {
    if (!box.checked) {
      say(words, "");
      remember(false);
      return;
    }
    const answer = permission() === "default" ? await Notification.requestPermission() : permission();
    if (signal.aborted) return;
    box.checked = answer === "granted";
    say(words, refusalOf(answer));
    remember(box.checked);
  }, { signal });
  return {
    element: make("span", "nbflow-notify", [label, words]),
    look(head) {
      const news = told && tellNews(told, head);
      told = head;
      const looksElsewhere = document.hidden || !document.hasFocus();
      if (!news || !box.checked || !(looksElsewhere || (head.seconds ?? 0) >= LONG_S)) return;
      try {
        // One tag for all views of a run: the last one stands for all.
        const shown = new Notification(news.title, { body: news.body, tag: `nbflow-${head.flow}-${head.number}` });
        shown.onclick = () => window.focus();
      } catch { // a browser that takes them from service workers only
        say(words, refusalOf("unsupported"));
      }
    },
  };
}

/**
 * What somebody who is away wants to know: that a run has ended, or waits for him; null: nothing.
 * @param {Head} before  @param {Head} now
 */
export function tellNews(before, now) {
  if (now.number === null) return null;
  const name = `${now.flow}, run ${now.number}`;
  const isOther = now.number !== before.number;
  if (now.mode === "over" && (isOther || before.mode !== "over")) {
    return { title: `${name}: ${wordOf(now.line)}`, body: progressText(now) };
  }
  // One that is held at no task was paused by somebody, and names what is next.
  const isHeld = (/** @type {Head} */ head) => head.going && head.mode === "held" && !head.next;
  if (!isHeld(now) || (!isOther && isHeld(before) && now.line === before.line)) return null;
  return { title: `${name}: ${wordOf(now.line)}`, body: progressText(now) };
}

/** Why nothing can be shown. @param {string} answer  of the browser */
export function refusalOf(answer) {
  if (answer === "granted") return "";
  if (answer === "denied") return "The browser blocks notifications of this page; its site settings allow them.";
  if (answer === "unsupported") return "This browser shows no notifications of this page.";
  return "Not allowed; tick the box to be asked again.";
}

function permission() {
  return typeof Notification === "undefined" ? "unsupported" : Notification.permission;
}

function wasWanted() {
  try {
    return localStorage.getItem(REMEMBERED) === "yes";
  } catch { // a browser that keeps nothing
    return false;
  }
}

/** @param {boolean} isWanted */
function remember(isWanted) {
  try {
    if (isWanted) localStorage.setItem(REMEMBERED, "yes");
    else localStorage.removeItem(REMEMBERED);
  } catch { // then it is for this page only
  }
}
