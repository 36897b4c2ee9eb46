// A credential for a registry. Lives in memory for one pull or push, and in no message.

export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, that a token server exchanges for an access token. */
  | { readonly kind: 'identity'; readonly token: string };

/** The value of an Authorization header (RFC 7617). Identity tokens are for token servers alone. */
export function basicHeader(credential: Credential | undefined): string | undefined {
  if (credential?.kind !== 'password') return undefined;
  const pair = Buffer.from(`${credential.username}:${credential.password}`, 'utf8');
  return `Basic ${pair.toString('base64')}`;
}
