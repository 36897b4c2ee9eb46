// Sends redraws to a real terminal (tmux), after real programs' output: it shows what the emulator shows, and answers
// nothing.

import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { redraw } from '../../../src/screen/redraw/redraw.ts';
import { checkout } from '../../fixtures/paths.ts';
import { runOk } from '../../fixtures/process.ts';

const recordings = globSync(path.join(checkout, 'test/fixtures/screen/recordings/*.gz')).sort();
const size = { columns: 80, rows: 24 };
let folder = '';
const tmux = (...args: string[]): Promise<string> =>
  runOk('tmux', ['-f', '/dev/null', '-S', path.join(folder, 'socket'), ...args], {
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm-256color' },
  });

beforeAll(async () => {
  folder = mkdtempSync('/tmp/dockersh-test-tmux-');
  // A server ends with its last session, and one that is ending takes no other.
  await tmux('new-session', '-d', '-s', 'held', 'cat');
});
afterAll(async () => {
  await tmux('kill-server').catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

function linesOf({ active, size: { rows } }: Emulator): string[] {
  return Array.from({ length: rows }, (_, row) => {
    const line = active.lines.get(active.ybase + row);
    const cells = Array.from({ length: line?.length ?? 0 }, (_cell, x) =>
      line?.getWidth(x) === 0 ? '' : line?.getString(x) || ' ',
    );
    return cells.join('').trimEnd();
  });
}

describe.each(recordings.map((file) => [path.basename(file, '.gz'), file]))('%s', (name, file) => {
  const bytes = gunzipSync(readFileSync(file));

  it.each([0.2, 0.5, 0.8, 1])('is shown by tmux at %s of it', async (part) => {
    const session = new Emulator(size, 1000);
    session.write(bytes.subarray(0, Math.floor(bytes.length * part)));
    session.write(Buffer.from('\x18')); // what is cut here goes on in what tmux is not shown
    const shown = path.join(folder, `${name}-${part}`);
    const answers = `${shown}.answers`;
    writeFileSync(shown, redraw(session, size));
    writeFileSync(answers, '');
    const pane = `${name}-${part}`.replaceAll('.', '-');
    await tmux(
      ...['new-session', '-d', '-x', '80', '-y', '24', '-s', pane],
      `stty raw -echo; cat '${shown}'; tmux -S '${folder}/socket' wait-for -S '${pane}'; cat > '${answers}'`,
    );
    await tmux('set', '-g', 'status', 'off');
    await tmux('resize-window', '-t', pane, '-x', '80', '-y', '24');
    await tmux('wait-for', pane);
    const wanted = linesOf(session);
    await vi.waitFor(async () => {
      const captured = (await tmux('capture-pane', '-p', '-t', pane)).split('\n');
      expect(captured.slice(0, size.rows).map((line) => line.trimEnd())).toEqual(wanted);
    });
    const cursor = await tmux('display-message', '-p', '-t', pane, '#{cursor_x} #{cursor_y} #{alternate_on}');
    const { x, y } = session.active;
    expect(cursor.trim()).toBe(`${Math.min(x, 79)} ${y} ${session.onAlternate ? 1 : 0}`);
    expect(readFileSync(answers, 'latin1')).toBe('');
    await tmux('kill-session', '-t', pane);
  });
});
