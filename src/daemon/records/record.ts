// Describes what is written down of logins, sessions and sandboxes: a closed set of events, each with the same fields wherever it is
// read, and the sentence that says it. The journal's fields are these with DOCKERSH_ before them. Pure.

import * as z from 'zod';
import { printable } from '../../lib/text/printable.ts';
import { formatDuration, formatSize } from '../../lib/text/units.ts';
import { causes, endCauses } from '../../lib/values/causes.ts';
import { Uid } from '../../lib/values/uid.ts';

/** Whose it is. `user` is missing where the host knows no account of that uid. */
const whose = { uid: Uid, user: z.string().optional() };
const ofSession = { ...whose, session: z.string(), from: z.string().optional() };
const cause = z.enum(endCauses as [(typeof endCauses)[number], ...(typeof endCauses)[number][]]);
/** Who had it stopped, and with which verb of the admin protocol. */
const byWhom = { by: z.string().optional(), verb: z.string().optional() };

export const DaemonRecord = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('session-opened'),
    ...ofSession,
    kind: z.enum(['warm', 'cold']),
    image: z.string(),
    digest: z.string(),
    asImageUser: z.literal(true).optional(),
    /** The uid that came for another: root, by dockershctl exec. */
    byUid: Uid.optional(),
  }),
  z.strictObject({
    event: z.literal('session-closed'),
    ...ofSession,
    cause,
    ...byWhom,
    status: z.int().optional(),
    signal: z.int().optional(),
    /** Of a program that could not be started. */
    code: z.string().optional(),
    reason: z.string().optional(),
    /** How long it was there; absent: nobody knows. */
    ms: z.int().optional(),
  }),
  /** Its connection has ended, and it goes on. */
  z.strictObject({
    event: z.literal('session-detached'),
    ...ofSession,
    /** How long it does at most; absent: for ever. */
    forMs: z.int().optional(),
  }),
  /** Another login looks at it: its user's own, or root's. */
  z.strictObject({
    event: z.literal('session-attached'),
    ...ofSession,
    looks: z.enum(['attach', 'peek', 'watch', 'join']),
    /** The login that does. */
    viewer: z.string(),
  }),
  /** There is no room for its recording, and it stands still; there is again; or nothing more is recorded of it. */
  z.strictObject({
    event: z.literal('session-recording'),
    ...ofSession,
    state: z.enum(['waits', 'goes-on', 'ends']),
  }),
  z.strictObject({
    event: z.literal('login-refused'),
    ...ofSession,
    code: z.string(),
    reason: z.string(),
    hint: z.string().optional(),
  }),
  /** An ssh connection, which carries sessions or forwards alone. */
  z.strictObject({
    event: z.literal('connection-opened'),
    ...ofSession,
    auth: z.string().optional(),
    /** Absent: by sshd. */
    entry: z.enum(['gateway', 'web']).optional(),
    kind: z.enum(['warm', 'cold']),
    image: z.string(),
  }),
  z.strictObject({ event: z.literal('connection-closed'), ...ofSession, cause, ms: z.int().optional() }),
  z.strictObject({
    event: z.literal('connection-failed'),
    ...ofSession,
    code: z.string(),
    reason: z.string(),
  }),
  /** A word of self-service; `code`: it was not done. */
  z.strictObject({
    event: z.literal('self-service'),
    ...ofSession,
    command: z.string(),
    code: z.string().optional(),
    reason: z.string().optional(),
  }),
  z.strictObject({ event: z.literal('login-outside'), ...ofSession, shell: z.string() }),
  z.strictObject({
    event: z.literal('sandbox-started'),
    ...whose,
    image: z.string(),
    digest: z.string(),
  }),
  z.strictObject({
    event: z.literal('sandbox-ended'),
    ...whose,
    cause,
    ...byWhom,
    ms: z.int().optional(),
  }),
  /** The kernel has ended one of its processes. */
  z.strictObject({
    event: z.literal('out-of-memory'),
    ...whose,
    process: z.string(),
    /** Of the sandbox; absent: its user has set one inside, or there is none. */
    limitBytes: z.int().optional(),
  }),
  z.strictObject({
    event: z.literal('sandbox-failed'),
    ...whose,
    code: z.string(),
    reason: z.string(),
  }),
]);
export type DaemonRecord = z.infer<typeof DaemonRecord>;

type Of<Event extends DaemonRecord['event']> = Extract<DaemonRecord, { event: Event }>;

