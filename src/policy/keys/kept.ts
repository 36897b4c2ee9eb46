// The keys that are about sessions which outlive their connection. Pure.

import type { KeySpec } from '../section-schema.ts';
import { durationFrom, oneOf, wholeNumber } from '../values/basic.ts';

export const keptKeys = {
  on_hangup: {
    type: oneOf('end', 'keep'),
    defaultText: 'end',
    values: 'end, keep',
    applies: 'session',
    user: 'free',
    doc: 'What becomes of a session on a terminal when its connection ends. end: it is hung up (hangup_grace). keep: it goes on, and "ssh -t HOST @attach" leads back to it (docs/sessions.md). Sessions without a terminal are always hung up, and so are those of "dockershctl exec".',
    example: 'keep',
  },
  keep_for: {
    type: durationFrom(1000, 'forever'),
    defaultText: '12h',
    values: 'a duration of at least 1s, or forever',
    applies: 'session',
    user: 'most',
    doc: 'How long a kept session goes on after its connection has ended. Then it is hung up. Whoever attaches to it stops the time; "ssh HOST @keep 2h" makes it shorter for the sessions that are there. Until then the sandbox is not idle (linger).',
    example: '8h',
  },
  kept_sessions: {
    type: wholeNumber(1, 256, 'none'),
    defaultText: '4',
    values: 'a whole number from 1 to 256, or none',
    applies: 'session',
    user: 'most',
    doc: 'Sessions of a user that go on without a connection at a time. One more ends the one that has been left for the longest. They count towards sessions, too. none: 256.',
    example: '2',
  },
  reattach: {
    type: oneOf('ask', 'yes', 'no'),
    defaultText: 'ask',
    values: 'ask, yes, no',
    applies: 'session',
    user: 'free',
    doc: 'What a login on a terminal, without a command, does where a kept session of the user waits, or one whose connection does not answer any more. ask: it asks whether to go back to that, for a minute. yes: it goes back to the one that was left last. no: it is a new session, which says that there are others.',
    example: 'yes',
  },
} as const satisfies Record<string, KeySpec>;
