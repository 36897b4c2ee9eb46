// The messages between daemon and login client (docs/protocol.md, "Login"). The client is the user's own process, so
// every field is checked here and none is believed: who it is, the kernel says (SO_PEERCRED). Pure.

import * as z from 'zod';
import { type ByteString, fieldOf, fieldsOf, parseWire, u32Of, u64sOf, WireWriter } from '../lib/wire.ts';

/** Bytes as characters, without NUL. */
const isByteString = (value: unknown): value is ByteString =>
  typeof value === 'string' && !value.includes('\0');
const isVariable = (value: unknown): value is ByteString =>
  isByteString(value) && /^[A-Za-z_][A-Za-z0-9_]*=/.test(value);

/** Checked as one value: a schema for each of the strings takes several times as long, and every login waits for it. */
const list = (isOne: (value: unknown) => value is ByteString, least: number, most: number) =>
  z.custom<ByteString[]>(
    (value) =>
      Array.isArray(value) &&
      value.length >= least &&
      value.length <= most &&
      value.every((one) => isOne(one)),
  );

/** A login as the client sends it. Arguments and environment are byte strings (latin1). */
export const LoginRequest = z.strictObject({
  /** argv[0] first; for `dockersh-exec`, the user's name first. */
  args: list(isByteString, 1, 2048),
  /** "NAME=value" */
  env: list(isVariable, 0, 512),
  umask: z.int().min(0).max(0o777),
  /** When the client started, CLOCK_MONOTONIC in nanoseconds; 0 when it did not say. Only for `logins`. */
  startedNs: z.bigint(),
  /** The path by which the client was executed (AT_EXECFN). */
  execPath: z.custom<ByteString>(isByteString),
  /** Only from root's dockersh-exec: whose sandbox. */
  user: z.string().min(1).max(256).optional(),
  /** Likewise: a session of theirs is to be shown, the one that the second argument names. */
  looks: z.enum(['watch', 'join']).optional(),
});
export type LoginRequest = z.infer<typeof LoginRequest>;

const latin1 = (value: Buffer): ByteString => value.toString('latin1');

/** LOOK_WATCH and LOOK_JOIN (native/login/look.h). */
const views: Readonly<Record<number, string>> = { 2: 'watch', 3: 'join' };

/** The request, or undefined where the message is not a login of our version. */
export function parseLogin(data: Buffer): LoginRequest | undefined {
  const message = parseWire(data);
  if (message?.type !== 'login') return undefined;
  const user = fieldOf(message, 'user');
  const view = u32Of(message, 'view');
  const parsed = LoginRequest.safeParse({
    args: fieldsOf(message, 'arg').map(latin1),
    env: fieldsOf(message, 'env').map(latin1),
    umask: u32Of(message, 'umask') ?? 0o22,
    startedNs: u64sOf(message, 'time')[0] ?? 0n,
    execPath: latin1(fieldOf(message, 'execPath') ?? Buffer.alloc(0)),
    ...(user === undefined ? {} : { user: user.toString('utf8') }),
    ...(view === undefined ? {} : { looks: user === undefined ? 'nobody' : views[view] }),
  });
  return parsed.success ? parsed.data : undefined;
}

/** As much of a text as the client has room for, in bytes. */
const short = (text: string): Buffer => Buffer.from(Buffer.from(text, 'utf8').subarray(0, 900));

/** A refusal: the client prints the text and exits with the code. */
export function loginError(text: string, exitCode: number): Buffer {
  return new WireWriter('error').bytes('text', short(text)).u32('code', exitCode).finish();
}

/** An account that is exempt: the client becomes this shell of the host. */
export function loginOutside(shell: string): Buffer {
  return new WireWriter('outside').text('shell', shell).finish();
}

/** A sign of life: the login is being worked on. */
export function loginWait(underWay?: string): Buffer {
  const writer = new WireWriter('wait');
  return (underWay === undefined ? writer : writer.text('text', underWay)).finish();
}
