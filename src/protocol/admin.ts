/**
 * The admin protocol: what dockershctl and dockershd say to each other on admin.sock.
 *
 * One JSON value a line (newline-delimited, UTF-8), at most `adminMaxLineBytes` a line. The client
 * sends one request; the daemon answers with any number of progress lines and then exactly one result
 * or error, and closes. Both sides check every line against these schemas; a line that does not fit
 * ends the connection.
 *
 * Times are ISO 8601 in UTC, sizes are bytes, `null` means "no limit" or "not known".
 * This module is pure: no I/O, nothing happens when it is imported except building the schemas.
 */
import { z } from 'zod';

export const adminProtocolVersion = 1;

/** The longest line either side accepts, newline not counted. */
export const adminMaxLineBytes = 1024 * 1024;

const count = z.int().nonnegative();
const bytes = z.int().nonnegative();
const timestamp = z.iso.datetime();
const userName = z.string().min(1).max(256);
// A reference with host, path, tag and digest (src/lib/image-name.ts) fits.
const imageName = z.string().min(1).max(544);
/** A path on the host, absolute because the daemon's working directory is not the caller's. */
const hostPath = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

const loginId = z.string().min(1).max(64);

// ---- requests ----

function request<const Verb extends string, Params extends z.ZodType>(verb: Verb, params: Params) {
  return z.strictObject({
    version: z.literal(adminProtocolVersion),
    verb: z.literal(verb),
    params,
  });
}

const noParams = z.strictObject({});

/** Every request, told apart by `verb`. */
export const adminRequest = z.discriminatedUnion('verb', [
  request('version', noParams),
  request('ps', noParams),
  request('stop', z.strictObject({ user: userName })),
  request('image.import', z.strictObject({ name: imageName, path: hostPath })),
  request('image.ls', noParams),
  request('image.rm', z.strictObject({ name: imageName })),
  request('logins', z.strictObject({ id: loginId.optional(), limit: z.int().min(1).max(1000).optional() })),
]);
export type AdminRequest = z.infer<typeof adminRequest>;
export type AdminVerb = AdminRequest['verb'];
export type AdminParams<Verb extends AdminVerb> = Extract<AdminRequest, { verb: Verb }>['params'];

// ---- results, one schema a verb ----

const adminSession = z.strictObject({
  id: loginId,
  /** The session leader's pid as the host sees it; null until it has been started. */
  pid: count.nullable(),
  /** The terminal inside the sandbox ("pts/0"), or null when the session has none. */
  tty: z.string().nullable(),
  startedAt: timestamp,
  /** Where the login came from (an address), when the login said so. Shown, never trusted. */
  from: z.string().nullable(),
});

export const adminSandbox = z.strictObject({
  uid: count,
  user: userName,
  state: z.enum(['starting', 'running', 'stopping']),
  image: imageName,
  imageDigest: z.string(),
  /** The sandbox's PID 1 as the host sees it; null while it is starting. */
  initPid: count.nullable(),
  sessions: z.array(adminSession),
  memoryBytes: bytes.nullable(),
  memoryLimitBytes: bytes.nullable(),
  pids: count.nullable(),
  pidsLimit: count.nullable(),
  cpus: z.number().positive().nullable(),
  startedAt: timestamp,
  /** When it will be stopped if nobody logs in again; null while it has sessions or stays forever. */
  lingerUntil: timestamp.nullable(),
});
export type AdminSandbox = z.infer<typeof adminSandbox>;

export const adminImage = z.strictObject({
  name: imageName,
  digest: z.string(),
  layers: count,
  sizeBytes: bytes.nullable(),
  createdAt: timestamp.nullable(),
  /** True for an image that is built from the host itself and takes no space in the store. */
  virtual: z.boolean(),
});
export type AdminImage = z.infer<typeof adminImage>;

/** One step of a login, in microseconds; steps are in the order in which they happened. */
export const adminLoginStep = z.strictObject({ name: z.string(), us: z.number().nonnegative() });

export const adminLogin = z.strictObject({
  id: loginId,
  user: userName,
  uid: count,
  at: timestamp,
  /** Whether the sandbox was running already (warm) or had to be started (cold). */
  kind: z.enum(['warm', 'cold']),
  tty: z.string().nullable(),
  /** How it ended or where it stands: "running", "exit 0", "signal 9", or an error code. */
  outcome: z.string(),
  steps: z.array(adminLoginStep),
});
export type AdminLogin = z.infer<typeof adminLogin>;

export const adminResults = {
  version: z.strictObject({
    version: z.string(),
    node: z.string(),
    kernel: z.string(),
    cgroup: z.enum(['v1', 'v2', 'hybrid']),
  }),
  ps: z.strictObject({ sandboxes: z.array(adminSandbox) }),
  /** `stopped` is false when the user had no sandbox. */
  stop: z.strictObject({ user: userName, stopped: z.boolean() }),
  'image.import': z.strictObject({
    name: imageName,
    digest: z.string(),
    sizeBytes: bytes,
    files: count,
  }),
  'image.ls': z.strictObject({ images: z.array(adminImage) }),
  'image.rm': z.strictObject({ name: imageName, removed: z.literal(true) }),
  /** Newest first. */
  logins: z.strictObject({ logins: z.array(adminLogin) }),
} satisfies Record<AdminVerb, z.ZodType>;
export type AdminResult<Verb extends AdminVerb> = z.infer<(typeof adminResults)[Verb]>;

// ---- answers ----

/** What a long verb has done so far; every field but `step` is there when it is known. */
export const adminProgress = z.strictObject({
  step: z.string(),
  files: count.optional(),
  bytes: bytes.optional(),
  totalBytes: bytes.optional(),
});
export type AdminProgress = z.infer<typeof adminProgress>;

export const adminError = z.strictObject({
  /** A permanent code of the error catalogue, e.g. E_NOT_FOUND. */
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  /** The sysexits status that dockershctl ends with. */
  exitCode: z.int().min(1).max(255),
});
export type AdminError = z.infer<typeof adminError>;

/** One line from the daemon. `result` is checked in a second step, against `adminResults[verb]`. */
export const adminAnswer = z.union([
  z.strictObject({ progress: adminProgress }),
  z.strictObject({ ok: z.literal(true), result: z.unknown() }),
  z.strictObject({ ok: z.literal(false), error: adminError }),
]);
export type AdminAnswer = z.infer<typeof adminAnswer>;
