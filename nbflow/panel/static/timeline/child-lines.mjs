// @ts-check
/**
 * Which children of maps have a lane below that of their map: those of maps that are unfolded, up to a number that grows when
 * more are asked for. Needs no page.
 *
 * @typedef {import("../table/outline.mjs").Line} Line
 * @typedef {Line & {of: string, index: number}} ChildLine  a child; with `index` -1 the line that asks for more of them
 */

// Maps with no more children are unfolded as long as nobody has folded them.
const FEW_CHILDREN = 10;
const FIRST_SHOWN = 50;
const MORE_SHOWN = 200;
const MOST_UNFOLDED = 100;

export function makeFolds() {
  /** What was chosen. @type {Map<string, boolean>} */
  const chosen = new Map();
  /** @type {Map<string, number>} */
  const limits = new Map();
  const folds = {
    /** @param {string} key @param {number} count  of its children */
    isOpen: (key, count) => count > 0 && (chosen.get(key) ?? count <= FEW_CHILDREN),
    /** @param {string} key @param {boolean} isOpen */
    choose(key, isOpen) { chosen.set(key, isOpen); },
    /** @param {string} key */
    more(key) { limits.set(key, folds.limit(key) + MORE_SHOWN); },
    /** @param {string} key */
    limit: (key) => limits.get(key) ?? FIRST_SHOWN,
    /** What the kernel is to tell: of which maps how many children. @param {Map<string, number>} maps */
    wanted(maps) {
      const open = [...maps].filter(([key, count]) => folds.isOpen(key, count)).slice(0, MOST_UNFOLDED);
      return Object.fromEntries(open.map(([key, count]) => [key, Math.min(count, folds.limit(key))]));
    },
  };
  return folds;
}

/**
 * Put the lines of children below those of their maps.
 * @param {Line[]} lines  @param {Map<string, number>} maps  how many children they have
 * @param {ReturnType<typeof makeFolds>} folds  @param {(key: string, index: number) => boolean} matches
 * @returns {(Line | ChildLine)[]}
 */
export function withChildren(lines, maps, folds, matches) {
  return lines.flatMap((line) => {
    const count = maps.get(line.key) ?? 0;
    if (!line.row || !folds.isOpen(line.key, count)) return [line];
    const shown = Math.min(count, folds.limit(line.key));
    const below = { depth: line.depth + 1, home: line.home, row: null, of: line.key };
    /** @type {ChildLine[]} */
    const children = [];
    for (let index = 0; index < shown; index++) {
      if (matches(line.key, index)) children.push({ ...below, key: `${line.key}/${index}`, name: `${line.name} [${index}]`, index });
    }
    if (shown < count) children.push({ ...below, key: `${line.key}/more`, name: moreChildrenText(shown, count), index: -1 });
    return [line, ...children];
  });
}

/** @param {number} shown @param {number} count */
export function moreChildrenText(shown, count) {
  const more = Math.min(MORE_SHOWN, count - shown);
  return `${shown.toLocaleString("en")} of ${count.toLocaleString("en")} children, show ${more.toLocaleString("en")} more`;
}

/** Of what a line is a child, undefined if it is none. @param {object} line @returns {ChildLine | undefined} */
export function asChild(line) {
  return "of" in line ? /** @type {ChildLine} */ (line) : undefined;
}

/** The key of the line of what is selected: that of its map where a child has none.
 * @param {import("../common/store.mjs").Selection} selected @param {(key: string) => number} place */
export function laneKeyOf({ key, index }, place) {
  const own = `${key}/${index}`;
  return index !== null && place(own) >= 0 ? own : key;
}
