// Paths and scopes of the distribution API (distribution specification, "endpoints"; token authentication,
// "requesting a token"). Pure. Repositories, tags and digests have passed their grammar: no escaping needed.

export function blobPath(repository: string, kind: 'manifests' | 'blobs', reference: string): string {
  return `/v2/${repository}/${kind}/${reference}`;
}

export function referrersPath(repository: string, digest: string): string {
  return `/v2/${repository}/referrers/${digest}`;
}

export function uploadPath(repository: string, query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `/v2/${repository}/blobs/uploads/${text === '' ? '' : `?${text}`}`;
}

export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}
