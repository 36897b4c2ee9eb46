// Makes of a job of a crontab the command that runs it inside: by the user's own shell there, with its output kept in the
// user's home. Nothing of it is read on the host. Pure.

import type { CronJob, CronProblem } from './crontab.ts';

/** In the home. One that has grown beyond a megabyte becomes ~/.cron.log.1. Of one job's output 100,000 bytes are kept. */
export const cronLog = '.cron.log';

// What the job writes beyond that is read and let go: it must not be ended by it.
const script = `command=$1 input=$2
shift 2
for pair in "$@"; do export "$pair"; done
cd "$HOME" 2>/dev/null
log="$HOME/${cronLog}"
if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt 1000000 ]; then mv -f "$log" "$log.1"; fi
{
  printf '%s: %s\\n' "$(date)" "$command"
  printf %s "$input" | "$SHELL" -c "$command"
  status=$?
  if [ "$status" -ne 0 ]; then printf 'exit status %s\\n' "$status"; fi
} 2>&1 | { head -c 100000; cat >/dev/null; } >>"$log"`;

export function commandOf({ command, input, env }: CronJob): string[] {
  return ['/bin/sh', '-c', script, 'cron', command, input, 'SHELL=/bin/sh', ...env];
}

/** Says beside what jobs have said which lines of the file are none. */
export function complaintOf(problems: readonly CronProblem[]): string[] {
  const said = `{ date; printf '~/.crontab: %s\\n' "$@"; } >>"$HOME/${cronLog}"`;
  const lines = problems.map(({ line, message }) => `line ${line} ${message}; it is left out`);
  return ['/bin/sh', '-c', said, 'cron', ...lines];
}
