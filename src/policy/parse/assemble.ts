// Puts the files of a policy together: the main one, then those of conf.d by name. Pure.

import { gatewayPolicy, hostPolicy, imagesPolicy } from '../effective.ts';
import type { NamedPolicy, Policy, SectionPolicy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { builtinDefaults, type GatewaySection, type HostSection, type ImagesSection } from '../schema.ts';
import { webFault } from '../values/web-page.ts';
import type { ParsedFile } from './file.ts';

export interface ParsedPolicy {
  /** Absent when there is any error. */
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
}

/** `main` names the policy; `files` are in the order in which they count. */
export function assemble(files: readonly ParsedFile[], main: string): ParsedPolicy {
  const problems: Problem[] = files.flatMap((file) => file.problems);
  if (problems.some((problem) => problem.severity === 'error')) return { problems };
  const policy = policyOf(files, main);
  const fault = webFault(policy.gateway);
  if (fault !== undefined)
    return { problems: [...problems, { severity: 'error', file: main, line: 0, ...fault }] };
  if (!setsImage(policy)) {
    const message = 'no section sets an image: nobody can log in';
    problems.push({ severity: 'warning', file: main, line: 0, message, hint: 'set image in [defaults]' });
  }
  return { policy, problems };
}

function policyOf(files: readonly ParsedFile[], main: string): Policy {
  const defaults: SectionPolicy[] = [];
  const imageSections: NamedPolicy[] = [];
  const groups: NamedPolicy[] = [];
  const userGlobs: NamedPolicy[] = [];
  const users = new Map<string, SectionPolicy[]>();
  const lists = { group: groups, image: imageSections };
  for (const { header, section } of files.flatMap((file) => file.sections)) {
    if (header.kind === 'defaults') defaults.push(section);
    else if (header.kind === 'group' || header.kind === 'image')
      lists[header.kind].push({ names: header.names, section });
    else if (header.kind === 'user') {
      const { exact, globs } = header.names;
      if (globs.length > 0) userGlobs.push({ names: header.names, section });
      for (const name of new Set(exact)) {
        const before = users.get(name);
        if (before === undefined) users.set(name, [section]);
        else before.push(section);
      }
    }
  }
  return {
    file: main,
    files: files.map(({ file }) => file),
    builtin: builtinDefaults(),
    defaults,
    imageSections,
    groups,
    userGlobs,
    users,
    images: imagesPolicy(Object.assign({}, ...files.map(({ images }) => images)) as ImagesSection),
    host: hostPolicy(Object.assign({}, ...files.map(({ host }) => host)) as HostSection),
    gateway: gatewayPolicy(Object.assign({}, ...files.map(({ gateway }) => gateway)) as GatewaySection),
  };
}

function setsImage({ defaults, groups, userGlobs, users }: Policy): boolean {
  const named = [...groups, ...userGlobs].map(({ section }) => section);
  return [...defaults, ...named, ...[...users.values()].flat()].some(({ settings }) => settings.has('image'));
}

/** A policy that gives nobody anything. */
export function emptyPolicy(file: string): Policy {
  const { policy } = assemble([], file);
  if (policy === undefined) throw new Error('an empty policy is a policy');
  return policy;
}
