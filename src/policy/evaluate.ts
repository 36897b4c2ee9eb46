// Works out one user's effective policy. Pure; remembered by its caller, so its own speed matters little.

import { hostImageName } from '../lib/text/image-name.ts';
import { limitsFrom } from '../limits/limits.ts';
import type { Subject } from './expand.ts';
import type { EffectivePolicy, Evaluation, Policy, SectionPolicy } from './policy.ts';
import { sectionsInOrder, textOf } from './precedence.ts';
import { checkPolicyValue, type PolicyKey, type PolicySection, required } from './schema.ts';

/** What all variables of the policy may take together: the rest of a session's message is the login's. */
const longestEnvironment = 16 * 1024;

export type Values =
  | { readonly ok: true; readonly values: PolicySection; readonly env: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly why: string };

/** The values of all keys, and the variables. */
export function valuesOf(policy: Policy, subject: Subject, own: readonly SectionPolicy[] = []): Values {
  const sections = sectionsInOrder(policy, subject, own);
  const values: PolicySection = { ...policy.builtin };
  const dependent = new Set<PolicyKey>();
  const env = new Map<string, string>();
  for (const section of sections) {
    Object.assign(values, section.values);
    for (const key of section.dependent) dependent.add(key);
    for (const [name, { text }] of section.env) env.set(name, `${name}=${text}`);
  }
  for (const key of dependent) {
    const value = dependentValue(sections, key, subject);
    if (!value.ok) return { ok: false, why: `${key} ${value.problem}` };
    Object.assign(values, { [key]: value.value });
  }
  return { ok: true, values, env };
}

export function evaluate(policy: Policy, subject: Subject, own: readonly SectionPolicy[] = []): Evaluation {
  const found = valuesOf(policy, subject, own);
  if (!found.ok) return unfit(found.why);
  const { values, env } = found;
  // Who is exempt needs none: nothing is started from it.
  const image = values.image ?? (values.exempt === 'yes' ? hostImageName : undefined);
  if (image === undefined)
    return { kind: 'refused', code: 'E_NO_POLICY', why: `the policy names no image for ${subject.name}` };
  const environment = [...env.values()];
  if (environment.reduce((bytes, entry) => bytes + Buffer.byteLength(entry), 0) > longestEnvironment)
    return unfit(`the variables (env.NAME) take more than ${longestEnvironment} bytes`);
  return { kind: 'ok', policy: effective(values, image, environment) };
}

/** Values that differ from user to user were accepted for a sample; here they may turn out not to fit. */
export function dependentValue(
  sections: readonly SectionPolicy[],
  key: PolicyKey,
  subject: Subject,
): ReturnType<typeof checkPolicyValue> {
  const text = textOf(sections, key, subject);
  if (text === undefined || !text.ok) return { ok: false, problem: text?.problem ?? 'is not set' };
  const checked = checkPolicyValue(key, text.text);
  return checked.ok ? checked : { ok: false, problem: `comes to "${text.text}", which ${checked.problem}` };
}

const unfit = (why: string): Evaluation => ({ kind: 'refused', code: 'E_POLICY_UNFIT', why });

function effective(values: PolicySection, image: string, env: readonly string[]): EffectivePolicy {
  return {
    image,
    rescue: required(values.rescue, 'rescue'),
    exempt: required(values.exempt, 'exempt'),
    onImageChange: required(values.on_image_change, 'on_image_change'),
    ...(values.shell === undefined ? {} : { shell: values.shell }),
    imageUser: required(values.image_user, 'image_user'),
    ...limitsFrom((key) => required(values[key], key)),
    diskBytes: required(values.disk, 'disk'),
    inodes: required(values.inodes, 'inodes'),
    diskBackend: required(values.disk_backend, 'disk_backend'),
    strict: required(values.strict, 'strict') === 'yes',
    tmpBytes: required(values.tmp_size, 'tmp_size'),
    home: required(values.home, 'home'),
    homeRoot: required(values.home_root, 'home_root'),
    network: required(values.network, 'network'),
    lingerMs: required(values.linger, 'linger'),
    background: required(values.background, 'background'),
    hangupGraceMs: required(values.hangup_grace, 'hangup_grace'),
    stopGraceMs: required(values.stop_grace, 'stop_grace'),
    shmBytes: required(values.shm_size, 'shm_size'),
    ...(values.hostname === undefined ? {} : { hostname: values.hostname }),
    mounts: required(values.mounts, 'mounts'),
    devices: required(values.devices, 'devices'),
    root: required(values.root, 'root'),
    nesting: required(values.nesting, 'nesting'),
    seccomp: required(values.seccomp, 'seccomp'),
    seccompWiden: required(values.seccomp_widen, 'seccomp_widen'),
    socketcall: required(values.socketcall, 'socketcall'),
    umask: required(values.umask, 'umask'),
    nice: required(values.nice, 'nice') ?? 0,
    ...(values.timezone === undefined ? {} : { timezone: values.timezone }),
    openFiles: required(values.open_files, 'open_files'),
    fileSizeBytes: required(values.file_size, 'file_size'),
    lockedBytes: required(values.locked_memory, 'locked_memory'),
    stackBytes: required(values.stack_size, 'stack_size'),
    processTimeMs: required(values.process_time, 'process_time'),
    mostSessions: required(values.sessions, 'sessions'),
    loginRate: required(values.login_rate, 'login_rate'),
    sessionTimeMs: required(values.session_time, 'session_time'),
    idleTimeMs: required(values.idle_time, 'idle_time'),
    banner: required(values.banner, 'banner'),
    maintenance: required(values.maintenance, 'maintenance'),
    userMaySet: required(values.user_may_set, 'user_may_set'),
    imagesAllowed: required(values.images_allowed, 'images_allowed'),
    env,
  };
}
