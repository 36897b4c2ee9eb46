// Tests of the binary messages, against the C side's constants.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  fieldOf,
  fieldsOf,
  messageTypes,
  parseWire,
  tags,
  textOf,
  u32Of,
  u64sOf,
  WireWriter,
  wireHeaderBytes,
  wireMagic,
  wireMaxBytes,
  wireMaxFds,
  withFdCount,
} from '../../../src/lib/wire.ts';
import { seeded } from './seeded.ts';

const common = path.resolve(import.meta.dirname, '../../../native/common');
const header = readFileSync(path.join(common, 'wire.h'), 'utf8');
const numbers = readFileSync(path.join(common, 'wire/numbers.h'), 'utf8');

/** "MSG_SESSION_ENDED = 36," of the C header as {sessionEnded: 36}. */
function numbersIn(prefix: string): Record<string, number> {
  const lines = [...numbers.matchAll(new RegExp(`^ {4}${prefix}_([A-Z0-9_]+) = (\\d+),`, 'gm'))];
  const camel = (name: string): string =>
    name.toLowerCase().replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(lines.map(([, name, number]) => [camel(name ?? ''), Number(number)]));
}

/** The expression that a #define stands for. */
function definition(name: string): string {
  const line = new RegExp(`^#define ${name} ([^/\\n]+)`, 'm').exec(header);
  return line?.[1]?.trim() ?? '';
}

describe('the two sides agree', () => {
  // Inside the supervisor only, and between it and the relay; the daemon must not take them for messages to it.
  const inside = { build: 64, enter: 65, step: 66, terminal: 67, sessionLeft: 68 };
  const screens = { keeperScreen: 71, keeperWantsScreen: 72 };
  const keeper = { keeperViewer: 69, keeperEnd: 70, ...screens, keeperRecording: 76 };
  const internal = {
    ...inside,
    relayServe: 56,
    relayPinned: 57,
    relayPin: 58,
    publish: 59,
    unpublish: 60,
    ...keeper,
  };

  test('message types', () => {
    expect(numbersIn('MSG')).toEqual({ ...messageTypes, ...internal });
  });

  test('tags', () => {
    expect(numbersIn('TAG')).toEqual(tags);
  });

  test('no number has two names', () => {
    for (const numbers of [numbersIn('MSG'), numbersIn('TAG')])
      expect(new Set(Object.values(numbers)).size).toBe(Object.keys(numbers).length);
  });

  test('sizes', () => {
    expect(definition('WIRE_MAGIC')).toBe(`0x0${wireMagic.toString(16)}u`);
    expect(definition('WIRE_HEADER_BYTES')).toBe(String(wireHeaderBytes));
    expect(definition('WIRE_MAX_BYTES')).toBe('(196 * 1024)');
    expect(wireMaxBytes).toBe(196 * 1024);
    expect(definition('WIRE_MAX_FDS')).toBe(String(wireMaxFds));
  });
});

describe('writing', () => {
  test('a message is laid out as the protocol says', () => {
    const bytes = new WireWriter('exit').u32('code', 42).finish(2);
    expect([...bytes]).toEqual([
      ...[0x44, 0x53, 0x48, 1, 3, 0, 2, 0, 12, 0, 0, 0],
      ...[11, 0, 0, 0, 4, 0, 0, 0, 42, 0, 0, 0],
    ]);
  });

  test('a finished message may go with another number of descriptors', () => {
    const message = new WireWriter('error').text('text', 'no');
    expect(withFdCount(message.finish(), 1)).toEqual(message.finish(1));
  });

  test('what is written can be read again', () => {
    const text = 'Grüße 👋\n';
    const every = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');
    const data = new WireWriter('session')
      .text('name', text)
      .byteString('arg', every)
      .byteString('arg', '')
      .u32('uid', 0xffff_ffff)
      .u32('groups', 1, 2, 3)
      .u32('groups')
      .u64('steps', 0n, 0xffff_ffff_ffff_ffffn)
      .finish();
    const message = parseWire(data);
    if (message === undefined) throw new Error('the message is not understood');
    expect(message.type).toBe('session');
    expect(textOf(message, 'name')).toBe(text);
    expect(fieldsOf(message, 'arg').map((value) => value.toString('latin1'))).toEqual([every, '']);
    expect(u32Of(message, 'uid')).toBe(0xffff_ffff);
    expect(fieldsOf(message, 'groups').map((value) => value.length)).toEqual([12, 0]);
    expect(u64sOf(message, 'steps')).toEqual([0n, 0xffff_ffff_ffff_ffffn]);
  });

  test('the value is the bytes of the view, not of the buffer behind it', () => {
    const behind = new Uint8Array([1, 2, 3, 4, 5]);
    const data = new WireWriter('login').bytes('arg', behind.subarray(1, 3)).finish();
    expect([...data.subarray(wireHeaderBytes + 8)]).toEqual([2, 3]);
  });

  test('the longest message fits and one byte more does not', () => {
    const room = wireMaxBytes - wireHeaderBytes - 8;
    const data = new WireWriter('login').bytes('arg', new Uint8Array(room)).finish();
    expect(data.length).toBe(wireMaxBytes);
    expect(parseWire(data)?.fields).toHaveLength(1);
    expect(parseWire(Buffer.concat([data, Buffer.alloc(1)]))).toBeUndefined();
    expect(() => new WireWriter('login').bytes('arg', new Uint8Array(room + 1)).finish()).toThrow(RangeError);
    expect(() => new WireWriter('login').bytes('arg', new Uint8Array(room)).text('arg', '').finish()).toThrow(
      RangeError,
    );
  });

  test('numbers that do not fit are refused', () => {
    expect(() => new WireWriter('login').u32('umask', -1)).toThrow(RangeError);
    expect(() => new WireWriter('login').u32('umask', 2 ** 32)).toThrow(RangeError);
    expect(() => new WireWriter('login').u64('time', 2n ** 64n)).toThrow(RangeError);
  });
});

