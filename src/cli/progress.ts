// Shows how far a long verb has come: lines that are written over and over on a terminal, a line now and then
// elsewhere, JSON for programs. All of it on stderr, which is not the result.

import { Option } from 'commander';
import { humanSize } from '../lib/text/human.ts';
import { printable, printableJson } from '../lib/text/printable.ts';
import { displayWidth, truncate } from '../lib/text/table.ts';
import type { AdminProgress } from '../protocol/admin.ts';
import type { Console, Output } from './console.ts';

const kinds = ['auto', 'tty', 'plain', 'json', 'quiet'] as const;

export interface ProgressOptions {
  progress: (typeof kinds)[number];
}

export function progressOption(): Option {
  return new Option('--progress <kind>', 'how progress is shown; auto: depends on stderr')
    .choices(kinds)
    .default('auto');
}

export interface ProgressDisplay extends Disposable {
  show(progress: AdminProgress): void;
}

export function progressDisplay(cli: Console, { progress }: ProgressOptions): ProgressDisplay {
  const auto = cli.options.json ? 'quiet' : cli.stderr.isTTY === true ? 'tty' : 'plain';
  const kind = progress === 'auto' ? auto : progress;
  if (kind === 'tty') return new TerminalProgress(cli.stderr);
  if (kind === 'plain') return new PlainProgress(cli.stderr);
  if (kind === 'json')
    return withoutEnd((step) => cli.stderr.write(`${printableJson({ progress: step })}\n`));
  return withoutEnd(() => undefined);
}

function withoutEnd(show: (progress: AdminProgress) => unknown): ProgressDisplay {
  return { show: (progress) => void show(progress), [Symbol.dispose]: () => undefined };
}

/** One line for each thing that is under way. Those with a name stay when all is done, as docker's do. */
class TerminalProgress implements ProgressDisplay {
  readonly #output: Output;
  readonly #steps = new Map<string, AdminProgress>();
  #drawn = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(progress: AdminProgress): void {
    this.#steps.set(progress.id ?? '', progress);
    this.#draw(this.#lines([...this.#steps.values()]));
  }

  #lines(steps: readonly AdminProgress[]): string[] {
    const { columns = 80, rows = 24 } = this.#output;
    // What has scrolled off the screen cannot be written over: unfinished ones are worth their place.
    const room = Math.max(1, rows - 2);
    const shown = steps.length <= room ? steps : steps.filter((step) => !isDone(step)).slice(0, room);
    return shown.map((step) => terminalLine(step, columns - 1));
  }

  #draw(lines: readonly string[]): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    const text = lines.map((line) => `\r\x1b[K${line}\n`).join('');
    const rest = this.#drawn > lines.length ? '\x1b[J' : '';
    this.#output.write(`${up}${text}${rest}`);
    this.#drawn = lines.length;
  }

  [Symbol.dispose](): void {
    if (this.#drawn === 0) return;
    const named = [...this.#steps.values()].filter(({ id }) => id !== undefined);
    this.#draw(this.#lines(named));
    this.#drawn = 0;
  }
}

function isDone({ bytes, totalBytes }: AdminProgress): boolean {
  return bytes === undefined || bytes === totalBytes;
}

const barWidth = 30;

function terminalLine(progress: AdminProgress, width: number): string {
  const { bytes, totalBytes } = progress;
  const text = describeProgress(progress);
  if (bytes === undefined || totalBytes === undefined || bytes >= totalBytes) return truncate(text, width);
  const filled = Math.floor((bytes / totalBytes) * barWidth);
  const bar = `[${'='.repeat(filled)}${'>'.padEnd(barWidth - filled)}]`;
  const line = `${nameOf(progress)}${progress.step} ${bar} ${humanSize(bytes)}/${humanSize(totalBytes)}`;
  return displayWidth(line) <= width ? printable(line) : truncate(text, width);
}

const plainIntervalMs = 5_000;

/** A line for every new step of everything, and one every few seconds while a step goes on. */
class PlainProgress implements ProgressDisplay {
  readonly #output: Output;
  readonly #last = new Map<string, { readonly step: string; readonly atMs: number }>();

  constructor(output: Output) {
    this.#output = output;
  }

  show(progress: AdminProgress): void {
    const id = progress.id ?? '';
    const last = this.#last.get(id);
    const now = Date.now();
    if (last?.step === progress.step && now - last.atMs < plainIntervalMs) return;
    this.#last.set(id, { step: progress.step, atMs: now });
    this.#output.write(`${describeProgress(progress)}\n`);
  }

  [Symbol.dispose](): void {
    this.#last.clear();
  }
}

function nameOf({ id }: AdminProgress): string {
  return id === undefined ? '' : `${id}: `;
}

export function describeProgress(progress: AdminProgress): string {
  const { step, files, bytes, totalBytes } = progress;
  const parts = [step];
  if (files !== undefined) parts.push(`${files} files`);
  if (bytes !== undefined) {
    const whole = totalBytes === undefined || totalBytes === bytes;
    parts.push(whole ? humanSize(bytes) : `${humanSize(bytes)} of ${humanSize(totalBytes)}`);
  }
  return printable(`${nameOf(progress)}${parts.join(', ')}`);
}
