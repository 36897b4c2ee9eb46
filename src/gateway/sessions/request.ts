// Reads what a client asks of a session channel (RFC 4254, section 6). Pure.

import { constants } from 'node:os';
import { ProtocolError, type Reader } from '../ssh/reader.ts';

export interface Terminal {
  readonly term: Buffer;
  /** Columns, rows, and both in pixels. */
  readonly size: readonly number[];
  /** As they were sent (RFC 4254, section 8). */
  readonly modes: Buffer;
}

const mostModes = 1024;
const mostTerm = 256;

const sizeOf = (reader: Reader): readonly number[] => [
  reader.u32(),
  reader.u32(),
  reader.u32(),
  reader.u32(),
];

export function terminalOf(reader: Reader): Terminal {
  const term = reader.string();
  const size = sizeOf(reader);
  const modes = reader.string();
  if (term.length > mostTerm || modes.length > mostModes) throw new ProtocolError('a terminal is too long');
  return { term, size, modes };
}

export const windowChangeOf = (reader: Reader): readonly number[] => sizeOf(reader);

/** Those of RFC 4254, section 6.9; a client names no other. */
const signals = [
  'ABRT',
  'ALRM',
  'FPE',
  'HUP',
  'ILL',
  'INT',
  'KILL',
  'PIPE',
  'QUIT',
  'SEGV',
  'TERM',
  'USR1',
  'USR2',
] as const;

/** The number; undefined for what is none of them. */
export function signalOf(reader: Reader): number | undefined {
  const asked = reader.byteString();
  const name = signals.find((known) => known === asked);
  return name === undefined ? undefined : constants.signals[`SIG${name}`];
}

/** Of an X11 forwarding (RFC 4254, section 6.3.1). */
export interface X11Request {
  readonly single: boolean;
  readonly protocol: string;
  readonly cookie: string;
  readonly screen: number;
}

export function x11RequestOf(reader: Reader): X11Request {
  const request = {
    single: reader.boolean(),
    protocol: reader.name(),
    cookie: reader.name(),
    screen: reader.u32(),
  };
  if (!/^[0-9a-fA-F]+$/.test(request.cookie) || !/^[\w-]+$/.test(request.protocol))
    throw new ProtocolError('a cookie is none');
  return request;
}
