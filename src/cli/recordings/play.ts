// dockershctl recordings play: shows a recording on the terminal that it is called from. A recording is what somebody else's
// programs have written to a terminal, so that what has terminals answer or act is left out of it, unless it is asked for.

import { setTimeout } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { Harmless } from '../../lib/terminal/harmless.ts';
import type { Console } from '../console.ts';
import { plainTerminal } from '../sandbox/watch.ts';
import { linesOfCast } from './cast-file.ts';
import { eventsOf, isHeader } from './events.ts';
import { recordingOf } from './one.ts';

interface PlayOptions {
  readonly speed: number;
  readonly idleLimit?: number;
  readonly raw?: true;
}

const longestMs = 2 ** 31 - 1;

export function addPlay(recordings: Command, console: () => Console): void {
  recordings
    .command('play')
    .description('show a recording on this terminal, as fast as it went')
    .argument('<session>', 'number of the session, as "recordings ls" shows it')
    .option('--speed <factor>', 'so many times as fast', positive, 1)
    .option('--idle-limit <seconds>', 'wait at most so long where nothing happened', positive)
    .option('--raw', 'also what has a terminal answer or act: titles, the clipboard, reports')
    .action(async (id: string, options: PlayOptions) => {
      const cli = console();
      await play(cli, (await recordingOf(cli, id)).path, options);
    });
}

async function play(
  { stdout }: Console,
  path: Parameters<typeof linesOfCast>[0],
  { speed, idleLimit = Number.POSITIVE_INFINITY, raw }: PlayOptions,
): Promise<void> {
  const filter = new Harmless();
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  let shownAt = 0;
  try {
    for await (const event of eventsOf(linesOfCast(path))) {
      if (isHeader(event) || event.kind !== 'o') continue;
      const seconds = Math.min(Math.max(event.at - shownAt, 0), idleLimit) / speed;
      shownAt = event.at;
      if (seconds > 0.001) await setTimeout(Math.min(seconds * 1000, longestMs), undefined, stop);
      stop.signal.throwIfAborted();
      stdout.write(raw === true ? event.text : filter.take(event.text));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', interrupt);
    if (stdout.isTTY === true) stdout.write(plainTerminal);
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (text !== '' && value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('a number above 0 is needed.');
}
