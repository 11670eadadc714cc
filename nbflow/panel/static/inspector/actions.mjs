// @ts-check
/**
 * What can be done with the selected task. A button that makes no sense now stays where it is and says why not.
 *
 * @typedef {{why: string, is_on?: boolean, places?: string[], line?: string}} Action
 * @typedef {Record<string, Action>} Actions
 */
import { copyButton } from "../common/copy.mjs";
import { make, pushButton, say, uniqueId } from "../common/dom.mjs";

/** @type {[string, string, string][]} */
const ACTIONS = [
  ["retry", "Retry", "Run it again, by its newest definition"],
  ["skip", "Skip", "Go on without it"],
  ["set", "Set value…", "Give it a value in place of its own"],
  ["pin", "Pin", "Keep its value: a rerun takes it over"],
  ["break", "Breakpoint…", "Pause before or after it"],
  ["debug", "Debug…", "Look around where it failed"],
  ["rerun", "Rerun from here", "Run it and what follows from it again; shows the plan first"],
];
const WITH_FORM = new Set(["set", "break", "debug"]);

/** @param {import("../common/store.mjs").Store} store */
export function makeActions(store) {
  const bar = make("div", "nbflow-doing-bar", "", { role: "group", "aria-label": "actions" });
  const place = make("div", "nbflow-doing-form");
  const said = make("div", "nbflow-doing-said", "", { role: "status" });
  const element = make("div", "nbflow-doing", [bar, place, said]);
  const id = uniqueId("doing");
  /** @type {Actions} */
  let actions = {};
  let number = /** @type {number | null} */ (null);
  let open = "";
  /** @type {HTMLElement | null} */
  let problem = null;

  /** @type {Map<string, HTMLElement>} */
  const buttons = new Map(ACTIONS.map(([name, label]) => [name, pushButton(label, `nbflow-act nbflow-act-${name}`, () => press(name))]));
  bar.append(...buttons.values());

  /** @param {string} name */
  const press = (name) => {
    const why = actions[name]?.why ?? "nothing is known of it yet";
    if (name === "break" && actions.break?.is_on) return act("unbreak");
    if (why) return tellWhy(`Not possible: ${why}.`);
    tellWhy("");
    if (name === "rerun") store.sendWithEdits("plan", { what: "from", key: store.selected.key });
    else if (WITH_FORM.has(name)) show(open === name ? "" : name);
    else act(name);
  };
  /** @param {string} text */
  const tellWhy = (text) => say(said, text);
  /** @param {string} name @param {Record<string, any>} [fields] */
  const act = (name, fields = {}) => store.send("act", { act: name, ...store.selected, number, ...fields });
  /** @param {string} name */
  const show = (name) => {
    const before = open;
    open = name;
    problem = null;
    place.replaceChildren(...name ? [formOf(name)] : []);
    for (const one of WITH_FORM) buttons.get(one)?.setAttribute("aria-expanded", String(one === name));
    /** @type {HTMLElement | null} */ (place.querySelector("input, select, .nbflow-copy"))?.focus();
    if (!name && before) buttons.get(before)?.focus({ preventScroll: true });
  };
  /** @param {string} name */
  const formOf = (name) => {
    const form = make("form", "nbflow-ask", "", {
      "aria-label": ACTIONS.find(([one]) => one === name)?.[1].replace("…", "") ?? "",
    });
    form.addEventListener("keydown", (event) => {
      const isSent = event.key === "Enter" && event.target instanceof HTMLInputElement;
      if (event.key !== "Escape" && !isSent) return;
      event.preventDefault();
      event.stopPropagation();
      if (isSent) form.requestSubmit(); // Jupyter would keep the key from doing so
      else show("");
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    problem = make("div", "nbflow-ask-problem", "", { id: `${id}-problem`, role: "alert" });
    const cancel = pushButton("Cancel", "", () => show(""));
    if (name === "debug") {
      const line = actions.debug.line ?? "";
      const code = make("code", "nbflow-debug-line", line);
      form.append(make("p", "nbflow-faint", "A debugger needs the input of a cell. Execute this in one:"), code,
        formRow(copyButton(store, "Copy the line", () => line), cancel));
      return form;
    }
    const field = make("input", "nbflow-ask-field", "", {
      type: "text", spellcheck: "false", autocomplete: "off", id: `${id}-${name}`, "aria-describedby": problem.id,
    });
    if (name === "set") {
      field.placeholder = "a Python expression, such as [1, 2] or a name";
      form.append(labelFor("New value", field), field, problem, formRow(submitButton("Set"), cancel));
      form.addEventListener("submit", () => act("set", { text: field.value }));
      return form;
    }
    const options = [make("option", "", "before it runs"), make("option", "", "after it ended well")];
    const where = make("select", "nbflow-ask-field", options, { id: `${id}-where` });
    field.placeholder = "always; or a condition on its inputs";
    where.addEventListener("change", () => { field.disabled = where.selectedIndex === 1; });
    form.append(labelFor("Pause", where), where, labelFor("Only if", field), field, problem, formRow(submitButton("Set"), cancel));
    form.addEventListener("submit", () => {
      const after = where.selectedIndex === 1;
      act("break", { after, text: after ? "" : field.value });
    });
    return form;
  };
  /** @param {{act: string, problem: string}} told */
  const acted = ({ act: name, problem: text }) => {
    const isOfForm = name === open && problem;
    if (!text) {
      tellWhy("");
      if (isOfForm) show("");
      store.tell("announce", `${name}: done`);
    } else if (isOfForm) {
      say(/** @type {HTMLElement} */ (problem), text);
      place.querySelector("input")?.setAttribute("aria-invalid", "true");
    } else tellWhy(text);
  };
  return {
    element,
    acted,
    /** Another task: whatever was typed was for the one before. */
    reset() {
      show("");
      tellWhy("");
      this.paint({}, null);
    },
    /** @param {Actions} told @param {number | null} ofRun */
    paint(told, ofRun) {
      actions = told;
      number = ofRun;
      for (const [name, label, hint] of ACTIONS) {
        const button = /** @type {HTMLElement} */ (buttons.get(name));
        const { why = "", is_on: isOn = false, places = [] } = told[name] ?? {};
        const isPossible = !why || (name === "break" && isOn);
        button.setAttribute("aria-disabled", String(!isPossible));
        button.title = why ? `${hint}. Not possible now: ${why}` : name === "break" && isOn ? `Forget: ${places.join("; ")}` : hint;
        if (name === "pin" || name === "break") button.setAttribute("aria-pressed", String(isOn));
        say(button, name === "pin" && isOn ? "Pinned" : name === "break" && isOn ? "Breakpoint" : label);
      }
    },
  };
}

/** @param {string} text @param {HTMLElement} field */
function labelFor(text, field) {
  return make("label", "", text, { for: field.id });
}

/** @param {string} text */
function submitButton(text) {
  return make("button", "nbflow-push nbflow-submit", text, { type: "submit" });
}

/** @param {HTMLElement[]} parts */
function formRow(...parts) {
  return make("div", "nbflow-ask-row", parts);
}
