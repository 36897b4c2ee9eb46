// Parses the values of the keys of [gateway]. Pure.

import { parseAddress } from '../../lib/network/address.ts';
import { type Check, text } from './basic.ts';

const wordsOf = (input: string): string[] => input.split(/\s+/).filter((word) => word !== '');

/** Words with blanks between; "none": an empty list. */
const words = (most: number, isOne: (word: string) => boolean, what: string) =>
  text<readonly string[]>((input) => {
    const found = input === 'none' ? [] : wordsOf(input);
    const wrong = found.find((word) => !isOne(word));
    if (wrong !== undefined) return { ok: false, problem: `has "${wrong}", which is ${what}` };
    if (found.length > most) return { ok: false, problem: `has more than ${most} entries` };
    return found.length > 0 || input === 'none'
      ? { ok: true, value: found }
      : { ok: false, problem: 'is empty; to have none, write none' };
  });

function isListener(word: string): boolean {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]+)\]:|([0-9.]+):)?(\d{1,5})$/.exec(word) ?? [];
  const address = bracketed ?? plain;
  const isHere = address === undefined || parseAddress(address)?.family === (bracketed === undefined ? 4 : 6);
  return isHere && Number(port) > 0 && Number(port) < 65_536;
}

export const listeners = words(16, isListener, 'no port, ADDRESS:PORT or [ADDRESS]:PORT');

const isPath = (word: string): boolean => word.length < 4096 && /^(\/[^/\0]+)+$/.test(word);

/** "own", or files and "sshd", which is sshd's. */
export const hostKeys = text<readonly string[]>((input) => {
  const found = wordsOf(input);
  if (input === 'own') return { ok: true, value: [] };
  const wrong = found.find((word) => word !== 'sshd' && !isPath(word));
  if (wrong !== undefined || found.length === 0 || found.length > 8)
    return { ok: false, problem: 'is neither own, nor sshd or absolute paths of at most 8 files' };
  return { ok: true, value: found };
});

const methods = ['publickey', 'password', 'keyboard-interactive'];

/** Each word is a way in: methods with commas between, all of which have to succeed. */
export const loginWays = text<readonly string[]>((input) => {
  const ways = wordsOf(input);
  const isWay = (way: string): boolean => {
    const steps = way.split(',');
    return steps.length <= 4 && steps.every((step) => methods.includes(step));
  };
  const wrong = ways.find((way) => !isWay(way));
  if (wrong !== undefined)
    return { ok: false, problem: `has "${wrong}", which is not made of ${methods.join(', ')}` };
  return ways.length > 0 && ways.length <= 8
    ? { ok: true, value: ways }
    : { ok: false, problem: 'is no list of at most 8 ways to log in' };
});

export const keyFiles = words(8, (word) => !word.includes('\0'), 'no path');

/** An absolute path and arguments. */
export const command = text<readonly string[]>((input) => {
  const found = input === 'none' ? [] : wordsOf(input);
  const isCommand = found.length <= 16 && (found[0] === undefined ? input === 'none' : isPath(found[0]));
  return isCommand
    ? { ok: true, value: found }
    : { ok: false, problem: 'is not the absolute path of a program, with at most 15 arguments, nor none' };
});

/** null for "none". */
export const nameOrNone = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not a name' };
});

/** null for "none". */
export const fileOrNone = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  return isPath(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not the absolute path of a file, nor none' };
});

/** The same, or a path from the home on. */
export const patternOrNone = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  return input !== '' && input.length < 1024 && !/\s/.test(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not a path without blanks, nor none' };
});

function numbers(input: string, count: number): readonly number[] | undefined {
  const parts = input.split(':');
  return parts.length === count && parts.every((part) => /^\d{1,5}$/.test(part))
    ? parts.map(Number)
    : undefined;
}

/** "10:30:100": from 10 on, 30 % are refused, and all from 100 on. */
export const startups = text<readonly number[]>((input): Check<readonly number[]> => {
  const value = numbers(input, 3);
  const [begin = 0, rate = 0, most = 0] = value ?? [];
  return value !== undefined && begin >= 1 && begin <= most && rate <= 100
    ? { ok: true, value }
    : { ok: false, problem: 'is not START:PERCENT:MOST, such as 10:30:100' };
});

/** "32:64": bits of an address of IPv4, and of one of IPv6. */
export const sourceBits = text<readonly number[]>((input): Check<readonly number[]> => {
  const value = numbers(input, 2);
  const [bits4 = 0, bits6 = 0] = value ?? [];
  return value !== undefined && bits4 <= 32 && bits6 <= 128
    ? { ok: true, value }
    : { ok: false, problem: 'is not BITS:BITS, such as 32:64' };
});
