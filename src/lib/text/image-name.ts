// Names of images, as docker and the OCI distribution specification write references:
// [registry[:port]/]path[:tag][@algorithm:hex]. Pure.

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const domainLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const domain = `${domainLabel}(?:\\.${domainLabel})*(?::[0-9]{1,5})?`;
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
