// @ts-check
/** Everything by keyboard, and a list of the keys. */

/** @param {import("./shared.mjs").Shared} shared @param {{show: (name: string) => void}} tabs */
export function listenToKeys(shared, tabs) {
}
