// @ts-check
/**
 * A live region that tells those who do not see the graph what happens in it: summed up, at most once a second.
 *
 * @typedef {import("./format.mjs").Head} Head
 * @typedef {{name: string, note: string}} Failure
 */
import { make } from "./dom.mjs";
import { cut, progressText, wordOf } from "./format.mjs";
import { FAILURES } from "./state-traits.mjs";

const PAUSE_MS = 1000;
const NAMED = 3;

/** @param {import("./store.mjs").Store} store */
export function makeAnnouncer(store) {
  const polite = make("div", "", "", { "aria-live": "polite", "aria-atomic": "true" });
  const urgent = make("div", "", "", { "aria-live": "assertive", "aria-atomic": "true" });
  const element = make("div", "nbflow-announcer", [polite, urgent]);
  /** @type {Head | undefined} */
  let told;
  /** @type {Map<string, Failure>} */
  const failures = new Map();
  /** @type {Set<string>} */
  const known = new Set();
  /** @type {string[]} */
  const others = [];
  let timer = 0;
  let next = 0;

  const speak = () => {
    timer = 0;
    next = performance.now() + PAUSE_MS;
    const head = store.snapshot.head;
    const said = told ? tellChange(told, head, [...failures.values()]) : { text: "", urgent: "" };
    told = head;
    failures.clear();
    const text = [...others.splice(0), said.text].filter(Boolean).join(" ");
    if (text) polite.replaceChildren(make("span", "", text)); // a new element: the same words are read again
    if (said.urgent) urgent.replaceChildren(make("span", "", said.urgent));
  };
  const soon = () => {
    if (!timer) timer = window.setTimeout(speak, Math.max(50, next - performance.now()));
  };
  store.on("picture", () => { // another run, or another page: what it holds already is no news
    known.clear();
    failures.clear();
    for (const [key, { data }] of store.rows) if (FAILURES.has(data.state)) known.add(key);
    told ??= store.snapshot.head;
    soon();
  });
  store.on("patch", (/** @type {import("./format.mjs").Patch} */ patch) => {
    for (const [key, [state, , , , , note]] of Object.entries(patch.rows)) {
      if (!FAILURES.has(state)) known.delete(key);
      else if (!known.has(key)) {
        known.add(key);
        failures.set(key, { name: store.names.get(key)?.name ?? key, note });
      }
    }
    soon();
  });
  store.on("announce", (/** @type {string} */ text) => {
    others.push(text);
    soon();
  });
  store.signal.addEventListener("abort", () => clearTimeout(timer));
  return element;
}

/**
 * What happened between two looks, in sentences: `text` can wait, `urgent` cannot.
 * @param {Head} before  @param {Head} now  @param {Failure[]} failures  since the first look
 */
export function tellChange(before, now, failures) {
  const isOther = now.number !== before.number;
  const earlier = isOther ? { ...before, going: false, state: "", note: "", open: [], leaks: [] } : before;
  const parts = [];
  if (isOther && now.number !== null && now.going) parts.push(`Run ${now.number} of ${now.flow} started.`);
  parts.push(...tellResources(earlier, now));
  const failed = tellFailures(failures);
  const isStill = now.state === "Paused" && (earlier.state !== "Paused" || earlier.note !== now.note || before.done !== now.done);
  const still = isStill ? `${sentence(now.note || "The run is paused")} ${now.done} of ${now.total} done.` : "";
  const leaks = now.leaks.filter((leak) => !earlier.leaks.includes(leak));
  const leaked = leaks.length ? `Cleanup failed, the resource may be left: ${sentence(some(leaks))}` : "";
  const isHeld = still && failed;
  if (!isHeld) parts.push(failed, still);
  if (!now.going && now.seconds !== null && (earlier.going || (isOther && now.number !== null))) {
    parts.push(`Run ${now.number} ended: ${wordOf(now.line)}. ${sentence(progressText(now))}`);
  }
  const urgent = [leaked, isHeld ? `${failed} ${still}` : ""];
  return { text: parts.filter(Boolean).join(" "), urgent: urgent.filter(Boolean).join(" ") };
}

/** @param {Failure[]} failures */
function tellFailures(failures) {
  if (!failures.length) return "";
  const { name, note } = failures[failures.length - 1];
  const last = note ? `${name}: ${note}` : name;
  return failures.length === 1
    ? sentence(`${name} failed${note ? `: ${note}` : ""}`)
    : sentence(`${failures.length} tasks failed, at last ${last}`);
}

/** @param {Head} before @param {Head} now */
function tellResources(before, now) {
  const named = (/** @type {Head} */ head, /** @type {string[]} */ wanted) =>
    head.open.filter(([, , status]) => wanted.includes(status)).map(([, name]) => name);
  const any = ["opening", "open", "closing"];
  const isLeak = (/** @type {string} */ name) => now.leaks.some((leak) => leak.startsWith(`${name}: `));
  const opened = without(named(now, ["open", "closing"]), named(before, ["open", "closing"]));
  const gone = without(named(before, any), named(now, any)).filter((name) => !isLeak(name));
  return [
    opened.length ? `Opened: ${sentence(some(opened))}` : "",
    gone.length ? `Cleaned up: ${sentence(some(gone))}` : "",
  ];
}

/** What is in the first list more often than in the other. @param {string[]} all @param {string[]} others */
function without(all, others) {
  const left = [...others];
  return all.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** @param {string[]} names */
function some(names) {
  const rest = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** @param {string} text */
function sentence(text) {
  return cut(text, 160).replace(/\.*$/, ".");
}
