// The headers of every answer of the web page's: nothing runs, loads or connects but what comes from this place itself. Pure.

const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const everywhere = {
  'Content-Security-Policy': contentPolicy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-cache',
} as const;

/**
 * That the host is to be reached by TLS alone counts for all its ports (RFC 6797, section 8.3): it is said where the page is the
 * host's own, at the usual port, and not where it may stand beside somebody else's.
 */
export const headersFor = (host: string): Readonly<Record<string, string>> =>
  /:\d+$/.test(host) ? everywhere : { ...everywhere, 'Strict-Transport-Security': 'max-age=31536000' };

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export const typeOf = (name: string): string =>
  types[name.split('.').at(-1) ?? ''] ?? 'text/plain; charset=utf-8';

/** A page of another place's may open a WebSocket as well, and says so (RFC 6455, section 4.1). */
export const isOwnOrigin = (origin: string | undefined, host: string | undefined): boolean =>
  host !== undefined && origin?.toLowerCase() === `https://${host.toLowerCase()}`;
