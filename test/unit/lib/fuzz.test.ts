// Fuzzes what everything else is built on: messages, quantities, names, and what users are told of failures.

import fc from 'fast-check';
import { expect } from 'vitest';
import { DockershError, errorCatalogue, isErrorCode, toUserMessage } from '../../../src/lib/errors.ts';
import { parseImageName } from '../../../src/lib/text/image-name.ts';
import { mountPath } from '../../../src/lib/text/mountinfo.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/lib/text/units.ts';
import {
  byteStringOf,
  type MessageType,
  messageTypes,
  parseWire,
  type Tag,
  tags,
  WireWriter,
  wireMaxBytes,
} from '../../../src/lib/wire.ts';
import { holds, hostileText, longRunOf, textOf } from './holds.ts';

const type = fc.constantFrom(...(Object.keys(messageTypes) as MessageType[]));
const tag = fc.constantFrom(...(Object.keys(tags) as Tag[]));
const field = fc.record({ tag, value: fc.uint8Array({ maxLength: 40 }) });

function written(kind: MessageType, fields: readonly { tag: Tag; value: Uint8Array }[]): Buffer {
  const writer = new WireWriter(kind);
  for (const one of fields) writer.bytes(one.tag, one.value);
  return writer.finish();
}

holds(
  'a message is read as it was written',
  fc.property(type, fc.array(field, { maxLength: 20 }), (kind, fields) => {
    const message = parseWire(written(kind, fields));
    expect(message?.type).toBe(kind);
    expect(message?.fields.map((one) => [one.tag, [...one.value]])).toEqual(
      fields.map((one) => [one.tag, [...one.value]]),
    );
  }),
);

holds(
  'a damaged message is none, or one whose fields lie within it',
  fc.property(type, fc.array(field, { maxLength: 8 }), fc.nat(), fc.nat(255), (kind, fields, at, byte) => {
    const data = written(kind, fields);
    data[at % data.length] = byte;
    const sum = parseWire(data)?.fields.reduce((bytes, one) => bytes + 8 + one.value.length, 12);
    expect([undefined, data.length]).toContain(sum);
  }),
);

holds(
  'any bytes are a message of ours or none',
  fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const message = parseWire(Buffer.from(bytes));
    if (message !== undefined) expect(message.type in messageTypes).toBe(true);
  }),
);

holds(
  'what is too long for a message throws and is never cut',
  fc.property(fc.integer({ min: wireMaxBytes - 64, max: wireMaxBytes + 64 }), (length) => {
    const make = () => new WireWriter('login').bytes('arg', Buffer.alloc(length)).finish();
    if (length + 20 <= wireMaxBytes) expect(parseWire(make())?.fields[0]?.value.length).toBe(length);
    else expect(make).toThrow(RangeError);
  }),
  50,
);

holds(
  'text of any kind becomes bytes and text again',
  fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    expect(Buffer.from(byteStringOf(text), 'latin1').toString('utf8')).toBe(text);
  }),
);

holds(
  'sizes and durations come back as they were',
  fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => {
    expect(parseSize(formatSize(value))).toEqual({ ok: true, value });
    expect(parseDuration(formatDuration(value))).toEqual({ ok: true, value });
  }),
);

const quantities = textOf('1', '0', '9', '.', 'K', 'MiB', 'G', 'd', 'h', 'ms', 's', '-', '+', 'e5', ' ');
holds(
  'no text is a quantity that is not safe to count with',
  fc.property(quantities, (text) => {
    for (const quantity of [parseSize(text), parseDuration(text)]) {
      if (quantity.ok && quantity.value !== Number.POSITIVE_INFINITY)
        expect(Number.isSafeInteger(quantity.value) && quantity.value >= 0).toBe(true);
    }
  }),
);

const nameParts = textOf(
  'a',
  'Z',
  '0',
  '-',
  '--',
  '.',
  '_',
  '__',
  '/',
  ':',
  '@',
  'sha256:',
  'a'.repeat(64),
  '..',
);
holds(
  'an image name is put together again from its parts, and is no path that leads elsewhere',
  fc.property(nameParts, (text) => {
    const parsed = parseImageName(text);
    if (parsed === undefined) return;
    const { name, tag: version, digest } = parsed;
    const whole = `${name}${version === undefined ? '' : `:${version}`}${digest === undefined ? '' : `@${digest}`}`;
    expect(whole).toBe(text);
    expect(name.split('/')).not.toContain('..');
    expect(name).not.toMatch(/^\/|\/\/|\/$|\s/);
  }),
  2000,
);

holds(
  'long names take no time',
  fc.property(longRunOf('a', 'a-', 'a.', '-', '/', 'A', ':'), (text) => {
    expect(parseImageName(text)).toBeUndefined();
    for (const length of [300, 500]) parseImageName(text.slice(0, length));
    parseSize(text);
    parseDuration(text);
  }),
  40,
);

holds(
  'a path of mountinfo has no number left in it',
  fc.property(fc.string({ unit: 'binary' }), (path) => {
    const escaped = path.replaceAll(
      /[ \t\n\\]/g,
      (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
    expect(mountPath(escaped)).toBe(path);
  }),
);

const codes = fc.constantFrom(...Object.keys(errorCatalogue).filter(isErrorCode));
holds(
  'a user is told nothing of what only root may read',
  fc.property(codes, fc.string(), hostileText, (code, id, secret) => {
    const marked = `/var/lib/secret${secret}`;
    const native = { syscall: 'open', object: marked, errno: 'EIO' };
    const cause = new Error(marked);
    const errors = [
      new DockershError(code, { what: marked, why: marked, hint: marked, native, cause }),
      Object.assign(cause, { code: 'EACCES', syscall: 'open', path: marked }),
    ];
    for (const error of errors) expect(toUserMessage(error, id)).not.toContain('/var/lib/secret');
  }),
);
