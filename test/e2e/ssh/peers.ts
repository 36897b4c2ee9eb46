// Listeners and askers, in tests of what sshd forwards: inside a sandbox, on the host, and at the client's end.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Login } from '../../fixtures/login.ts';
import { Running, run, waitUntil } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';

const file = join(import.meta.dirname, 'inside.py');
const script = readFileSync(file, 'utf8');

/** Of a program inside, where this file is not. */
const inside = (...words: string[]): string => ['python3', '-c', script, ...words].map(quote).join(' ');

export async function listenInside(login: Login, word: string, places: readonly string[]): Promise<Running> {
  const running = login.start(inside('listen', word, ...places));
  await running.waitForOutput('ready', 60_000);
  return running;
}

export async function listenOutside(word: string, places: readonly string[]): Promise<AsyncDisposable> {
  const running = new Running('python3', ['-c', script, 'listen', word, ...places]);
  await running.waitForOutput('ready', 60_000);
  return {
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      for (const place of places) if (place.startsWith('/')) await rm(place, { force: true });
    },
  };
}

export async function askInside(login: Login, places: readonly string[]): Promise<string[]> {
  const result = await login.ssh(inside('ask', ...places));
  return result.stdout.toString().trim().split('\n');
}

export async function askOutside(
  places: readonly string[],
  ids: { uid?: number; gid?: number } = {},
): Promise<string[]> {
  const result = await run('python3', ['-c', script, 'ask', ...places], ids);
  return result.stdout.toString().trim().split('\n');
}

/** A folder at the client's end. */
export async function clientFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp('/srv/dockersh-test-');
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) };
}

/** A connection with forwards and no session. What it lacks of them does not end it. */
export async function forwarding(login: Login, options: readonly string[]): Promise<Running> {
  const running = login.start(undefined, ['-N', '-o', 'LogLevel=DEBUG1', ...options]);
  await waitUntil(
    () => running.stderr.includes('Entering interactive session'),
    'the connection',
    60_000,
    () => running.stderr.toString().slice(-1_000),
  );
  return running;
}

export const monitors = ' \\[priv\\]';
export const childrenOfSshd = '(@|$)';

/** Processes of sshd's for this user. Before 9.8, they are called as the PAM service, which is a test's own. */
export async function processesOfSshd(login: Login, which = '\\b'): Promise<number[]> {
  const pattern = `^(sshd[^/]*|dockersh-test-[-0-9]+): ${login.user.name}${which}`;
  const found = await run('pgrep', ['-f', pattern], {});
  return found.stdout.toString().split('\n').filter(Boolean).map(Number);
}
