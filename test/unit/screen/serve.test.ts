// Talks to a screen in frames, good ones and others, and gives it checkpoints that are none.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedCheckpoint } from '../../../src/screen/checkpoint/bytes.ts';
import { decodeCheckpoint } from '../../../src/screen/checkpoint/decode.ts';
import { encodeCheckpoint } from '../../../src/screen/checkpoint/encode.ts';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { FrameReader, frame, MalformedFrame } from '../../../src/screen/frames.ts';
import { redraw } from '../../../src/screen/redraw/redraw.ts';
import { Screen } from '../../../src/screen/serve.ts';

const size = (columns: number, rows: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt16LE(columns, 0);
  payload.writeUInt16LE(rows, 2);
  return payload;
};
const none = Buffer.alloc(0);

function ask(screen: Screen, ...frames: Buffer[]): { type: string; payload: Buffer }[] {
  const reader = new FrameReader();
  const answers = [...reader.take(Buffer.concat(frames))].flatMap((asked) => screen.answer(asked));
  reader.end();
  return answers.map((bytes) => ({ type: bytes.toString('latin1', 0, 1), payload: bytes.subarray(5) }));
}

describe('a screen', () => {
  it('tells how much it has taken, and goes on from its own checkpoint', () => {
    const first = new Screen(1000);
    const [a, b, checkpoint] = ask(
      first,
      frame('k', none),
      frame('r', size(60, 5)),
      frame('o', Buffer.from('hello \x1b[')),
      frame('o', Buffer.from('1mwor')),
      frame('c', none),
    );
    expect([a?.type, a?.payload.readBigUInt64LE(), b?.payload.readBigUInt64LE()]).toEqual(['A', 8n, 13n]);
    expect(checkpoint?.type).toBe('C');
    const second = new Screen(1000);
    const answers = ask(
      second,
      frame('k', checkpoint?.payload ?? none),
      frame('o', Buffer.from('ld')),
      frame('s', size(60, 5)),
    );
    expect(answers.map(({ type }) => type)).toEqual(['A', 'S']);
    expect(answers[1]?.payload.toString()).toContain('hello \x1b[0;1mworld');
  });

  it.each([
    ['of no known type', [frame('x', none)]],
    ['no checkpoint first', [frame('o', none)]],
    ['a second checkpoint', [frame('k', none), frame('k', none)]],
    ['a size of three bytes', [frame('k', none), frame('r', Buffer.alloc(3))]],
    ['a length beyond the bound', [frame('k', none), Buffer.from('o\xff\xff\xff\xff', 'latin1')]],
    ['half a frame', [frame('k', none).subarray(0, 3)]],
  ])('refuses %s', (_, frames) => {
    expect(() => ask(new Screen(1000), ...frames)).toThrow(MalformedFrame);
  });

  it('takes frames in whatever pieces they come', () => {
    const whole = Buffer.concat([frame('k', none), frame('o', Buffer.from('text')), frame('c', none)]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }), (lengths) => {
        const reader = new FrameReader();
        let rest = whole;
        const types: string[] = [];
        for (const length of [...lengths, whole.length]) {
          types.push(...[...reader.take(rest.subarray(0, length))].map(({ type }) => type));
          rest = rest.subarray(length);
        }
        reader.end();
        expect(types).toEqual(['k', 'o', 'c']);
      }),
    );
  });
});

describe('a checkpoint that is none', () => {
  const emulator = new Emulator({ columns: 10, rows: 3 }, 5);
  emulator.write(
    Buffer.from('some \x1b[4mtext\x1b[m\r\n漢e\u0301 \x1b]8;;http://a.example/\x07link\x1b[?1049h\x1b[3'),
  );
  const good = encodeCheckpoint(emulator);

  it.each([
    ['of something else', Buffer.from('PK\x03\x04')],
    ['cut', good.subarray(0, good.length - 5)],
    ['nothing but its mark', good.subarray(0, 5)],
  ])('is refused: %s', (_, bytes) => {
    expect(() => decodeCheckpoint(bytes, 5)).toThrow(MalformedCheckpoint);
  });

  it('is refused or is one, whatever is changed in it', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] ?? 0) ^ by;
        try {
          decodeCheckpoint(changed, 5);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedCheckpoint);
        }
      }),
      { numRuns: 300 * Number(process.env['DOCKERSH_FUZZ'] ?? 1) },
    );
  });

  it('is refused or can be used, whatever is changed in what it says', () => {
    const said = inflateRawSync(good.subarray(5));
    const changes = fc.array(fc.tuple(fc.nat(said.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(changes, (list) => {
        const changed = Buffer.from(said);
        for (const [at, byte] of list) changed[at] = byte;
        try {
          const made = decodeCheckpoint(Buffer.concat([good.subarray(0, 5), deflateRawSync(changed)]), 5);
          made.write(Buffer.from('more\r\n\x1b[2L\x1b8\u6f22\x1b[?1049l\r\n\r\n'));
          made.resize({ columns: 20, rows: 4 });
          redraw(made, made.size);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedCheckpoint);
        }
      }),
      { numRuns: 300 * Number(process.env['DOCKERSH_FUZZ'] ?? 1) },
    );
  });
});
