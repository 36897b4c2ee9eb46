// Bounds the size of a session: whatever a login brings along, with what the image and the policy add, has to fit one
// message to the supervisor, which adds a little of its own, and the spawner's. Pure.

import { DockershError } from '../../lib/errors.ts';
import { type ByteString, wireFieldBytes, wireMaxBytes } from '../../lib/wire.ts';

/** For what the supervisor adds (native/supervisor/session/begin.c): ids, 256 groups, SSH_TTY, a slot. */
const supervisorsBytes = 2 * 1024;
export const sessionMaxBytes = wireMaxBytes - supervisorsBytes;
/** Of variables that may be left out; a program takes them with the smallest stack_size, too. */
export const mostSpareBytes = 64 * 1024;
/** Of a session's environment (MAX_STRINGS of native/supervisor/session/child.c). */
const mostVariables = 4096;
/** What execve(2) takes as one string, without its NUL. */
const longestString = 128 * 1024 - 1;
/** An image that sets more leaves too little for any command: at least 32 KiB. */
const mostOfImage = sessionMaxBytes - 32 * 1024;
/** Above what one login has (src/protocol/login.ts) and a policy sets. */
const mostVariablesOfImage = mostVariables - 1024;

/**
 * What each has without asking whether the others need it: a command that ssh can carry (one argument of execve), what
 * comes with a login, and an image. With what is left over for the policy they fit together.
 */
const shares = { command: 132 * 1024, variables: 24 * 1024, image: 24 * 1024 } as const;

export interface SessionSize {
  readonly command: number;
  /** Those that came with the login. */
  readonly variables: number;
  readonly image: number;
}

export function bytesOf(strings: readonly ByteString[]): number {
  return strings.reduce((sum, text) => sum + wireFieldBytes + text.length, 0);
}

const inKib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;

/** Names what is too large of a session that comes to `bytes`. */
export function tooLarge(bytes: number, { command, variables, image }: SessionSize): DockershError {
  const parts = [
    { name: 'the command', size: command, share: shares.command },
    { name: 'the variables that came with the login', size: variables, share: shares.variables },
    { name: 'the variables of the image', size: image, share: shares.image },
  ];
  const large = parts.filter(({ size, share }) => size > share);
  const named = (large.length === 0 ? parts : large).map(({ name, size }) => `${name}: ${inKib(size)}`);
  const userDetail = `${named.join(', ')}; all together may have ${inKib(sessionMaxBytes)}`;
  return new DockershError('E_TOO_LARGE', { why: `${inKib(bytes)}; ${userDetail}`, userDetail });
}

/** Throws E_TOO_LARGE, or E_IMAGE_BROKEN, where no session could be had with these variables of an image. */
export function requireUsable(imageName: string, env: readonly string[]): void {
  const cut = env.find((text) => text.includes('\0'));
  if (cut !== undefined) {
    throw new DockershError('E_IMAGE_BROKEN', {
      what: `the environment of image "${imageName}"`,
      why: `${JSON.stringify(cut.slice(0, 100))} has a NUL character in it, which no program can be given`,
      hint: 'Import an image whose configuration has none (Env).',
    });
  }
  const bytes = env.reduce((sum, text) => sum + wireFieldBytes + Buffer.byteLength(text), 0);
  const longest = env.reduce((most, text) => Math.max(most, Buffer.byteLength(text)), 0);
  if (bytes <= mostOfImage && longest <= longestString && env.length <= mostVariablesOfImage) return;
  const size = `${env.length} variables, ${inKib(bytes)}, the longest ${inKib(longest)}`;
  const most = `at most ${mostVariablesOfImage}, ${inKib(mostOfImage)}, ${inKib(longestString)}`;
  throw new DockershError('E_TOO_LARGE', {
    what: `the environment of image "${imageName}" is too large for any session`,
    why: `${size}; ${most}`,
    hint: 'Import an image whose configuration sets less (Env).',
    userDetail: `the variables of the image: ${size}; ${most}`,
  });
}
