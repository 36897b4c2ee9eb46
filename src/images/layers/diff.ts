// Lists what a user has changed, file by file, as docker diff does.

import { DockershError } from '../../lib/errors.ts';
import type { ImportOptions } from '../import/options.ts';
import { type IdMapping, idMapArgs, type LayerProgram, layerFailure, runLayerProgram } from './program.ts';

/** A path and a name, and some more. */
const mostChangeBytes = 8192;

export interface LayerChange {
  /** Added, changed, deleted. */
  readonly kind: 'A' | 'C' | 'D';
  /**
   * Absolute, as inside; bytes that are no UTF-8 are replaced. Longer than paths can be: "/a/b//[4000 folders]//c", which
   * no path is, with as many folders between b and c.
   */
  readonly path: string;
}

/**
 * Changes of the layer in `upper` against `lowers` (trees, topmost first), in the order of paths. A folder
 * whose content has changed counts as changed. Safe beside a running sandbox: what changes meanwhile is told
 * as it was at some moment.
 */
export async function* diffLayer(
  program: LayerProgram,
  upper: string,
  lowers: readonly string[],
  ids: IdMapping | undefined,
  { signal }: Pick<ImportOptions, 'signal'> = {},
): AsyncGenerator<LayerChange, void, void> {
  const { child, ended } = runLayerProgram(program, ['diff', ...idMapArgs(ids), upper, ...lowers], signal);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of child.stdout) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const change = changeOf(rest.toString('utf8', 0, end));
      if (change !== undefined) yield change;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > mostChangeBytes) throw new DockershError('E_INTERNAL', { what: `compare ${upper}` });
  }
  const exit = await ended;
  if (exit.status !== 0) throw layerFailure(`compare ${upper}`, exit);
}

function changeOf(text: string): LayerChange | undefined {
  const [kind] = text;
  return kind === 'A' || kind === 'C' || kind === 'D' ? { kind, path: text.slice(2) } : undefined;
}