/** "for ada from 203.0.113.7" */
function forWhom({ user, uid, ...rest }: Pick<Of<'login-refused'>, 'user' | 'uid' | 'from'>): string {
  const from = rest.from === undefined ? '' : ` from ${rest.from}`;
  return `for ${user ?? `uid ${uid}`}${from}`;
}

/** To the second, and below one to the millisecond. */
function after(ms: number | undefined): string {
  if (ms === undefined) return '';
  return ` after ${formatDuration(ms < 1000 ? ms : Math.floor(ms / 1000) * 1000)}`;
}

function by({ by: whom, verb }: { by?: string | undefined; verb?: string | undefined }): string {
  const what = verb === undefined ? '' : ` (${verb})`;
  return whom === undefined ? what : ` by ${whom}${what}`;
}

function closed(record: Of<'session-closed'>): string {
  const { cause: why, status, signal, reason, ms } = record;
  const how =
    status !== undefined ? `, exit status ${status}` : signal !== undefined ? `, signal ${signal}` : '';
  const more = reason === undefined ? '' : ` (${reason})`;
  return `session closed ${forWhom(record)}${after(ms)}: ${causes[why].words}${by(record)}${how}${more}`;
}

const recordingSays = {
  waits: 'session stands still',
  'goes-on': 'session goes on',
  ends: 'session is recorded no more',
} as const;
const recordingWhy = {
  waits: 'there is no room for its recording; make some on the disk that /var/log/dockersh is on',
  'goes-on': 'there is room for its recording again',
  ends: 'its recording is as large as it may be, or can not be written to',
} as const;

const lookedAt = { attach: 'attached to', peek: 'looked at', watch: 'watched', join: 'joined' } as const;

const sentences: { readonly [Event in DaemonRecord['event']]: (record: Of<Event>) => string } = {
  'session-opened': (record) => {
    const whom = record.byUid === undefined ? '' : ` by uid ${record.byUid}`;
    const start = record.kind === 'cold' ? 'a sandbox started for it' : 'the running sandbox';
    return `session opened ${forWhom(record)}${whom}: ${start}, image ${record.image}`;
  },
  'session-closed': closed,
  'session-detached': (record) => {
    const most = record.forMs === undefined ? '' : ` for ${formatDuration(record.forMs)} at most`;
    return `session left ${forWhom(record)}: it goes on without its connection${most}`;
  },
  'session-attached': (record) =>
    `session ${lookedAt[record.looks]} ${forWhom(record)} by login ${record.viewer}`,
  'session-recording': (record) =>
    `${recordingSays[record.state]} ${forWhom(record)}: ${recordingWhy[record.state]}`,
  'connection-opened': (record) => {
    const auth = record.auth === undefined ? '' : `, authenticated by ${record.auth}`;
    const way =
      record.entry === undefined ? '' : ` by the gateway${record.entry === 'web' ? '’s web page' : ''}`;
    return `ssh connection opened ${forWhom(record)}${way}${auth}, image ${record.image}`;
  },
  'connection-closed': (record) => {
    const why = record.cause === 'hung-up' ? '' : `: ${causes[record.cause].words}`;
    return `ssh connection closed ${forWhom(record)}${after(record.ms)}${why}`;
  },
  'connection-failed': (record) =>
    `ssh connection not joined ${forWhom(record)}: ${record.reason} [${record.code}]`,
  'login-refused': (record) => `login refused ${forWhom(record)}: ${record.reason} [${record.code}]`,
  'login-outside': (record) =>
    `login ${forWhom(record)} leads to a shell of the host: the policy exempts the account`,
  'self-service': (record) => {
    const failed = record.code === undefined ? '' : `, not done: ${record.reason} [${record.code}]`;
    return `self-service ${forWhom(record)}: ${record.command}${failed}`;
  },
  'sandbox-started': (record) => `sandbox started ${forWhom(record)} on image ${record.image}`,
  'sandbox-ended': (record) =>
    `sandbox ended ${forWhom(record)}${after(record.ms)}: ${causes[record.cause].words}${by(record)}`,
  'out-of-memory': (record) => {
    const limit = record.limitBytes === undefined ? '' : `, limit ${formatSize(record.limitBytes)}`;
    return `out of memory ${forWhom(record)}: the kernel has ended ${record.process}${limit}`;
  },
  'sandbox-failed': (record) =>
    `sandbox could not be started ${forWhom(record)}: ${record.reason} [${record.code}]`,
};

/** One line, safe for any terminal. */
export function sentenceOf(record: DaemonRecord): string {
  const say = sentences[record.event] as (record: DaemonRecord) => string;
  return printable(`${say(record)}${'session' in record ? ` [${record.session}]` : ''}`);
}
