// dockershctl recordings: lists, plays, writes out and removes what was recorded of sessions.

import type { Command } from 'commander';
import { humanDuration, humanSize, localTime } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminParams, AdminRecording } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { countUpTo } from '../count-option.ts';
import { momentHelp, momentOption } from '../moment.ts';
import { addExport } from './export.ts';
import { addPlay } from './play.ts';

const columns: Column[] = [
  { header: 'SESSION' },
  { header: 'USER' },
  { header: 'BEGAN' },
  { header: 'LASTED' },
  { header: 'SIZE', align: 'right' },
];

export function addRecordings(program: Command, console: () => Console): void {
  const recordings = program
    .command('recordings')
    .description('list, play, write out and remove what was recorded of sessions (policy key record)');
  recordings
    .command('ls', { isDefault: true })
    .description('list the newest recordings that fit')
    .option('--user <user>', "one user's alone, by name or uid")
    .option('--since <time>', momentHelp, momentOption)
    .option('--until <time>', 'the same; what began later is left out', momentOption)
    .option('--limit <count>', 'how many to list', countUpTo(10_000), 100)
    .action(async (options: AdminParams<'recordings.ls'>) => {
      const cli = console();
      cli.show(await cli.call('recordings.ls', options), (result) => {
        const table = cli.table(columns, result.recordings.map(rowOf));
        const more = result.count > result.recordings.length ? ` (${result.recordings.length} shown)` : '';
        const waiting = result.recordings.filter(({ waits }) => waits).length;
        const room =
          waiting === 0
            ? ''
            : `There is no room for ${waiting} of them: their sessions stand still until there is.\n`;
        return `${table}${result.count} recordings, ${humanSize(result.sizeBytes)}${more}\n${room}`;
      });
    });
  addPlay(recordings, console);
  addExport(recordings, console);
  recordings
    .command('rm')
    .description('remove recordings of sessions that have ended')
    .argument('<session...>', 'numbers of the sessions, as "recordings ls" shows them')
    .option('--yes', 'do not ask')
    .action(async (ids: string[], { yes }: { yes?: true }) => {
      const cli = console();
      if (yes !== true) await cli.confirm(`This removes ${ids.length} of what was recorded of sessions.`);
      cli.show(await cli.call('recordings.rm', { ids }), ({ removed }) =>
        removed.map(({ id, user }) => `${printable(`removed ${id} of ${user}`)}\n`).join(''),
      );
    });
}

function rowOf({ id, user, startedAt, endedAt, sizeBytes, waits }: AdminRecording): string[] {
  const now = waits ? 'stands still' : 'goes on';
  const lasted =
    endedAt === null ? now : humanDuration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));
  return [id, user, localTime(startedAt), lasted, humanSize(sizeBytes)].map(printable);
}
