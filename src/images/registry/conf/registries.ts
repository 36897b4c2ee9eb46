// Reads what containers' registries.conf says of registries (containers-registries.conf(5), version 2): other places for
// names, mirrors, which ones are blocked, which may be spoken to without TLS, and what short names mean. Read anew for
// every pull.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import * as z from 'zod';
import { DockershError, hasErrno } from '../../../lib/errors.ts';
import { readTrustedFile } from '../../../lib/trusted-path.ts';
import type { RegistryOptions } from '../options.ts';
import type { RemoteName } from '../remote-name.ts';
import type { ShortNames } from './short-names.ts';

const mirror = z.looseObject({
  location: z.string().min(1),
  insecure: z.boolean().default(false),
  'pull-from-mirror': z.enum(['all', 'digest-only', 'tag-only']).default('all'),
});
const rule = z.looseObject({
  prefix: z.string().optional(),
  location: z.string().optional(),
  insecure: z.boolean().default(false),
  blocked: z.boolean().default(false),
  'mirror-by-digest-only': z.boolean().default(false),
  mirror: z.array(mirror).default([]),
});
export type RegistryRule = z.infer<typeof rule> & { readonly file: string };
const registriesFile = z.looseObject({
  registry: z.array(rule).default([]),
  'unqualified-search-registries': z.array(z.string().min(1)).optional(),
  aliases: z.record(z.string(), z.string()).default({}),
  // Where version 1 had what is blocked, among others.
  registries: z.never({ error: 'this is version 1 of the format, and only version 2 is read' }).optional(),
});

const maxBytes = 1024 * 1024;

export interface Registries {
  readonly rules: readonly RegistryRule[];
  readonly shortNames: ShortNames;
}

/** Of the file and the folder beside it (FILE.d); what a later one says of the same counts. Throws E_USAGE, E_UNTRUSTED_PATH. */
export async function readRegistries(
  options: Pick<RegistryOptions, 'registriesFile' | 'trustedUids'>,
): Promise<Registries> {
  const { registriesFile: main } = options;
  const rules = new Map<string, RegistryRule>();
  const aliases = new Map<string, string>();
  let search: readonly string[] = [];
  for (const file of main === undefined ? [] : [main, ...(await filesIn(`${main}.d`))]) {
    const read = await readFile(file, options);
    if (read === undefined) continue;
    for (const one of read.registry) rules.set(one.prefix ?? one.location ?? '', { ...one, file });
    for (const [name, place] of Object.entries(read.aliases)) aliases.set(name, place);
    search = read['unqualified-search-registries'] ?? search;
  }
  // An empty one takes an earlier file's away.
  for (const [name, place] of aliases) if (place === '') aliases.delete(name);
  return { rules: [...rules.values()], shortNames: { aliases, search } };
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.conf')).sort();
    return names.map((name) => path.join(folder, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

async function readFile(
  file: string,
  { trustedUids }: Pick<RegistryOptions, 'trustedUids'>,
): Promise<z.infer<typeof registriesFile> | undefined> {
  const read = await readTrustedFile(file, maxBytes, trustedUids === undefined ? {} : { trustedUids });
  if (!read.ok) {
    if (read.code === 'E_NOT_FOUND') return undefined;
    throw new DockershError(read.code ?? 'E_USAGE', { what: read.path, why: read.reason });
  }
  try {
    return registriesFile.parse(parseToml(read.text));
  } catch (error) {
    if (!(error instanceof TomlError || error instanceof z.ZodError)) throw error;
    const why = error instanceof TomlError ? problemOf(error) : issueOf(error);
    const hint = 'Mend the file: what it says is not guessed, because it may forbid something.';
    throw new DockershError('E_USAGE', { what: file, why, hint, cause: error });
  }
}

/** Without the lines of the file that the message quotes. */
function problemOf({ line, message }: TomlError): string {
  return `line ${line}: ${message.split('\n', 1)[0] ?? ''}`;
}

function issueOf({ issues: [first] }: z.ZodError): string {
  return `${first?.path.join('.') ?? ''}: ${first?.message ?? ''}`;
}

/** The rule with the longest prefix of a name. */
export function ruleFor(rules: readonly RegistryRule[], name: RemoteName): RegistryRule | undefined {
  const fitting = rules.filter((one) => isPrefix(prefixOf(one), name));
  return fitting.sort((one, other) => prefixOf(other).length - prefixOf(one).length)[0];
}

function prefixOf({ prefix, location }: RegistryRule): string {
  return prefix === undefined || prefix === '' ? (location ?? '') : prefix;
}

function isPrefix(prefix: string, { registry, repository, tag, digest }: RemoteName): boolean {
  if (prefix.startsWith('*.')) return registry.replace(/:\d+$/, '').endsWith(prefix.slice(1));
  const whole = `${registry}/${repository}`;
  if (prefix === `${whole}:${tag ?? 'latest'}` || prefix === `${whole}@${digest}`) return true;
  return prefix !== '' && (whole === prefix || whole.startsWith(`${prefix}/`));
}

export interface Place {
  readonly name: RemoteName;
  /** Without TLS where it has none. */
  readonly insecure: boolean;
}

/** Where to ask for a name by a rule, in order: mirrors, then the place itself, which is the last. */
export function placesOf(found: RegistryRule, name: RemoteName): readonly Place[] {
  const byDigest = name.digest !== undefined;
  const mirrors = found.mirror.filter((one) => {
    const wanted = found['mirror-by-digest-only'] ? 'digest-only' : one['pull-from-mirror'];
    return wanted === 'all' || (wanted === 'digest-only') === byDigest;
  });
  const prefix = prefixOf(found);
  const moved = (location: string | undefined): RemoteName =>
    location === undefined || location === '' || prefix.startsWith('*.')
      ? name
      : movedTo(name, prefix, location);
  return [
    ...mirrors.map(({ location, insecure }) => ({ name: movedTo(name, prefix, location), insecure })),
    { name: moved(found.location), insecure: found.insecure },
  ];
}

/** What follows the prefix, below another place. */
function movedTo(name: RemoteName, prefix: string, location: string): RemoteName {
  const whole = `${name.registry}/${name.repository}`;
  const rest = prefix.startsWith('*.') ? `/${name.repository}` : whole.slice(prefix.length);
  const [registry = '', ...path] = `${location}${rest}`.split('/');
  return { ...name, registry, repository: path.join('/') };
}
