// @ts-check
/**
 * The tasks as a list in which every resource block has a heading with all that is in it below.
 *
 * @typedef {import("../common/format.mjs").RowName} RowName
 * @typedef {import("../common/format.mjs").BoxName} BoxName
 * @typedef {{key: string, name: string, depth: number, home: string, row: RowName | null}} Line  a heading has no `row`
 */

/**
 * Put the rows below their blocks, each block where its first task stands.
 * @param {RowName[]} rows  @param {BoxName[]} boxes
 * @returns {Line[]}
 */
export function outlineOf(rows, boxes) {
  const byKey = new Map(boxes.map((box) => [box.key, box]));
  /** @type {Map<string, Line[]>} */
  const within = new Map([["", []]]);
  /** @param {string} home @returns {Line[]} */
  const inside = (home) => {
    const known = within.get(home);
    const box = byKey.get(home);
    if (known || !box) return known ?? /** @type {Line[]} */ (within.get(""));
    /** @type {Line[]} */
    const lines = [];
    within.set(home, lines);
    inside(box.home).push({ key: box.key, name: box.name, depth: box.depth, home: box.home, row: null });
    return lines;
  };
  for (const row of rows) inside(row.home).push({ key: row.key, name: row.name, depth: row.depth, home: row.home, row });
  /** @param {string} home @returns {Line[]} */
  const flat = (home) => (within.get(home) ?? []).flatMap((line) => (line.row ? [line] : [line, ...flat(line.key)]));
  return flat("");
}

/**
 * The lines of tasks that match, and the headings above them.
 * @param {Line[]} lines  @param {(key: string) => boolean} matches
 */
export function matchingLines(lines, matches) {
  const homes = new Map(lines.filter((line) => !line.row).map((line) => [line.key, line.home]));
  const kept = new Set();
  for (const line of lines) {
    if (!line.row || !matches(line.key)) continue;
    kept.add(line.key);
    for (let home = line.home; homes.has(home) && !kept.has(home); home = homes.get(home) ?? "") kept.add(home);
  }
  return lines.filter((line) => kept.has(line.key));
}

/** Where the lines below a heading end. @param {Line[]} lines @param {number} at */
export function endOfBox(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].depth > lines[at].depth) end++;
  return end;
}

/** How many tasks are listed. @param {Line[]} lines */
export function countTasks(lines) {
  return lines.reduce((count, line) => count + (line.row ? 1 : 0), 0);
}

/** How many are shown of how many, as `12 of 2,000 tasks`. @param {number} count @param {number} total */
export function matchText(count, total) {
  return `${count.toLocaleString("en")} of ${total.toLocaleString("en")} tasks`;
}
