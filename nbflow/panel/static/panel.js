// @ts-check
/**
 * The live parts of a panel: `head` (flow, state, progress, resources) and `body` (graph and table).
 *
 * The kernel sends a picture once (an SVG that nbflow rendered, and the rows of the table) and then patches: what
 * changed, at most ten times a second. A patch only changes classes and texts. Whatever comes from users arrives
 * as text and is set with `textContent`.
 *
 * @typedef {{flow: string, number: number | null, state: string, line: string, note: string,
 *   seconds: number | null, going: boolean, total: number, done: number,
 *   counts: [string, string, number][], open: [string, string, string][], leaks: string[]}} Head
 * @typedef {{state: string, line: string, note: string, seconds: number | null, going: boolean}} Row
 * @typedef {[string, string]} Mark
 * @typedef {{head: Head, nodes: Record<string, Mark>, clusters: Record<string, Mark>,
 *   rows: Record<string, Row>}} Patch
 * @typedef {{key: string, name: string, kind: string, box: string, depth: number}} RowName
 * @typedef {{svg: string, problem: string, rows: RowName[]}} Picture
 * @typedef {{get(name: string): any, on(name: string, call: (...args: any[]) => void): void,
 *   off(name: string, call: (...args: any[]) => void): void}} Model
 * @typedef {{model: Model, el: HTMLElement, signal: AbortSignal,
 *   host: {getModel(ref: string): Promise<Model>}}} View
 */

const TICK_MS = 1000;
const ATTACH_TRIES = 120;
// The picture is drawn before any state: its titles end so.
const UNTOUCHED = /: · [^:]*$/;

// --- pure helpers, exported for the tests ---

/**
 * Seconds as a person reads them: `0.24 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
 * @param {number | null} seconds
 */
export function formatSeconds(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  const positive = Math.max(0, seconds);
  if (positive < 9.995) return `${positive.toFixed(2)} s`;
  if (positive < 59.95) return `${positive.toFixed(1)} s`;
  const whole = Math.round(positive);
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/**
 * A time that goes on: what the kernel said, and what has passed here since. The two clocks never meet.
 * @param {number | null} seconds
 * @param {boolean} going
 * @param {number} toldAt  @param {number} now  both in milliseconds
 */
export function elapsed(seconds, going, toldAt, now) {
  if (seconds === null) return null;
  return going ? seconds + Math.max(0, now - toldAt) / 1000 : seconds;
}

/**
 * Put a patch into a snapshot, in place: views made later start from it.
 * @param {Patch} snapshot  @param {Patch} patch
 */
export function merge(snapshot, patch) {
  snapshot.head = patch.head;
  Object.assign(snapshot.nodes, patch.nodes);
  Object.assign(snapshot.clusters, patch.clusters);
  Object.assign(snapshot.rows, patch.rows);
  return snapshot;
}

/**
 * Swap the one class that starts with `start`.
 * @param {string} classes  @param {string} start  @param {string} name
 */
export function withClass(classes, start, name) {
  const kept = classes.split(/\s+/).filter((c) => c && !c.startsWith(start));
  return [...kept, start + name].join(" ");
}

/**
 * The progress in words: `7 of 12 done: 1 failed, 6 success`.
 * @param {Head} head
 */
export function progressText(head) {
  const parts = head.counts.filter(([name]) => name !== "Pending").map(([, word, n]) => `${n} ${word}`);
  return `${head.done} of ${head.total} done` + (parts.length ? `: ${parts.join(", ")}` : "");
}

/**
 * What a task is called in the table: setup and cleanup stand below their block's name already.
 * @param {RowName} row
 */
export function shortName({ name, kind, box }) {
  const within = kind === "setup" || kind === "cleanup";
  return within && name.startsWith(`${box}.`) ? name.slice(box.length + 1) : name;
}

// --- small DOM helpers ---

/**
 * @param {string} tag  @param {string} [classes]  @param {string} [text]
 * @returns {HTMLElement}
 */
function make(tag, classes = "", text = "") {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text) element.textContent = text;
  return element;
}

