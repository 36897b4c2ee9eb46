// Says in a few words what has authenticated an ssh connection, from what sshd tells PAM modules (SSH_AUTH_INFO_0): keys
// as the fingerprints that ssh-keygen -l prints, certificates with their id and serial number. Pure.

import { createHash } from 'node:crypto';

/** As long as a description gets; a method that does not fit is counted. */
const mostCharacters = 120;

/** `info`: a line for each method: "publickey ssh-ed25519 AAAA…", "password", "keyboard-interactive/pam". */
export function authenticatedBy(info: Buffer | undefined): string | undefined {
  const lines = (info?.toString('latin1') ?? '').split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) return undefined;
  const [first = '', ...rest] = lines.map(methodOf);
  const fitting = rest.filter(
    (_, index) => [first, ...rest.slice(0, index + 1)].join(', ').length <= mostCharacters,
  );
  const left = rest.length - fitting.length;
  return `${[first, ...fitting].join(', ')}${left === 0 ? '' : ` and ${left} more`}`;
}

function methodOf(line: string): string {
  const [method = '', type = '', encoded = ''] = line.trim().split(/\s+/);
  const name = plain(method).slice(0, 40);
  if (type === '' || encoded === '') return name;
  const blob = Buffer.from(encoded, 'base64');
  const certificate = type.includes('-cert-') ? certificateOf(blob) : undefined;
  if (certificate === undefined) return `${name} ${fingerprint(blob)}`;
  return `${name} ${fingerprint(certificate.key)} certificate ${certificate.serial}`;
}

const plain = (text: string): string => text.replaceAll(/[^\w./@:+-]/g, '?');

function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`;
}

/** Fields of the key in a certificate, behind its nonce (PROTOCOL.certkeys of OpenSSH). */
const keyFields: Readonly<Record<string, number>> = {
  'ssh-ed25519': 1,
  'ssh-rsa': 2,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'sk-ssh-ed25519@openssh.com': 2,
  'sk-ecdsa-sha2-nistp256@openssh.com': 3,
};

/** The plain key that it is about, and its serial number; undefined where it is of a kind that is not known. */
function certificateOf(blob: Buffer): { key: Buffer; serial: bigint } | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  const next = (): Buffer | undefined => {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    const field = blob.subarray(at, end);
    at = end;
    return field;
  };
  const type = next()?.subarray(4).toString('latin1') ?? '';
  const usual = type.replace(/-cert-v\d+(@openssh\.com)$/, (_, domain: string) =>
    type.startsWith('sk-') ? domain : '',
  );
  const count = keyFields[usual];
  if (count === undefined || next() === undefined) return undefined;
  for (let index = 0; index < count; index += 1) {
    const field = next();
    if (field === undefined) return undefined;
    fields.push(field);
  }
  if (at + 8 > blob.length) return undefined;
  const name = Buffer.from(usual, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return { key: Buffer.concat([length, name, ...fields]), serial: blob.readBigUInt64BE(at) };
}
