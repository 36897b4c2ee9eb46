// Reads a user's crontab as crontab(5) of Debian has it. The text is anybody's: whatever it is, it takes little time, and lines
// that are none do not count. Pure.

export interface CronTime {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** A field of days that begins with "*" restricts nothing by itself: then both have to fit, else either. */
  readonly bothDays: boolean;
  /** Its minute or hour is "*": when the clock jumps it follows the clock, and is not made up for. */
  readonly isWildcard: boolean;
}

export interface CronJob {
  /** 'reboot': when the host has started. */
  readonly when: CronTime | 'reboot';
  readonly command: string;
  /** What the command reads, after the first "%". */
  readonly input: string;
  /** "NAME=value", of the lines before. */
  readonly env: readonly string[];
}

export interface CronProblem {
  readonly line: number;
  readonly message: string;
}

export interface Crontab {
  readonly jobs: readonly CronJob[];
  readonly problems: readonly CronProblem[];
}

export const largestCrontabBytes = 64 * 1024;
const mostJobs = 256;
const mostVariables = 64;
const mostProblems = 20;
/** As cron has it (MAX_COMMAND). */
const longestLine = 1000;

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

export function parseCrontab(text: string): Crontab {
  const jobs: CronJob[] = [];
  const env = new Map<string, string>();
  const problems: CronProblem[] = [];
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.replace(/^[ \t]+/, '').replace(/\r$/, '');
    if (line === '' || line.startsWith('#')) continue;
    const problem = takeLine(line, jobs, env);
    if (problem !== undefined && problems.length < mostProblems)
      problems.push({ line: index + 1, message: problem });
  }
  return { jobs, problems };
}

/** What is wrong with it. */
function takeLine(line: string, jobs: CronJob[], env: Map<string, string>): string | undefined {
  if (line.length > longestLine) return `is longer than ${longestLine} characters`;
  if (/\0/.test(line)) return 'has a NUL in it';
  const variable = variableIn(line);
  if (variable !== undefined) {
    if (env.size >= mostVariables && !env.has(variable.name))
      return `is one more than ${mostVariables} variables`;
    // As with cron, who it is for is not the file's to say.
    if (variable.name !== 'LOGNAME' && variable.name !== 'USER') env.set(variable.name, variable.value);
    return undefined;
  }
  if (jobs.length >= mostJobs) return `is one more than ${mostJobs} jobs`;
  const split = line.startsWith('@') ? nicknamed(line) : /^((?:\S+[ \t]+){5})(.*)$/.exec(line)?.slice(1);
  const [fields, written = ''] = split ?? [];
  if (fields === undefined) return 'is neither a job nor a variable';
  if (written === '') return 'has no command';
  const when = fields === 'reboot' ? 'reboot' : timeIn(fields.trim().split(/[ \t]+/));
  if (typeof when === 'string' && when !== 'reboot') return when;
  const pairs = [...env].map(([name, value]) => `${name}=${value}`);
  jobs.push({ when: when as CronJob['when'], ...commandIn(written), env: pairs });
  return undefined;
}

function nicknamed(line: string): string[] | undefined {
  const [, name = '', command = ''] = /^(@[a-z]+)[ \t]+(.*)$/.exec(line) ?? [];
  if (name === '@reboot') return ['reboot', command];
  const fields = nicknames[name];
  return fields === undefined ? undefined : [fields, command];
}

/** NAME=value, with blanks around the sign, and quotes that match around either side. */
function variableIn(line: string): { readonly name: string; readonly value: string } | undefined {
  const match = /^(?:"([A-Za-z_]\w*)"|'([A-Za-z_]\w*)'|([A-Za-z_]\w*))[ \t]*=[ \t]*(.*?)[ \t]*$/.exec(line);
  if (match === null) return undefined;
  const [, double, single, plain, written = ''] = match;
  const quoted = /^(["'])(.*)\1$/.exec(written);
  return { name: double ?? single ?? plain ?? '', value: quoted?.[2] ?? written };
}

/** A "%" that has no backslash before it ends the command, and further ones are line ends of what it reads. */
function commandIn(written: string): { readonly command: string; readonly input: string } {
  const parts: string[] = [''];
  for (let at = 0; at < written.length; at += 1) {
    const one = written[at] ?? '';
    if (one === '\\' && written[at + 1] === '%') {
      parts[parts.length - 1] += '%';
      at += 1;
    } else if (one === '%') parts.push('');
    else parts[parts.length - 1] += one;
  }
  const [command = '', ...input] = parts;
  return { command, input: input.length === 0 ? '' : `${input.join('\n')}\n` };
}

function timeIn([minute = '', hour = '', day = '', month = '', weekday = '']: string[]): CronTime | string {
  const minutes = valuesIn(minute, 0, 59);
  const hours = valuesIn(hour, 0, 23);
  const days = valuesIn(day, 1, 31);
  const months = valuesIn(month, 1, 12, monthNames, 1);
  const weekdays = valuesIn(weekday, 0, 7, dayNames, 0);
  const wrong = Object.entries({
    minute: minutes,
    hour: hours,
    'day of month': days,
    month: months,
    'day of week': weekdays,
  }).find(([, values]) => values === undefined);
  if (wrong !== undefined) return `has a ${wrong[0]} that is none`;
  const week = new Set([...(weekdays ?? [])].map((one) => one % 7));
  return {
    minutes: minutes ?? new Set(),
    hours: hours ?? new Set(),
    days: days ?? new Set(),
    months: months ?? new Set(),
    weekdays: week,
    bothDays: day.startsWith('*') || weekday.startsWith('*'),
    isWildcard: minute.startsWith('*') || hour.startsWith('*'),
  };
}

function valuesIn(
  field: string,
  least: number,
  most: number,
  names: readonly string[] = [],
  firstName = 0,
): Set<number> | undefined {
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const range = rangeIn(item, least, most, names, firstName);
    if (range === undefined) return undefined;
    for (let value = range.first; value <= range.last; value += range.step) values.add(value);
  }
  return values;
}

function rangeIn(item: string, least: number, most: number, names: readonly string[], firstName: number) {
  const [, from = '', to, every] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d{1,4}))?$/.exec(item) ?? [];
  const number = (text: string): number | undefined => {
    if (/^\d{1,4}$/.test(text)) return Number(text);
    const at = names.indexOf(text.toLowerCase());
    return at < 0 ? undefined : at + firstName;
  };
  const isAll = from === '*';
  if (isAll && to !== undefined) return undefined;
  const first = isAll ? least : number(from);
  const last = isAll ? most : to === undefined ? first : number(to);
  const step = every === undefined ? 1 : Number(every);
  // A step is of a range: "5/15" is none, as with cron.
  if (
    first === undefined ||
    last === undefined ||
    step < 1 ||
    (every !== undefined && !isAll && to === undefined)
  )
    return undefined;
  return first < least || last > most || first > last ? undefined : { first, last, step };
}

/** `minute`: of the wall clock, counted from 1970 as if that were UTC. */
export function isDue(
  { minutes, hours, days, months, weekdays, bothDays }: CronTime,
  minute: number,
): boolean {
  const at = new Date(minute * 60_000);
  if (!minutes.has(at.getUTCMinutes()) || !hours.has(at.getUTCHours()) || !months.has(at.getUTCMonth() + 1))
    return false;
  const [byDay, byWeekday] = [days.has(at.getUTCDate()), weekdays.has(at.getUTCDay())];
  return bothDays ? byDay && byWeekday : byDay || byWeekday;
}