describe('reading', () => {
  const sample = (): Buffer =>
    new WireWriter('login').text('arg', '-dockersh').u32('umask', 0o22).text('env', 'TERM=x').finish(3);

  test('no part of a message is one', () => {
    const data = sample();
    for (let cut = 0; cut < data.length; cut += 1)
      expect(parseWire(data.subarray(0, cut)), `${cut}`).toBe(undefined);
  });

  test.each([
    ['another magic', 0, 0x45],
    ['another version', 3, 2],
    ['a type that there is not', 4, 200],
    ['a type of the supervisor alone', 4, 64],
    ['a body that is longer than what came', 8, 200],
    ['a body that is shorter than what came', 8, 8],
    ['a tag that there is not', 12, 36],
    ['a field that ends too early', 16, 8],
    ['a field that ends too late', 16, 200],
    ['a field of 2 GiB', 19, 0x80],
  ])('%s', (_, at, value) => {
    const data = sample();
    expect(parseWire(data)).toBeDefined();
    data[at] = value;
    expect(parseWire(data)).toBeUndefined();
  });

  test('a last field that is longer than the message, by one byte or by what a field begins with', () => {
    const data = new WireWriter('login').text('arg', 'abcd').finish();
    for (const length of [5, 8, 12]) {
      data.writeUInt32LE(length, wireHeaderBytes + 4);
      expect(parseWire(data)).toBeUndefined();
    }
  });

  test('a number of the wrong length is none', () => {
    const message = parseWire(new WireWriter('login').text('umask', 'abc').text('time', '1234567').finish());
    if (message === undefined) throw new Error('the message is not understood');
    expect(u32Of(message, 'umask')).toBeUndefined();
    expect(u64sOf(message, 'time')).toEqual([]);
    expect(u32Of(message, 'code')).toBeUndefined();
    expect(u64sOf(message, 'steps')).toEqual([]);
  });

  test('of a field that stands twice, the last one counts', () => {
    const message = parseWire(new WireWriter('exit').u32('code', 1).u32('code', 2).finish());
    if (message === undefined) throw new Error('the message is not understood');
    expect(u32Of(message, 'code')).toBe(2);
    expect(fieldOf(message, 'code')).toEqual(Buffer.from([2, 0, 0, 0]));
  });

  test('damaged messages are refused or read inside their bounds', () => {
    const random = seeded(7);
    let understood = 0;
    for (let round = 0; round < 20_000; round += 1) {
      const data = sample();
      for (let times = 1 + random.below(3); times > 0; times -= 1)
        data[random.below(data.length)] = random.below(256);
      const message = parseWire(data);
      if (message === undefined) continue;
      understood += 1;
      const total = message.fields.reduce((sum, field) => sum + 8 + field.value.length, wireHeaderBytes);
      expect(total).toBe(data.length);
    }
    expect(understood).toBeGreaterThan(1000);
    expect(understood).toBeLessThan(19_000);
  });
});
