// Tests of crontabs, by what crontab(5) of Debian says.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CronTime, isDue, parseCrontab } from '../../../../src/daemon/cron/crontab.ts';

const minuteOf = (text: string): number => Date.parse(`${text}Z`) / 60_000;

function only(line: string) {
  const { jobs, problems } = parseCrontab(line);
  expect(problems).toEqual([]);
  const [job] = jobs;
  if (jobs.length !== 1 || job === undefined) throw new Error(`${jobs.length} jobs`);
  return job;
}
const timeOf = (fields: string): CronTime => {
  const { when } = only(`${fields} true`);
  if (when === 'reboot') throw new Error('reboot');
  return when;
};
const due = (fields: string, at: string): boolean => isDue(timeOf(fields), minuteOf(at));

describe('fields', () => {
  test.each<[string, string, boolean]>([
    ['* * * * *', '2026-03-04T05:06', true],
    ['6 5 4 3 *', '2026-03-04T05:06', true],
    ['7 5 4 3 *', '2026-03-04T05:06', false],
    ['*/5 * * * *', '2026-03-04T05:10', true],
    ['*/5 * * * *', '2026-03-04T05:11', false],
    ['0-10/5 * * * *', '2026-03-04T05:10', true],
    ['1,6,20-22 * * * *', '2026-03-04T05:06', true],
    ['1,6,20-22 * * * *', '2026-03-04T05:21', true],
    ['1,6,20-22 * * * *', '2026-03-04T05:23', false],
    ['6 5 * mar *', '2026-03-04T05:06', true],
    ['6 5 * Mar wed', '2026-03-04T05:06', true],
    ['6 5 * * thu', '2026-03-04T05:06', false],
    ['0 0 * * 0', '2026-03-08T00:00', true],
    ['0 0 * * 7', '2026-03-08T00:00', true],
    ['0 0 * * 5-7', '2026-03-08T00:00', true],
    // Both days are restricted: either will do.
    ['30 4 1,15 * 5', '2026-03-15T04:30', true],
    ['30 4 1,15 * 5', '2026-03-13T04:30', true],
    ['30 4 1,15 * 5', '2026-03-14T04:30', false],
    // One begins with a star: both have to fit.
    ['0 0 */2 * sun', '2026-03-01T00:00', true],
    ['0 0 */2 * sun', '2026-03-08T00:00', false],
    ['@daily', '2026-03-04T00:00', true],
    ['@midnight', '2026-03-04T00:01', false],
    ['@hourly', '2026-03-04T07:00', true],
    ['@weekly', '2026-03-08T00:00', true],
    ['@monthly', '2026-03-01T00:00', true],
    ['@yearly', '2026-01-01T00:00', true],
    ['@annually', '2026-02-01T00:00', false],
  ])('%s at %s: %s', (fields, at, expected) => {
    expect(due(fields, at)).toBe(expected);
  });

  test.each([
    '60 * * * * x',
    '* 24 * * * x',
    '* * 0 * * x',
    '* * * 13 * x',
    '* * * * 8 x',
    '*/0 * * * * x',
    '5/15 * * * * x',
    '5-1 * * * * x',
    '*-5 * * * * x',
    '1, * * * * x',
    '1-2-3 * * * * x',
    '* * * foo * x',
    '* * * * x',
    '* * * * *',
    '@never x',
    '@daily',
    'rm -rf /',
    `* * * * * ${'x'.repeat(1000)}`,
  ])('%s is no job', (line) => {
    const { jobs, problems } = parseCrontab(`${line}\n0 0 * * * good\n`);
    expect(jobs.map(({ command }) => command)).toEqual(['good']);
    expect(problems).toMatchObject([{ line: 1 }]);
  });
});

test('comments, blank lines and variables', () => {
  const { jobs, problems } = parseCrontab(`
# a comment
   # another
A=1
B = two words 
C="  kept  "
'D' = 'x"y'
LOGNAME=root
USER=root
  0 1 * * *	first  one
A=2
@reboot second
`);
  expect(problems).toEqual([]);
  expect(jobs).toEqual([
    {
      when: expect.any(Object),
      command: 'first  one',
      input: '',
      env: ['A=1', 'B=two words', 'C=  kept  ', 'D=x"y'],
    },
    { when: 'reboot', command: 'second', input: '', env: ['A=2', 'B=two words', 'C=  kept  ', 'D=x"y'] },
  ]);
});

test.each([
  ['mail -s hi%one%two', 'mail -s hi', 'one\ntwo\n'],
  ['date +\\%H:\\%M', 'date +%H:%M', ''],
  ['cat%', 'cat', '\n'],
  ['a\\b', 'a\\b', ''],
])('%s', (written, command, input) => {
  expect(only(`* * * * * ${written}`)).toMatchObject({ command, input });
});

test('is bounded', () => {
  const { jobs, problems } = parseCrontab('* * * * * true\n'.repeat(2000));
  expect([jobs.length, problems.length]).toEqual([256, 20]);
  expect(parseCrontab(Array.from({ length: 100 }, (_, n) => `V${n}=1`).join('\n')).problems).toHaveLength(20);
});

describe('any text', () => {
  test('is read without a fault, and quickly', () => {
    const piece = fc.constantFrom(
      '*',
      '/',
      '-',
      ',',
      '5',
      '59',
      '@reboot',
      '@',
      'mon',
      '\t',
      ' ',
      '\n',
      '=',
      '"',
      "'",
      '%',
      '\\',
      '#',
      '\0',
      'A',
      'é',
      '99999999999',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.array(piece, { maxLength: 60 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (one) => {
        const { jobs } = parseCrontab(one);
        for (const { when, command, input, env } of jobs) {
          expect(`${command}${env.join('')}`).not.toMatch(/[\n\0]/);
          expect(input).not.toContain('\0');
          for (const pair of env) expect(pair).toMatch(/^[A-Za-z_]\w*=/);
          if (when !== 'reboot') isDue(when, 123_456);
        }
      }),
      { numRuns: 3000 },
    );
    const long = `${'*,'.repeat(30_000)}* * * * * x\n${'1-'.repeat(30_000)}`;
    const started = performance.now();
    parseCrontab(long);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
