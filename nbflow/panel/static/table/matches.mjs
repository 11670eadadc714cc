// @ts-check
/** What a search finds, and which states there are to filter by. Needs no page. */

import { urgency } from "../common/state-traits.mjs";

/**
 * The match after the current one, or before it; from the last one on to the first.
 * @param {string[]} found  @param {string} current  @param {1 | -1} step
 */
export function nextMatch(found, current, step) {
  if (!found.length) return "";
  const at = found.indexOf(current);
  if (at < 0) return step > 0 ? found[0] : found[found.length - 1];
  return found[(at + step + found.length) % found.length];
}

/**
 * How many rows are in each state that occurs, with the state's icon: the first word of a row's line.
 * @param {Iterable<{data: import("../common/format.mjs").Row}>} rows
 * @returns {{state: string, icon: string, word: string, count: number}[]}
 */
export function stateCounts(rows) {
  /** @type {Map<string, {state: string, icon: string, word: string, count: number}>} */
  const counts = new Map();
  for (const { data: { state, line } } of rows) {
    const known = counts.get(state);
    if (known) known.count += 1;
    else counts.set(state, { state, icon: line.split(" ")[0], word: stateWord(state), count: 1 });
  }
  return [...counts.values()].sort((one, other) => urgency(one.state) - urgency(other.state));
}

/** A state's name as words: `TimedOut` is `Timed out`. @param {string} state */
export function stateWord(state) {
  const words = state.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
