// Makes events of the lines of a recording, of either version, with the time since its beginning.

import * as z from 'zod';
import { DockershError } from '../../lib/errors.ts';

const size = z.int().min(0).max(65_535);
const common = { timestamp: z.number().optional(), title: z.string().optional() };
const header2 = z.object({
  version: z.literal(2),
  width: size,
  height: size,
  env: z.object({ TERM: z.string().optional() }).optional(),
  ...common,
});
const header3 = z.object({
  version: z.literal(3),
  term: z.object({ cols: size, rows: size, type: z.string().optional() }),
  ...common,
});
const eventLine = z.tuple([z.number(), z.string(), z.string()]);

export interface CastHeader {
  readonly version: 2 | 3;
  readonly columns: number;
  readonly rows: number;
  readonly timestamp: number | undefined;
  readonly title: string | undefined;
  readonly term: string | undefined;
}

export interface CastEvent {
  /** Seconds since the beginning. */
  readonly at: number;
  /** o: shown; i: typed; r: "80x24". */
  readonly kind: string;
  readonly text: string;
}

/** The header, and then every event. Throws E_RECORDING_BROKEN where it has no header. */
export async function* eventsOf(
  lines: AsyncIterable<string>,
): AsyncGenerator<CastHeader | CastEvent, void, undefined> {
  let header: CastHeader | undefined;
  let at = 0;
  for await (const line of lines) {
    if (header === undefined) {
      header = headerOf(line);
      yield header;
      continue;
    }
    const event = eventLine.safeParse(parsed(line));
    if (!event.success) continue; // cut off when its recorder was killed
    const [time, kind, text] = event.data;
    at = header.version === 3 ? at + time : time;
    yield { at, kind, text };
  }
  if (header === undefined) throw new DockershError('E_RECORDING_BROKEN');
}

export const isHeader = (one: CastHeader | CastEvent): one is CastHeader => 'version' in one;

function headerOf(line: string): CastHeader {
  const header = z.union([header2, header3]).safeParse(parsed(line));
  if (!header.success) throw new DockershError('E_RECORDING_BROKEN');
  const { data } = header;
  const { timestamp, title } = data;
  return data.version === 2
    ? { version: 2, columns: data.width, rows: data.height, timestamp, title, term: data.env?.TERM }
    : { version: 3, columns: data.term.cols, rows: data.term.rows, timestamp, title, term: data.term.type };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a SyntaxError
  }
}
