// @ts-check
/**
 * What is known of each state, as `core/state_traits.py` has it (a test compares the two): its name, and the part of the
 * progress bar that it counts to. What needs somebody's attention comes first.
 * @type {[name: string, segment: string][]}
 */
const TRAITS = [
  ["Failed", "Failed"],
  ["TimedOut", "Failed"],
  ["TriggerFailed", "TriggerFailed"],
  ["ValidationFailed", "Failed"],
  ["ClientFailed", "Pending"],
  ["Cancelled", "Cancelled"],
  ["Cancelling", "Running"],
  ["Running", "Running"],
  ["Looped", "Running"],
  ["Retrying", "Retrying"],
  ["Paused", "Paused"],
  ["Resume", "Paused"],
  ["Success", "Success"],
  ["Cached", "Success"],
  ["Mapped", "Success"],
  ["Skipped", "Skipped"],
  ["Finished", "Pending"],
  ["Scheduled", "Pending"],
  ["Queued", "Pending"],
  ["Submitted", "Pending"],
  ["Pending", "Pending"],
  ["NotRun", "Pending"],
];

const NAMES = TRAITS.map(([name]) => name);
const ofSegments = (/** @type {string[]} */ ...segments) =>
  new Set(TRAITS.filter(([, segment]) => segments.includes(segment)).map(([name]) => name));

export const FAILURES = ofSegments("Failed");
export const UNFINISHED = ofSegments("Running", "Retrying", "Paused");

/** How early a state stands in a list: the most urgent is 0, a user's own is before those that need nobody. @param {string} state */
export function urgency(state) {
  const at = NAMES.indexOf(state);
  return at < 0 ? NAMES.indexOf("Success") - 0.5 : at;
}
