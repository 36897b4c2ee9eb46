// dockershctl recordings export: writes a recording as a plain asciicast, which other players take.

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { linesOfCast } from './cast-file.ts';
import { type CastEvent, type CastHeader, eventsOf, isHeader } from './events.ts';
import { recordingOf } from './one.ts';

type Version = '2' | '3';

export function addExport(recordings: Command, console: () => Console): void {
  recordings
    .command('export')
    .description('write a recording as a plain asciicast, for asciinema and other players')
    .argument('<session>', 'number of the session, as "recordings ls" shows it')
    .argument('[file]', 'a new file; the standard output without one')
    .addOption(
      new Option('--format-version <version>', 'of asciicast: 2 for asciinema before version 3')
        .choices(['2', '3'])
        .default('2'),
    )
    .action(async (id: string, file: string | undefined, options: { formatVersion: Version }) => {
      const cli = console();
      const { path } = await recordingOf(cli, id);
      const text = Readable.from(cast(path, options.formatVersion), { objectMode: false });
      if (file === undefined) {
        for await (const chunk of text) if (cli.stdout.write(String(chunk)) === false) await drained();
        return;
      }
      // Nobody else may read what a terminal has shown, and nothing that is there is written over.
      await pipeline(text, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
      cli.show({ id, file }, () => `${file}\n`);
    });
}

async function drained(): Promise<void> {
  if (process.stdout.writableNeedDrain) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

async function* cast(path: AbsolutePath, version: Version): AsyncGenerator<string> {
  let before = 0;
  let pending = '';
  for await (const one of eventsOf(linesOfCast(path))) {
    pending += isHeader(one)
      ? headerLine(one, version)
      : eventLine(one, version === '3' ? before : 0, version);
    if (!isHeader(one)) before = one.at;
    if (pending.length < 64 * 1024) continue;
    yield pending;
    pending = '';
  }
  yield pending;
}

function headerLine({ columns, rows, timestamp, title, term }: CastHeader, version: Version): string {
  const header =
    version === '2'
      ? { version: 2, width: columns, height: rows, timestamp, title, env: term && { TERM: term } }
      : { version: 3, term: { cols: columns, rows, type: term }, timestamp, title };
  return `${JSON.stringify(header)}\n`;
}

function eventLine({ at, kind, text }: CastEvent, before: number, version: Version): string {
  // What a session's end is has no place in version 2.
  if (version === '2' && kind === 'x') return '';
  return `${JSON.stringify([Math.round((at - before) * 1e6) / 1e6, kind, text])}\n`;
}
