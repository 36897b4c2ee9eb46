// The admin protocol, which dockershctl and dockershd speak on admin.sock.
//
// One JSON value a line (newline-delimited, UTF-8), at most `adminMaxLineBytes` or `adminMaxAnswerBytes` long. The client
// sends one request. The daemon answers with any number of progress lines and parts of a long list, and then exactly one
// result or error, and closes. Both sides check every line against these schemas; a line that does not fit ends the
// connection.
//
// Times are ISO 8601 in UTC, sizes are bytes, `null` means "no limit" or "not known". Pure.

import * as z from 'zod';
import { type EndCause, endCauses } from '../lib/values/causes.ts';
import { connectionEntries } from '../lib/values/connection-entry.ts';
import { Uid } from '../lib/values/uid.ts';
import { shownLimitsShape } from '../limits/shapes.ts';
import { accountVerbs } from './admin-accounts.ts';
import {
  adminProgress,
  bytes,
  count,
  imageName,
  noParams,
  notice,
  operationId,
  policyFault,
  timestamp,
  userName,
  type Verb,
} from './admin-fields.ts';
import { gatewayVerbs } from './admin-gateway.ts';
import { healthVerbs } from './admin-health.ts';
import { imageVerbs } from './admin-images.ts';
import { adminMissingPort, adminPublished, networkVerbs } from './admin-network.ts';
import { operationVerbs } from './admin-operations.ts';
import { policyVerbs } from './admin-policy.ts';
import { recordingVerbs } from './admin-recordings.ts';
import { userVerbs } from './admin-users.ts';

export type { AdminProgress } from './admin-fields.ts';
export type { AdminGateway, AdminGatewaySession } from './admin-gateway.ts';
export type { AdminHistoryEntry, AdminImage, AdminUse } from './admin-images.ts';
export type { AdminNetwork, AdminRefusal } from './admin-network.ts';
export type { AdminOperation } from './admin-operations.ts';
export type { AdminExplanation, AdminPolicySource } from './admin-policy.ts';
export type { AdminRecording } from './admin-recordings.ts';
export type { AdminChange, AdminSnapshot } from './admin-users.ts';

export const adminProtocolVersion = 1;

/** The longest line that the daemon accepts, newline not counted. */
export const adminMaxLineBytes = 1024 * 1024;
/** The longest that the client does: an image's configuration and annotations have 4 MiB each at most. */
export const adminMaxAnswerBytes = 16 * 1024 * 1024;

const loginId = z.string().min(1).max(64);

const adminSession = z.strictObject({
  id: loginId,
  /** The session leader's pid as the host sees it; null until it has been started. */
  pid: count.nullable(),
  /** The terminal inside the sandbox ("pts/0"), or null when the session has none. */
  tty: z.string().nullable(),
  startedAt: timestamp,
  /** Where the login came from (an address), when the login said so. Shown, never trusted. */
  from: z.string().nullable(),
  /** Since when it goes on without anybody; null: somebody is there. */
  leftAt: timestamp.nullable(),
});

const adminConnection = z.strictObject({
  id: loginId,
  startedAt: timestamp,
  /** Where the ssh connection comes from, and what has authenticated it, as sshd or the gateway says. */
  from: z.string().nullable(),
  auth: z.string().nullable(),
  entry: z.enum(connectionEntries),
});

export const adminSandbox = z.strictObject({
  uid: Uid,
  user: userName,
  state: z.enum(['starting', 'running', 'stopping']),
  image: imageName,
  imageDigest: z.string(),
  /** The image's name means another image by now; "upgrade" takes that one. */
  newerImage: z.boolean(),
  /** The sandbox's PID 1 as the host sees it; null while it is starting. */
  initPid: count.nullable(),
  sessions: z.array(adminSession),
  connections: z.array(adminConnection),
  memoryBytes: bytes.nullable(),
  pids: count.nullable(),
  ...shownLimitsShape,
  startedAt: timestamp,
  published: z.array(adminPublished),
  /** Those of them that somebody else has. */
  missing: z.array(adminMissingPort),
  /** When it will be stopped if nobody logs in again; null while it has sessions or stays forever. */
  lingerUntil: timestamp.nullable(),
});
export type AdminSandbox = z.infer<typeof adminSandbox>;

/** One step of a login, in microseconds; steps are in the order in which they happened. */
export const adminLoginStep = z.strictObject({ name: z.string(), us: z.number().nonnegative() });

export const adminLogin = z.strictObject({
  id: loginId,
  user: userName,
  uid: Uid,
  at: timestamp,
  /** A session, or an ssh connection that sshd's module has joined to the sandbox. */
  what: z.enum(['session', 'connection']),
  /** Where it came from: as sshd says of a connection, and as a session's own login does, which is never trusted. */
  from: z.string().nullable(),
  /** What has authenticated a connection. */
  auth: z.string().nullable(),
  /** By which way a connection came. */
  entry: z.enum(connectionEntries).nullable(),
  /** Whether the sandbox was running already (warm) or had to be started (cold). */
  kind: z.enum(['warm', 'cold']),
  /** How it ended or where it stands: "running", "exit 0", "signal 9", an error code, or a cause without either. */
  outcome: z.string(),
  /** Why the session ended; null: it runs, or there was none. */
  cause: z.enum(endCauses as [EndCause, ...EndCause[]]).nullable(),
  endedAt: timestamp.nullable(),
  /** How many of this user's ended so, one after the other; the record is the last one's. */
  count: z.int().min(1),
  steps: z.array(adminLoginStep),
});
export type AdminLogin = z.infer<typeof adminLogin>;

