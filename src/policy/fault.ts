// The state in which the policy in force is not what the files say, because they are broken. Pure.

export interface PolicyFault {
  /** When the policy in force was accepted; null: there is none, and nobody is let in. */
  readonly since: string | null;
  /** What is wrong with the files. */
  readonly problems: readonly string[];
}

/** One line, for the service manager and for administrators. */
export function describeFault({ since }: PolicyFault): string {
  return since === null
    ? 'the policy is broken, and no earlier one is known, so every login is refused'
    : `the policy is broken: the last good one, of ${since}, is in force`;
}
