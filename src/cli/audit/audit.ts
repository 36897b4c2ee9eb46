// dockershctl audit: lists lines of the audit trail, and verifies its chain. Reads the files themselves, so that it
// works without a daemon.

import { type Command, InvalidArgumentError } from 'commander';
import { linesOf } from '../../lib/audit/files.ts';
import { type AuditFilter, type AuditLine, chooser } from '../../lib/audit/filter.ts';
import { type Verified, verify } from '../../lib/audit/verify.ts';
import { sysexits } from '../../lib/errors.ts';
import { localTime } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import { type AbsolutePath, resolved } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { countUpTo } from '../count-option.ts';
import { CliFailure } from '../failure.ts';
import { momentHelp, momentOption } from '../moment.ts';
import { summaryOf } from './summary.ts';
import { trailFolder } from './trail-folder.ts';

const columns: Column[] = [
  { header: 'AT' },
  { header: 'USER' },
  { header: 'FROM' },
  { header: 'EVENT' },
  { header: 'WHAT' },
];

interface ListOptions extends AuditFilter {
  limit: number;
  folder?: AbsolutePath;
}

interface VerifyOptions {
  head?: string;
  folder?: AbsolutePath;
}

export function addAudit(program: Command, console: () => Console): void {
  const audit = program.command('audit').description('list what the audit trail has, and verify it');
  audit
    .command('ls', { isDefault: true })
    .description('list the last lines that fit')
    .option('--user <user>', "one user's alone, by name or uid")
    .option('--from <address>', 'those alone that came from this address')
    .option('--since <time>', momentHelp, momentOption)
    .option('--until <time>', 'the same; what is of this moment is left out', momentOption)
    .option('--event <event>', 'of one kind: login, login-refused, session-closed, administration …')
    .option('--session <id>', 'of one session or ssh connection')
    .option('--failed', 'what was refused or failed')
    .option('--limit <count>', 'how many to list', countUpTo(100_000), 100)
    .option('--folder <folder>', 'where the trail is', resolved)
    .action(async ({ limit, folder, ...filter }: ListOptions) => {
      const cli = console();
      const lines = await last(await trailFolder(cli, folder), filter, limit);
      cli.show({ lines }, () => cli.table(columns, lines.map(rowOf)));
    });
  audit
    .command('verify')
    .description('see whether any line has been changed, removed or put in')
    .option('--head <sum>', 'the SHA-256 sum of a line that must be there, as the log told it', parseSum)
    .option('--folder <folder>', 'where the trail is', resolved)
    .action(async ({ head, folder }: VerifyOptions) => {
      const cli = console();
      const place = await trailFolder(cli, folder);
      const verified = await verify(place, head);
      cli.show(verified, (result) => described(result, place));
      const why = fault(verified, head);
      if (why !== undefined) throw why;
    });
}

async function last(folder: AbsolutePath, filter: AuditFilter, limit: number): Promise<AuditLine[]> {
  const choose = chooser(filter);
  let found: AuditLine[] = [];
  for await (const lines of linesOf(folder)) {
    for (const line of lines) {
      const chosen = choose(line);
      if (chosen !== undefined) found.push(chosen);
    }
    if (found.length > 2 * limit) found = found.slice(-limit);
  }
  return found.slice(-limit);
}

function rowOf(line: AuditLine): string[] {
  const { at, event, user, uid, from } = line;
  const whose = user ?? uid ?? '-';
  return [localTime(at), String(whose), typeof from === 'string' ? from : '-', event, summaryOf(line)].map(
    printable,
  );
}

function described({ lines, files, firstSeq, firstAt, lastAt, head }: Verified, folder: string): string {
  if (head === undefined || firstAt === undefined || lastAt === undefined)
    return `no audit trail in ${folder}\n`;
  const removed =
    firstSeq === 1 ? '' : `older ones than line ${firstSeq} have been removed (audit_keep, audit_size)\n`;
  return `${lines} lines in ${files} files, from ${localTime(firstAt)} to ${localTime(lastAt)}, each follows the one before\n${removed}line ${head.seq}, SHA-256 ${head.sum}\n`;
}

function fault({ broken, holds }: Verified, head: string | undefined): CliFailure | undefined {
  if (broken !== undefined) {
    const message = `the audit trail is not what was written: ${printable(broken.file)}, line ${broken.line}: ${broken.why}`;
    const hint = 'Lines before it are as they were. Compare with a copy of the files that is kept elsewhere.';
    return new CliFailure({ code: 'E_AUDIT_BROKEN', message, hint, exitCode: sysexits.dataErr });
  }
  if (holds !== false) return undefined;
  const message = `no line of the audit trail has the SHA-256 sum ${head}`;
  const hint =
    'The end of the trail was removed, or all of it was written anew; or the line was in a file that is too old.';
  return new CliFailure({ code: 'E_AUDIT_BROKEN', message, hint, exitCode: sysexits.dataErr });
}

function parseSum(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError('64 hexadecimal digits are needed.');
}
