// One user's effective policy: [user:NAME] over [defaults] over the built-in defaults. Pure.

import type { EffectivePolicy, Evaluation, Origin, Policy, SectionPolicy } from './policy.ts';
import { type PolicyKey, type PolicySection, policyKeys, required } from './schema.ts';

function originOf(key: PolicyKey, file: string, sections: readonly SectionPolicy[]): Origin {
  for (const section of sections) {
    const line = section.lines.get(key);
    if (line !== undefined) return { kind: 'file', file, line, section: section.name };
  }
  return { kind: 'default' };
}

/** `userName` as the system's user database writes it; compared letter by letter. */
export function evaluate(policy: Policy, userName: string): Evaluation {
  const sections = [policy.users.get(userName), policy.defaults].filter((section) => section !== undefined);
  const values: PolicySection = { ...policy.builtin };
  for (const section of sections.toReversed()) Object.assign(values, section.values);
  if (values.image === undefined) return { kind: 'refused', code: 'E_NO_POLICY' };

  const origins = Object.fromEntries(
    policyKeys.map((key) => [key, originOf(key, policy.file, sections)]),
  ) as EffectivePolicy['origins'];
  return {
    kind: 'ok',
    policy: {
      image: values.image,
      onImageChange: required(values.on_image_change, 'on_image_change'),
      ...(values.shell === undefined ? {} : { shell: values.shell }),
      imageUser: required(values.image_user, 'image_user'),
      memoryBytes: required(values.memory, 'memory'),
      cpus: required(values.cpus, 'cpus'),
      pids: required(values.pids, 'pids'),
      tmpBytes: required(values.tmp_size, 'tmp_size'),
      home: required(values.home, 'home'),
      network: required(values.network, 'network'),
      lingerMs: required(values.linger, 'linger'),
      background: required(values.background, 'background'),
      hangupGraceMs: required(values.hangup_grace, 'hangup_grace'),
      stopGraceMs: required(values.stop_grace, 'stop_grace'),
      origins,
    },
  };
}
