// Runs dockersh-screen as a keeper does: how it ends, and what memory it takes, whatever it is shown.

import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { frame } from '../../../src/screen/frames.ts';
import { nodeProgram, screenBundle } from '../../fixtures/paths.ts';
import { Running, run } from '../../fixtures/process.ts';

/** As docs/protocol.md has it. */
const options = ['--max-old-space-size=64', '--max-semi-space-size=2'];
const MiB = 1024 * 1024;
const none = Buffer.alloc(0);
const size = (columns: number, rows: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt16LE(columns, 0);
  payload.writeUInt16LE(rows, 2);
  return payload;
};

function output(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += MiB) frames.push(frame('o', bytes.subarray(at, at + MiB)));
  return frames;
}

/** Of the frames that are whole. */
function typesOf(stdout: Buffer): string[] {
  const types: string[] = [];
  for (let at = 0; at + 5 <= stdout.length; ) {
    const end = at + 5 + stdout.readUInt32LE(at + 1);
    if (end <= stdout.length) types.push(stdout.toString('latin1', at, at + 1));
    at = end;
  }
  return types;
}

/** Colours, underlines, marks and links, no two alike. */
function noise(cells: number): string {
  let seed = 7;
  const next = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed & 255;
  };
  return Array.from({ length: cells }, (_, i) => {
    const colours = `38;2;${next()};${next()};${next()};48;2;${next()};${next()};${next()}`;
    const link = i % 7 === 0 ? `\x1b]8;;http://a.example/${seed}\x07` : '';
    return `\x1b[${colours}m\x1b[4:3m\x1b[58:2::${next()}:${next()}:1m${link}${String.fromCharCode(0x400 + (seed % 500))}\u0301\u0302`;
  }).join('');
}

const hostile: readonly [string, Buffer[]][] = [
  ['a wide terminal full of noise', [frame('r', size(390, 100)), ...output(Buffer.from(noise(250_000)))]],
  [
    'both screens of the largest size full of noise',
    [frame('r', size(65535, 65535)), ...output(Buffer.from(`${noise(155_000)}\x1b[?1049h${noise(155_000)}`))],
  ],
  [
    'endless strings',
    output(
      Buffer.from(
        `\x1b]2;${'x'.repeat(9 * MiB)}\x07\x1bPq${'y'.repeat(9 * MiB)}\x1b\\\x1b_${'z'.repeat(9 * MiB)}`,
      ),
    ),
  ],
  ['endless marks', output(Buffer.from(`e${'\u0301'.repeat(5 * MiB)}`))],
  [
    'names and sizes',
    Array.from({ length: 2000 }, (_, i) => [
      frame('r', size(i % 997, i % 89)),
      frame('o', Buffer.from(`\x1b]2;${'t'.repeat(4000)}\x07\x1b[22t\x1b[>${i % 30}u`)),
    ]).flat(),
  ],
];

it.each(hostile)('is bounded by %s', async (_, frames) => {
  await using screen = new Running(nodeProgram, [...options, screenBundle], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const questions = [frame('c', none), frame('s', size(390, 100))];
  screen.process.stdin?.write(Buffer.concat([frame('k', none), ...frames, ...questions]));
  await vi.waitFor(() => expect(typesOf(screen.stdout)).toContain('S'), { timeout: 50_000, interval: 100 });
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${screen.pid}/status`, 'utf8'))?.[1];
  screen.process.stdin?.end();
  const { code, stderr } = await screen.finished();
  expect([code, stderr.toString()]).toEqual([0, '']);
  expect(Number(peak) / 1024).toBeLessThan(230);
});

it('answers, and ends with its input', async () => {
  const input = Buffer.concat([
    frame('k', none),
    frame('o', Buffer.from('hello')),
    frame('c', none),
    frame('s', size(80, 24)),
  ]);
  const { code, stdout, stderr } = await run(nodeProgram, [...options, screenBundle], { input });
  expect([code, stderr.toString()]).toEqual([0, '']);
  expect(typesOf(stdout)).toEqual(['A', 'C', 'S']);
});

it.each([
  ['no checkpoint', frame('k', Buffer.from('\x1b]2;evil\x07')), 'MalformedCheckpoint: it is none'],
  ['no frame', Buffer.from('\x1b]2;evil\x07'), 'MalformedFrame: a frame is of no known type'],
  ['half a frame', Buffer.from('k'), 'MalformedFrame: the last frame is not whole'],
])('ends at %s, and says nothing of it', async (_, input, message) => {
  const { code, stdout, stderr } = await run(nodeProgram, [...options, screenBundle], { input });
  expect([code, stdout.length, stderr.toString()]).toEqual([65, 0, `dockersh-screen: ${message}\n`]);
});
