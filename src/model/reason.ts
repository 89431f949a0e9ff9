/** Why something was decided: the rule's short name, a sentence for people, and where the rule or the value stands. */
export type Reason = { rule: string; text: string; ref?: string };

/** One line of text for a list of reasons, in their order. */
export function describeReasons(because: readonly Reason[]): string {
  return because.map((reason) => reason.text).join('; ');
}
