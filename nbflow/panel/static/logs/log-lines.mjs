// @ts-check
/**
 * What a task said, put together from pieces: half lines become whole ones, a progress bar stays one line.
 *
 * @typedef {[time: number, stream: string, text: string, index: number | null, attempt: number, task?: string,
 *   key?: string]} Piece  `task`, `key`: whose it is, where those of several tasks are together
 * @typedef {{time: number, stream: string, text: string, index: number | null, attempt: number, task: string,
 *   key: string, isOpen: boolean}} Said
 */

/** So many characters and lines of a log are shown. */
export const LOG_LIMIT = 64_000;
export const LOG_LINES = 2_000;

const ofStreams = new Set(["stdout", "stderr"]);

/**
 * Add pieces to the lines there are, in place; returns the number of the first line that changed.
 * @param {Said[]} lines  @param {Piece[]} pieces
 */
export function addPieces(lines, pieces) {
  let first = lines.length;
  for (const [time, stream, text, index, attempt, task = "", key = ""] of pieces) {
    const isStream = ofStreams.has(stream);
    const parts = isStream ? text.split("\n") : [text.replace(/\n$/, "")];
    parts.forEach((part, i) => {
      const isLast = i === parts.length - 1;
      if (isLast && isStream && part === "") return; // the text ended its line
      const last = lines.at(-1);
      const goesOn = last?.isOpen && last.stream === stream && last.key === key && last.index === index
        && last.attempt === attempt;
      if (goesOn) {
        last.text = overwritten(last.text + part);
        first = Math.min(first, lines.length - 1);
      } else lines.push({ time, stream, text: overwritten(part), index, attempt, task, key, isOpen: true });
      /** @type {Said} */ (lines.at(-1)).isOpen = isStream && isLast;
    });
    // A line break alone ends the line before it.
    if (isStream && text.endsWith("\n") && lines.length) /** @type {Said} */ (lines.at(-1)).isOpen = false;
  }
  return first;
}

/** What a terminal would show of a line: what comes after a carriage return is written over it. @param {string} text */
export function overwritten(text) {
  if (!text.includes("\r")) return text;
  const parts = text.split("\r");
  const last = parts.pop() ?? "";
  // A return at the very end waits for what comes after it.
  return last === "" ? `${parts.pop() ?? ""}\r` : last;
}

/**
 * Leave out lines at the start, in place, until the rest is short enough; returns the number of characters left out.
 * @param {Said[]} lines
 */
export function trimLines(lines, limit = LOG_LIMIT, most = LOG_LINES) {
  let size = lines.reduce((sum, line) => sum + line.text.length + 1, 0);
  let drop = 0;
  let left = 0;
  while (drop < lines.length - 1 && (size - left > limit || lines.length - drop > most)) {
    left += lines[drop].text.length + 1;
    drop += 1;
  }
  lines.splice(0, drop);
  return left;
}

/** The log as text, for copying. @param {Said[]} lines */
export function textOfLines(lines) {
  return lines.map(({ stream, text, task, index }) => {
    const whose = task ? `${task}${index === null ? "" : `[${index}]`}: ` : "";
    return whose + (ofStreams.has(stream) ? text : `${stream} ${text}`);
  }).join("\n");
}

/** What can be chosen: a word for it, and the lowest rank that is shown. @type {[string, number][]} */
export const LEVELS = [["All output", 0], ["Logged, info up", 20], ["Warnings up", 30], ["Errors", 40]];

/** @type {Record<string, number>} */
const RANKS = { stdout: 0, display: 0, DEBUG: 10, INFO: 20, stderr: 30, WARNING: 30, ERROR: 40, CRITICAL: 50 };

/** How urgent a line is; a level of somebody's own counts as INFO. @param {string} stream */
export function rankOf(stream) {
  return RANKS[stream] ?? 20;
}

/**
 * A text cut where something is found in it, whatever the case: every second part is a find.
 * @param {string} text  @param {string} wanted
 */
export function cutAtFinds(text, wanted) {
  if (!wanted) return [text];
  const [low, sought] = [text.toLowerCase(), wanted.toLowerCase()];
  if (low.length !== text.length) return [text]; // letters that become two: places would not be the same
  const parts = [];
  let from = 0;
  for (let at = low.indexOf(sought); at >= 0; at = low.indexOf(sought, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + sought.length));
    from = at + sought.length;
  }
  parts.push(text.slice(from));
  return parts;
}
