// Names of images, as docker and the OCI distribution specification write references:
// [registry[:port]/]path[:tag][@algorithm:hex]. Pure.

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const domainLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const address = '\\[[0-9A-Fa-f:.]{2,45}\\]';
const domain = `(?:${address}|${domainLabel}(?:\\.${domainLabel})*)(?::[0-9]{1,5})?`;
const pattern = new RegExp(
  `^((?:${domain}/)?${component}(?:/${component})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@([a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,128}))?$`,
);

/** Longest name part (without tag and digest) that registries accept. */
const maxNameLength = 255;

/** The image that is always there: the host's own files, read-only. */
export const hostImageName = 'host';

export interface ImageName {
  /** "registry.example:5000/lab/base". */
  readonly name: string;
  readonly tag: string | undefined;
  /** "sha256:…". */
  readonly digest: string | undefined;
}

/** The parts of an image's name, or undefined when the text is no such name. */
export function parseImageName(text: string): ImageName | undefined {
  // Longer text than the longest valid reference is not worth a regular expression's time.
  if (text.length > maxNameLength + 1 + 128 + 1 + 160) return undefined;
  const match = pattern.exec(text);
  if (match?.[1] === undefined || match[1].length > maxNameLength) return undefined;
  return { name: match[1], tag: match[2], digest: match[3] };
}

export const dockerHub = 'docker.io';
const dockerHubAliases = new Set([dockerHub, 'index.docker.io', 'registry-1.docker.io']);

/**
 * Where a name lies, by docker's rules (distribution/reference): a first component with a dot or a port, or "localhost", is
 * a registry; everything else lies in the default registry, on Docker Hub below library/ when it is one word.
 */
export function placeOf(name: string, defaultRegistry: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const named = /[.:A-Z]/.test(first) || first === 'localhost';
  const registry = canonicalRegistry(named ? first : defaultRegistry);
  const path = named ? name.slice(slash + 1) : name;
  const repository = registry === dockerHub && !path.includes('/') ? `library/${path}` : path;
  return { registry, repository };
}

function canonicalRegistry(registry: string): string {
  const name = registry.toLowerCase();
  return dockerHubAliases.has(name) ? dockerHub : name;
}

/** The one name of all that mean the same: "docker.io/library/debian:latest" of "debian". Undefined: it is no name. */
export function wholeImageName(text: string, defaultRegistry: string = dockerHub): string | undefined {
  const parsed = parseImageName(text);
  if (parsed === undefined) return undefined;
  if (parsed.name === hostImageName) return text;
  const { registry, repository } = placeOf(parsed.name, defaultRegistry);
  const digest = parsed.digest === undefined ? '' : `@${parsed.digest}`;
  const tag = parsed.tag ?? (digest === '' ? 'latest' : undefined);
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest}`;
}

/** All the ways to write a name that mean the same, for comparing with what somebody else has written. */
export function imageSpellings(text: string, defaultRegistry: string = dockerHub): string[] {
  const parsed = parseImageName(text);
  if (parsed === undefined || parsed.name === hostImageName) return [text];
  const { registry, repository } = placeOf(parsed.name, defaultRegistry);
  const isHub = registry === dockerHub;
  const short = isHub && repository.startsWith('library/') ? repository.slice('library/'.length) : undefined;
  const paths = [repository, ...(short === undefined || short.includes('/') ? [] : [short])];
  const registries = isHub ? [...dockerHubAliases] : [registry];
  const isDefault = registry === canonicalRegistry(defaultRegistry);
  const names = paths.flatMap((path) => [
    ...registries.map((one) => `${one}/${path}`),
    ...(isDefault ? [path] : []),
  ]);
  const { tag, digest } = parsed;
  const ends =
    digest === undefined ? endsOf(tag) : [`@${digest}`, ...(tag === undefined ? [] : [`:${tag}@${digest}`])];
  return [...new Set([text, ...names.flatMap((name) => ends.map((end) => `${name}${end}`))])];
}

function endsOf(tag: string | undefined): string[] {
  return tag === undefined || tag === 'latest' ? ['', ':latest'] : [`:${tag}`];
}

/** Whether two names mean the same image. */
export function isSameImage(one: string, other: string, defaultRegistry: string = dockerHub): boolean {
  if (one === other) return true;
  const whole = wholeImageName(one, defaultRegistry);
  return whole !== undefined && whole === wholeImageName(other, defaultRegistry);
}

/** Whether a text finds an image by what it is, whatever else it says: by a digest, or the beginning of one. */
export function findsByContent(text: string): boolean {
  const parsed = parseImageName(text);
  if (parsed === undefined) return false;
  const id = parsed.tag === undefined ? parsed.name : parsed.name === 'sha256' ? parsed.tag : '';
  return parsed.digest !== undefined || /^[0-9a-f]{6,64}$/.test(id);
}
