// Causes of the ends of sessions and sandboxes: a closed set, with the words that people read. native/supervisor/cause.h is the other
// side of those that have a number; test/unit/lib/values/causes.test.ts compares the two. Pure.

interface Meaning {
  /** Undefined: what the daemon finds out, and no supervisor says. */
  readonly number?: number;
  /** After "session closed for ada: ". */
  readonly words: string;
}

export const causes = {
  exit: { number: 1, words: 'logged out' },
  signal: { number: 2, words: 'its program was killed' },
  'hung-up': { number: 3, words: 'its connection ended' },
  'out-of-memory': { number: 4, words: 'the sandbox ran out of memory' },
  'session-time': { number: 5, words: 'it lasted as long as session_time lets it' },
  'idle-time': { number: 6, words: 'its terminal was still for as long as idle_time lets it' },
  stopped: { number: 7, words: 'the sandbox was stopped' },
  shutdown: { number: 8, words: 'all sandboxes of this host were stopped' },
  linger: { number: 9, words: 'without a session for its linger time' },
  'init-ended': { number: 10, words: 'PID 1 of the sandbox was killed' },
  'not-started': { number: 11, words: 'its program could not be started' },
  'keep-for': { number: 12, words: 'nobody came back to it for as long as keep_for lets it' },
  'kept-sessions': { number: 13, words: 'another session was kept in its place (kept_sessions)' },
  detached: { number: 14, words: 'its session goes on' },
  recording: { number: 20, words: 'it could not be recorded any more' },
  'supervisor-died': { words: 'the supervisor of the sandbox was killed' },
  'host-restarted': { words: 'the host was restarted' },
  unseen: { words: 'it ended while dockershd did not run' },
} as const satisfies Record<string, Meaning>;

export type EndCause = keyof typeof causes;

export const endCauses = Object.keys(causes) as readonly EndCause[];

const byNumber = new Map<number, EndCause>(
  Object.entries(causes).flatMap(([name, meaning]) =>
    'number' in meaning ? [[meaning.number, name as EndCause] as const] : [],
  ),
);

/** Undefined where the number is no cause's: that of a supervisor of another version, or none. */
export function causeOf(number: number | undefined): EndCause | undefined {
  return number === undefined ? undefined : byNumber.get(number);
}
