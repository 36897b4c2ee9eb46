// A trail in a folder of the test's own.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyHead, type Head, nextLine } from '../../../../src/lib/audit/chain.ts';
import { currentName } from '../../../../src/lib/audit/files.ts';
import { type AbsolutePath, resolved } from '../../../../src/lib/values/absolute-path.ts';

export class TrailFolder implements Disposable {
  readonly path: AbsolutePath = resolved(mkdtempSync(join(tmpdir(), 'dockersh-test-audit-')));

  file(name = currentName): string {
    return join(this.path, name);
  }

  lines(name = currentName): string[] {
    return readFileSync(this.file(name), 'utf8').split('\n').slice(0, -1);
  }

  write(lines: readonly string[], name = currentName): void {
    writeFileSync(this.file(name), lines.map((line) => `${line}\n`).join(''));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Lines that follow each other, one for each of the facts. */
export function chained(
  facts: readonly (readonly [event: string, facts: object])[],
  start: Head = emptyHead,
): string[] {
  let head = start;
  return facts.map(([event, more], index) => {
    const at = new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString();
    const next = nextLine(head, at, event, more);
    ({ head } = next);
    return next.line;
  });
}
