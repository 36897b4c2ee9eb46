// Waits for a child process and keeps the first part of what it writes: programs that fail may write without end.

import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface ChildOutcome {
  /** null: ended by `signal`. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Empty where nobody listens to it. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Which pipes of a child are read here, and how much of each is kept; the rest is read and forgotten. */
interface Kept {
  readonly maxBytes: number;
  /** False: the caller reads it. */
  readonly stdout: boolean;
}

/** Call at once after the child was started. Rejects where it could not be started. */
export async function outcomeOf(child: ChildProcess, kept: Kept): Promise<ChildOutcome> {
  const stdout = beginningOf(kept.stdout ? child.stdout : null, kept.maxBytes);
  const stderr = beginningOf(child.stderr, kept.maxBytes);
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout: stdout(), stderr: stderr() }));
  });
}

function beginningOf(stream: Readable | null, maxBytes: number): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (length < maxBytes) chunks.push(chunk.subarray(0, maxBytes - length));
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