// ---- verbs and requests ----

/** What every verb takes and gives. */
export const adminVerbs = {
  version: {
    params: noParams,
    result: z.strictObject({
      version: z.string(),
      node: z.string(),
      kernel: z.string(),
      cgroup: z.enum(['v1', 'v2', 'hybrid']),
    }),
  },
  ps: {
    params: noParams,
    result: z.strictObject({ sandboxes: z.array(adminSandbox), policyFault: policyFault.nullable() }),
  },
  stop: {
    /** `message`: what those inside are told besides. */
    params: z.strictObject({ user: userName, message: notice.optional() }),
    /** `stopped` is false when the user had no sandbox. */
    result: z.strictObject({ user: userName, stopped: z.boolean() }),
  },
  message: {
    params: z.strictObject({ user: userName, text: notice }),
    /** `terminals`: how many show it; 0 where nobody has one. */
    result: z.strictObject({ user: userName, terminals: count }),
  },
  logins: {
    params: z.strictObject({
      id: loginId.optional(),
      limit: z.int().min(1).max(1000).optional(),
      /** A name or uid, and an address: those logins alone. */
      user: userName.optional(),
      from: z.string().min(1).max(64).optional(),
      /** Those that began at or after the one, and before the other. */
      since: timestamp.optional(),
      until: timestamp.optional(),
      /** Those that were refused, or whose program could not be started. */
      failed: z.boolean().optional(),
    }),
    /** Newest first. */
    result: z.strictObject({ logins: z.array(adminLogin) }),
  },
  ...accountVerbs,
  ...healthVerbs,
  ...imageVerbs,
  ...userVerbs,
  ...policyVerbs,
  ...networkVerbs,
  ...recordingVerbs,
  ...gatewayVerbs,
  ...operationVerbs,
} as const satisfies Record<string, Verb>;

type Verbs = typeof adminVerbs;
export type AdminVerb = keyof Verbs;
export type AdminParams<Name extends AdminVerb> = z.infer<Verbs[Name]['params']>;
export type AdminResult<Name extends AdminVerb> = z.infer<Verbs[Name]['result']>;
/** The pieces of a long list; never for a verb that has none. */
export type AdminPart<Name extends AdminVerb> = Name extends AdminVerb
  ? Verbs[Name] extends { readonly part: infer Part extends z.ZodType }
    ? z.infer<Part>
    : never
  : never;

export type AdminRequest = {
  [Name in AdminVerb]: {
    readonly version: typeof adminProtocolVersion;
    readonly verb: Name;
    /** Who asks, as root's dockershctl says: the account that became root. Logged, never decided by. */
    readonly by?: string | undefined;
    /** It runs on when the client goes, who is told its number at once. */
    readonly detach?: boolean | undefined;
    readonly params: AdminParams<Name>;
  };
}[AdminVerb];

const envelope = z.strictObject({
  version: z.literal(adminProtocolVersion),
  verb: z.string().refine((verb): verb is AdminVerb => Object.hasOwn(adminVerbs, verb), 'no such verb'),
  by: userName.optional(),
  detach: z.boolean().optional(),
  params: z.unknown(),
});

/** Every request: first the envelope, then the params that its verb takes. */
export const adminRequest = envelope.transform((request, context): AdminRequest => {
  if (request.detach === true && longKindOf(request.verb) !== 'detachable') {
    context.issues.push({ code: 'custom', input: request, path: ['detach'], message: 'not for this verb' });
    return z.NEVER;
  }
  const params = adminVerbs[request.verb].params.safeParse(request.params);
  if (params.success) return { ...request, params: params.data } as AdminRequest;
  for (const issue of params.error.issues) {
    context.issues.push({
      code: 'custom',
      input: request,
      path: ['params', ...issue.path],
      message: issue.message,
    });
  }
  return z.NEVER;
});

/** As Verb has it. */
export function longKindOf(verb: AdminVerb): Verb['long'] {
  const entry: Verb = adminVerbs[verb];
  return entry.long;
}

/** The schema of a verb's parts; undefined where it has none. */
export function adminPartOf(verb: AdminVerb): z.ZodType | undefined {
  const entry: Verb = adminVerbs[verb];
  return entry.part;
}

// ---- answers ----

export const adminError = z.strictObject({
  /** A permanent code of the error catalogue, e.g. E_NOT_FOUND. */
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  /** The sysexits status that dockershctl ends with. */
  exitCode: z.int().min(1).max(255),
});
export type AdminError = z.infer<typeof adminError>;

/** One line from the daemon. `result` is checked in a second step, against `adminVerbs[verb]`. */
export const adminAnswer = z.union([
  z.strictObject({ progress: adminProgress }),
  z.strictObject({ part: z.unknown() }),
  /** The last line of a verb that runs on by itself. */
  z.strictObject({ detached: z.strictObject({ id: operationId }) }),
  z.strictObject({ ok: z.literal(true), result: z.unknown() }),
  z.strictObject({ ok: z.literal(false), error: adminError }),
]);
export type AdminAnswer = z.infer<typeof adminAnswer>;
