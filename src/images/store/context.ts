// The context that all operations of the store share. Made once, when the store is opened.

import type { Serial } from '../../lib/async/serial.ts';
import type { LayerProgram } from '../layers/program.ts';
import type { Trust } from '../trust/trust.ts';
import type { Flights } from './flights.ts';
import type { Layout } from './layout.ts';
import type { Pins } from './pins.ts';

/** Throws where nobody could have a session in an image with these variables: it gets no name. */
export type Admit = (name: string, env: readonly string[]) => void;

export interface StoreContext {
  readonly layout: Layout;
  readonly program: LayerProgram;
  readonly pins: Pins;
  readonly flights: Flights;
  /** Changes of what is noted of layers and images go one at a time. */
  readonly notes: Serial;
  readonly admit: Admit;
  readonly trust: Trust;
  /** Runs what must not meet a change of the index or garbage collection. */
  turn<T>(work: () => Promise<T>): Promise<T>;
  /** Runs what changes the index, one at a time, then removes what has become garbage by it. */
  change<T>(work: () => Promise<T>): Promise<T>;
}