/** @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Listen for as long as the view lives.
 * @param {Model} model  @param {AbortSignal} signal  @param {string} name  @param {(...args: any[]) => void} call
 */
function listen(model, signal, name, call) {
  model.on(name, call);
  signal.addEventListener("abort", () => model.off(name, call));
}

/**
 * Call with every patch, and with the whole snapshot when the kernel sends one.
 * @param {Model} body  @param {AbortSignal} signal  @param {(patch: Patch) => void} paint
 */
function follow(body, signal, paint) {
  listen(body, signal, "msg:custom", (message) => {
    if (message?.kind === "patch") paint(message.patch);
  });
  listen(body, signal, "change:snapshot", () => paint(body.get("snapshot")));
}

/** @param {AbortSignal} signal @param {() => void} call */
function everySecond(signal, call) {
  const timer = setInterval(call, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/**
 * Look for an element once a frame, for a while: a view is not in the page yet when it renders.
 * @param {() => Element | null | undefined} find  @param {AbortSignal} signal  @param {(found: Element) => void} call
 */
function whenThere(find, signal, call) {
  let tries = 0;
  const attempt = () => {
    if (signal.aborted) return;
    const found = find();
    if (found) call(found);
    else if (++tries < ATTACH_TRIES) requestAnimationFrame(attempt);
  };
  attempt();
}

// --- head ---

/** @param {View} view */
async function renderHead({ model, el, signal, host }) {
  el.classList.add("nbflow-head");
  const title = make("div", "nbflow-title");
  const flow = make("strong", "nbflow-flow");
  const number = make("span", "nbflow-number");
  const badge = make("span", "nbflow-badge");
  badge.setAttribute("role", "status");
  const time = make("span", "nbflow-time");
  const open = make("span", "nbflow-open");
  title.append(flow, number, badge, time, open);
  const bar = make("div", "nbflow-bar");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "tasks done");
  bar.setAttribute("aria-valuemin", "0");
  const counts = make("div", "nbflow-counts");
  const problem = make("div", "nbflow-problem");
  problem.setAttribute("role", "alert");
  el.replaceChildren(title, bar, counts, problem);

  const body = await host.getModel(model.get("body"));
  if (signal.aborted) return;
  /** @type {Head} */
  let head = body.get("snapshot").head;
  let toldAt = performance.now();

  const tick = () => say(time, formatSeconds(elapsed(head.seconds, head.going, toldAt, performance.now())));
  const paint = (/** @type {Patch} */ patch) => {
    head = patch.head;
    toldAt = performance.now();
    say(flow, head.flow);
    say(number, head.number === null ? "not run yet" : `run ${head.number}`);
    badge.className = withClass(badge.className, "nbflow-state-", head.state);
    badge.hidden = head.number === null;
    say(badge, head.line);
    badge.title = head.note;
    tick();
    open.replaceChildren(...head.open.map(([icon, name, status]) =>
      make("span", `nbflow-chip nbflow-block-${status}`, `${icon} ${name} ${status}`)));
    paintBar(bar, head);
    say(counts, progressText(head));
    paintProblem(problem, head.leaks, model.get("error"));
  };
  follow(body, signal, paint);
  listen(model, signal, "change:error", () => paintProblem(problem, head.leaks, model.get("error")));
  everySecond(signal, () => head.going && tick());
  paint(body.get("snapshot"));
  const find = () => el.closest(".nbflow-panel")?.querySelector(".nbflow-controls");
  whenThere(find, signal, (controls) => tendButtons(controls, signal));
}

/**
 * A button is disabled while its command is carried out, and so loses the focus: give it back, that the next step
 * is one more press of the same key. And let nobody read out the icons.
 * @param {Element} controls  @param {AbortSignal} signal
 */
function tendButtons(controls, signal) {
  /** @type {HTMLButtonElement | null} */
  let pressed = null;
  const tend = () => {
    for (const icon of controls.querySelectorAll("i:not([aria-hidden])")) icon.setAttribute("aria-hidden", "true");
    const isFree = !document.activeElement || document.activeElement === document.body;
    if (isFree && pressed && !pressed.disabled) pressed.focus({ preventScroll: true });
  };
  controls.addEventListener("focusin", (event) => {
    pressed = /** @type {Element} */ (event.target).closest("button");
  }, { signal });
  // Who has gone elsewhere, by key or by mouse, stays there.
  document.addEventListener("focusin", (event) => {
    if (!controls.contains(/** @type {Node} */ (event.target))) pressed = null;
  }, { signal });
  document.addEventListener("pointerdown", () => { pressed = null; }, { signal, capture: true });
  const observer = new MutationObserver(tend);
  observer.observe(controls, { subtree: true, childList: true, attributeFilter: ["disabled"] });
  signal.addEventListener("abort", () => observer.disconnect());
  tend();
}

/** @param {HTMLElement} bar @param {Head} head */
function paintBar(bar, head) {
  bar.setAttribute("aria-valuemax", String(head.total));
  bar.setAttribute("aria-valuenow", String(head.done));
  bar.setAttribute("aria-valuetext", progressText(head));
  const wanted = head.counts.map(([name]) => name).join(" ");
  if (bar.dataset.parts !== wanted) {
    bar.dataset.parts = wanted;
    bar.replaceChildren(...head.counts.map(([name]) => make("span", `nbflow-part nbflow-state-${name}`)));
  }
  head.counts.forEach(([, word, count], i) => {
    const part = /** @type {HTMLElement} */ (bar.children[i]);
    part.style.flexGrow = String(count);
    part.title = `${count} ${word}`;
  });
}

/** @param {HTMLElement} problem @param {string[]} leaks @param {string} error */
function paintProblem(problem, leaks, error) {
  const lines = leaks.map((leak) => `▲ cleanup failed, the resource may be left: ${leak}`);
  if (error) lines.push(`✗ ${error}`);
  problem.hidden = !lines.length;
  if (problem.dataset.shown === lines.join("\n")) return;
  problem.dataset.shown = lines.join("\n");
  problem.replaceChildren(...lines.map((line) => make("div", "", line)));
}

// --- body ---

/** @param {View} view */
function renderBody({ model, el, signal }) {
  el.classList.add("nbflow-body");
  const graph = make("div", "nbflow-graph");
  graph.tabIndex = 0;
  graph.setAttribute("role", "region");
  graph.setAttribute("aria-label", "graph of the flow");
  const table = makeTable();
  el.replaceChildren(graph, table.element);
  /** @type {Map<string, Element>} */
  const groups = new Map();

  const draw = () => {
    /** @type {Picture} */
    const picture = model.get("picture");
    groups.clear();
    if (picture.svg) graph.innerHTML = picture.svg; // nbflow rendered it, every text in it is escaped
    else graph.replaceChildren(make("pre", "nbflow-missing", picture.problem));
    for (const group of graph.querySelectorAll("g[data-key]")) {
      groups.set(/** @type {SVGElement} */ (group).dataset.key ?? "", group);
    }
    table.fill(picture.rows);
    paint(model.get("snapshot"));
  };
  const paint = (/** @type {Patch} */ patch) => {
    for (const [key, mark] of Object.entries(patch.nodes)) paintGroup(groups.get(key), "nbflow-state-", mark);
    for (const [key, mark] of Object.entries(patch.clusters)) paintGroup(groups.get(key), "nbflow-block-", mark);
    table.paint(patch.rows);
  };
  listen(model, signal, "change:picture", draw);
  follow(model, signal, paint);
  everySecond(signal, table.tick);
  draw();
  hideStaticCopy(el, signal);
}

/** @param {Element | undefined} group @param {string} start @param {Mark} mark */
function paintGroup(group, start, [name, line]) {
  if (!group) return;
  const classes = withClass(group.getAttribute("class") ?? "", start, name);
  if (group.getAttribute("class") !== classes) group.setAttribute("class", classes);
  const text = group.querySelector(".nbflow-line");
  if (text) say(text, line);
  const title = group.querySelector(":scope > title");
  if (title && start === "nbflow-state-") {
    const element = /** @type {SVGElement} */ (group);
    element.dataset.name ??= (title.textContent ?? "").replace(UNTOUCHED, "");
    say(title, `${element.dataset.name}: ${line}`);
  }
}

function makeTable() {
  const element = make("div", "nbflow-tasks");
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", "tasks");
  const table = make("table");
  const head = make("tr");
  for (const name of ["Task", "State", "Time"]) {
    const cell = make("th", `nbflow-${name.toLowerCase()}`, name);
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const rows = make("tbody");
  table.append(top, rows);
  element.append(table);
  /** @type {Map<string, {row: HTMLElement, badge: HTMLElement, time: HTMLElement, note: HTMLElement}>} */
  const cells = new Map();
  /** @type {Map<string, {data: Row, toldAt: number}>} */
  const going = new Map();

  /** @param {RowName[]} names */
  const fill = (names) => {
    cells.clear();
    going.clear();
    rows.replaceChildren(...names.flatMap((name) => {
      const row = make("tr");
      row.dataset.key = name.key;
      const task = make("th", "nbflow-task");
      task.setAttribute("scope", "row");
      task.style.setProperty("--nbflow-depth", String(name.depth));
      task.append(make("div", `nbflow-name nbflow-${name.kind}`, shortName(name)));
      task.title = name.box ? `${name.name} (in ${name.box})` : name.name;
      const state = make("td", "nbflow-state");
      const badge = make("span", "nbflow-badge");
      state.append(badge);
      const time = make("td", "nbflow-time");
      row.append(task, state, time);
      // A message gets a row of its own, as wide as the table.
      const below = make("tr", "nbflow-below");
      const note = make("td", "nbflow-note");
      note.setAttribute("colspan", "3");
      note.style.setProperty("--nbflow-depth", String(name.depth));
      below.append(note);
      below.hidden = true;
      cells.set(name.key, { row, badge, time, note });
      return [row, below];
    }));
  };
  /** @param {Record<string, Row>} changed */
  const paint = (changed) => {
    const now = performance.now();
    for (const [key, data] of Object.entries(changed)) {
      const cell = cells.get(key);
      if (!cell) continue;
      cell.row.dataset.state = data.state;
      cell.badge.className = withClass(cell.badge.className, "nbflow-state-", data.state);
      say(cell.badge, data.line);
      say(cell.note, data.note);
      cell.row.classList.toggle("nbflow-noted", data.note !== "");
      /** @type {HTMLElement} */ (cell.note.parentElement).hidden = data.note === "";
      say(cell.time, formatSeconds(data.seconds));
      if (data.going) going.set(key, { data, toldAt: now });
      else going.delete(key);
    }
  };
  const tick = () => {
    for (const [key, { data, toldAt }] of going) {
      const cell = cells.get(key);
      if (cell) say(cell.time, formatSeconds(elapsed(data.seconds, true, toldAt, performance.now())));
    }
  };
  return { element, fill, paint, tick };
}

/**
 * Hide the copy for saved notebooks for as long as this view lives.
 * @param {HTMLElement} el  @param {AbortSignal} signal
 */
function hideStaticCopy(el, signal) {
  const find = () => el.closest(".jp-OutputArea, .output_area, .output");
  whenThere(find, signal, (area) => {
    area.classList.add("nbflow-live");
    signal.addEventListener("abort", () => {
      const others = [...area.querySelectorAll(".nbflow-body")].some((other) => other !== el);
      if (!others) area.classList.remove("nbflow-live");
    });
  });
}

export default {
  /** @param {{model: Model, signal: AbortSignal}} options */
  initialize({ model, signal }) {
    if (model.get("part") !== "body") return;
    listen(model, signal, "msg:custom", (message) => {
      if (message?.kind === "patch") merge(model.get("snapshot"), message.patch);
    });
  },
  /** @param {View} view */
  render(view) {
    return view.model.get("part") === "head" ? renderHead(view) : renderBody(view);
  },
};
