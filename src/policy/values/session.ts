// The kinds of value that keys about sessions have. Pure.

import { parseDuration } from '../../lib/text/units.ts';
import { globTest, isGlob } from '../glob.ts';
import { text } from './basic.ts';

/** A umask; "keep" is null. */
export const fileMode = text<number | null>((input) => {
  if (input === 'keep') return { ok: true, value: null };
  if (/^0?[0-7]{3}$/.test(input)) return { ok: true, value: Number.parseInt(input, 8) };
  return { ok: false, problem: 'is not an octal number such as 027, or keep' };
});

/** A name of tzdata, or a rule of POSIX such as CET-1CEST: never a path that leads elsewhere. */
export const timeZone = text<string>((input) =>
  /^[A-Za-z][A-Za-z0-9_+,./:-]{0,99}$/.test(input) && !input.includes('..')
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not the name of a time zone, such as Europe/Berlin or UTC' },
);

export interface Rate {
  readonly count: number;
  readonly ms: number;
}

/** "30/1m"; "none" is null. */
export const rate = text<Rate | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  const [, count = '', time = ''] = /^(\d{1,6})\/(.+)$/.exec(input) ?? [];
  const ms = parseDuration(time);
  if (Number(count) < 1 || !ms.ok || ms.value < 1000 || ms.value > 86_400_000) {
    return {
      ok: false,
      problem: 'is not a number of logins and a duration of 1s to 1d, such as 30/1m, or none',
    };
  }
  return { ok: true, value: { count: Number(count), ms: ms.value } };
});

const longestMessage = 2000;

/** What people read; "none" is null. */
export const message = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  if (input === '') return { ok: false, problem: 'is not a text, or none' };
  if (Buffer.byteLength(input) > longestMessage)
    return { ok: false, problem: `is too long: at most ${longestMessage} bytes` };
  const plain = input.replaceAll(/[\n\t]/g, '');
  return /\p{Cc}/u.test(plain)
    ? { ok: false, problem: 'has a control character' }
    : { ok: true, value: input };
});

/** What of a login's environment passes into a session without being named. */
const alwaysPass = new Set([
  'TERM',
  'LANG',
  'LANGUAGE',
  'TZ',
  'COLORTERM',
  'NO_COLOR',
  'GIT_PROTOCOL',
  'SSH_CLIENT',
  'SSH_CONNECTION',
]);

export const alwaysPasses = (name: string): boolean => alwaysPass.has(name) || name.startsWith('LC_');

/** What every session has of its own, or what names things of the host: no glob means them. */
const keptNames = new Set([
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'PATH',
  'MAIL',
  'PWD',
  'OLDPWD',
  'SHLVL',
  '_',
  'DBUS_SESSION_BUS_ADDRESS',
  'DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
]);

export const neverPasses = (name: string): boolean =>
  keptNames.has(name) || name.startsWith('SSH_') || name.startsWith('XDG_SESSION_');

const longestName = 100;
const mostGlobs = 64;

/** Names of variables and globs for them; "none" for no variable. */
export const variableGlobs = text<readonly string[]>((input) => {
  const globs = input === 'none' ? [] : input.split(/[\s,]+/).filter((word) => word !== '');
  for (const glob of globs) {
    if (
      !/^[\w*?[\]!-]+$/.test(glob) ||
      /^\d/.test(glob) ||
      glob.length > longestName ||
      'problem' in globTest(glob)
    )
      return { ok: false, problem: `has "${glob}", which is neither a variable's name nor a glob for names` };
    if (!isGlob(glob) && neverPasses(glob))
      return { ok: false, problem: `has "${glob}", which every session has of its own` };
  }
  if (globs.length === 0 && input !== 'none') return { ok: false, problem: 'is no list, or none' };
  if (globs.length > mostGlobs) return { ok: false, problem: `has more than ${mostGlobs} names` };
  return { ok: true, value: globs };
});
