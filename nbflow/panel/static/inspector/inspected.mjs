// @ts-check
/** The top of the inspector: what is selected, how it stands, how long it took, and what is around it. */
import { make, say } from "../common/dom.mjs";
import { chipRow } from "./detail-sections.mjs";
import { replaceKeepingPlace } from "../common/sections.mjs";
import { formatSeconds, runTime, withClass } from "../common/format.mjs";
import { partsAt, partsText } from "../common/time-parts.mjs";

/** @type {Record<string, string>} */
const VALUES = { cached: "from the cache", reused: "from an earlier run", edited: "set by you", pinned: "pinned" };

// Messages that say no more than the state does, or than the section of the error.
const UNSAID = /^(Task run succeeded\.|Task not run\.|Starting task run\.|Error during execution of task: .*|)$/s;

/** @param {import("../common/store.mjs").Store} store @param {HTMLElement} close */
export function makeTitle(store, close) {
  const kind = make("span", "nbflow-kind");
  const name = make("h3", "nbflow-inspected-name");
  const badge = make("span", "nbflow-badge");
  const line = make("div", "nbflow-inspected-line", [badge, name, kind, close]);
  const element = make("header", "nbflow-inspected", [line]);
  const time = make("span", "nbflow-faint");
  const value = make("span", "nbflow-badge nbflow-value");
  const link = /** @type {HTMLAnchorElement} */ (make("a", "nbflow-dashboard", "dashboard of the cluster", {
    target: "_blank", rel: "noopener noreferrer", hidden: "",
  }));
  const facts = make("div", "nbflow-inspected-facts", [time, value, link]);
  const message = make("div", "nbflow-inspected-message");
  const around = make("div", "nbflow-around");
  const more = make("div", "nbflow-inspected-more", [facts, message, around]);
  /** @type {any} */
  let head = null;

  const tick = () => {
    if (!head) return;
    const { start, seconds, going, number, epoch, place } = head;
    const parts = [];
    const now = runTime(store.snapshot.head, performance.now());
    const times = head.parts ? partsText(partsAt(head.parts, now)) : "";
    if (number !== null && number !== undefined) parts.push(`run ${number}`);
    if (start !== null && start !== undefined) {
      const took = going ? Math.max(0, now - start) : seconds;
      parts.push(`began after ${formatSeconds(start)}`);
      if (!times) parts.push(going ? `running for ${formatSeconds(took)}` : `took ${formatSeconds(took)}`);
      time.title = epoch ? new Date((epoch + start) * 1000).toLocaleString() : "";
    }
    if (times) parts.push(times);
    if (place) parts.push(placeText(place, going));
    say(time, parts.join(" · "));
  };
  return {
    element,
    more,
    tick,
    /** Show what is known before the kernel has told more. @param {string} text @param {number | null} index */
    begin(text, index) {
      head = null;
      say(name, text + (index === null ? "" : ` [${index}]`));
      for (const one of [kind, time, message]) say(one, "");
      badge.hidden = value.hidden = link.hidden = true;
      around.replaceChildren();
    },
    /** @param {any} told */
    paint(told) {
      head = told;
      if (!told) {
        say(name, "It is no longer there.");
        return;
      }
      say(name, told.name + (told.index === null || told.index === undefined ? "" : ` [${told.index}]`));
      say(kind, told.kind === "task" ? "" : told.kind);
      badge.hidden = !told.line;
      badge.className = withClass(withClass(badge.className, "nbflow-state-", told.state ?? "none"), "nbflow-block-", told.status ?? "none");
      say(badge, told.line ?? "");
      say(message, UNSAID.test(told.message ?? "") ? "" : told.message);
      value.hidden = !VALUES[told.value];
      say(value, VALUES[told.value] ?? "");
      link.hidden = !/^https?:\/\//.test(told.link ?? "");
      if (!link.hidden && link.href !== told.link) link.href = told.link;
      tick();
    },
    /** @param {any} told */
    paintAround(told) {
      if (!told) return around.replaceChildren();
      const parts = [];
      const { key, index } = store.selected;
      if (index !== null) parts.push(lineOfChips("child of", chipRow(store, [{ key, name: head?.name ?? "the map", state: "Mapped", line: "▤ map" }], 1)));
      if (told.block) {
        const chip = { ...told.block, state: "", line: `▢ ${told.block.status || "block"}` };
        parts.push(lineOfChips("in", chipRow(store, [chip], 1)));
      }
      if (told.up.length) parts.push(lineOfChips("needs", chipRow(store, told.up, told.up_total)));
      if (told.down.length) parts.push(lineOfChips("feeds", chipRow(store, told.down, told.down_total)));
      replaceKeepingPlace(around, parts);
    },
  };
}

/** Where a task runs or ran, if it is not the kernel. @param {string} place @param {boolean} going */
export function placeText(place, going) {
  return `${going ? "runs" : "ran"} on ${place}`;
}

/** @param {string} word @param {HTMLElement} chips */
function lineOfChips(word, chips) {
  return make("div", "nbflow-around-line", [make("span", "nbflow-faint", word), chips]);
}
