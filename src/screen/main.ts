// dockersh-screen: shows a kept session's output to an emulator, and says what a terminal has to be sent to show the
// same. Runs confined beside one sandbox, for as long as its keeper holds the other end of descriptors 0 and 1; knows
// nothing of files, users or policy. What it reads is whatever a user's programs write: nothing of it is trusted, and
// none of it ever reaches standard error.

import { readSync, writeSync } from 'node:fs';
import { MalformedCheckpoint } from './checkpoint/bytes.ts';
import { FrameReader, MalformedFrame } from './frames.ts';
import { OUTPUT, SCROLLBACK } from './limits.ts';
import { Screen } from './serve.ts';

const IN = 0;
const OUT = 1;

function writeAll(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(OUT, bytes, at);
}

/** Blocks: there is one other end, and nothing to do until it says something. */
function run(): void {
  const screen = new Screen(SCROLLBACK);
  const frames = new FrameReader();
  for (;;) {
    const bytes = Buffer.allocUnsafe(OUTPUT / 4);
    const length = readSync(IN, bytes);
    if (length === 0) break;
    for (const asked of frames.take(bytes.subarray(0, length))) screen.answer(asked).forEach(writeAll);
  }
  frames.end();
}

/** sysexits(3): EX_DATAERR, EX_SOFTWARE. */
function statusOf(error: unknown): number {
  if (error instanceof MalformedFrame || error instanceof MalformedCheckpoint) {
    process.stderr.write(`dockersh-screen: ${error.name}: ${error.message}\n`);
    return 65;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code).replace(/[^A-Z_]/g, '') : '';
  // The keeper is gone: nobody is left to tell.
  if (code === 'EPIPE' || code === 'ECONNRESET') return 0;
  process.stderr.write(`dockersh-screen: it failed ${code}\n`);
  return 70;
}

try {
  run();
} catch (error) {
  process.exit(statusOf(error));
}
