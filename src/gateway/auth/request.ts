// Reads a client's request to be authenticated (RFC 4252, sections 5, 7 and 8; RFC 4256). Pure.

import { message } from '../ssh/numbers.ts';
import { ProtocolError, Reader } from '../ssh/reader.ts';
import { withLength } from '../ssh/writer.ts';

interface Common {
  /** The account's name, one character for each byte. */
  readonly user: string;
}

export type AuthRequest = Common &
  (
    | { readonly method: 'none' | 'keyboard-interactive' | 'other' }
    | { readonly method: 'password'; readonly password: Buffer }
    | {
        readonly method: 'publickey';
        readonly algorithm: string;
        readonly key: Buffer;
        /** Absent: the client only asks whether the key would do. */
        readonly signed?: { readonly signature: Buffer; readonly data: Buffer };
      }
  );

/** Longer ones are nobody's; monitor and daemon would refuse them as well. */
const longestUser = 256;

/** Names the host key as well (OpenSSH's PROTOCOL, section 3.1), which the monitor compares: agents keep keys to hosts by it. */
const hostBound = 'publickey-hostbound-v00@openssh.com';

function publicKeyRequest(
  user: string,
  payload: Buffer,
  reader: Reader,
  { sessionId, bound }: { sessionId: Buffer; bound: boolean },
): AuthRequest {
  const hasSignature = reader.boolean();
  const algorithm = reader.name();
  const key = reader.string();
  if (bound) reader.string();
  if (!hasSignature) return { user, method: 'publickey', algorithm, key };
  const data = Buffer.concat([withLength(sessionId), payload.subarray(0, reader.at)]);
  return { user, method: 'publickey', algorithm, key, signed: { signature: reader.string(), data } };
}

export function authRequestOf(payload: Buffer, sessionId: Buffer): AuthRequest {
  const reader = new Reader(payload, 1);
  const user = reader.byteString();
  if (user.length > longestUser) throw new ProtocolError('a user name is too long');
  if (reader.name() !== 'ssh-connection') throw new ProtocolError('a service that there is none of', 7);
  const method = reader.name();
  switch (method) {
    case 'none':
    case 'keyboard-interactive':
      return { user, method };
    case 'password': {
      // A new password may follow; it is not changed here, as sshd does not either: PAM asks for one in its own words.
      reader.boolean();
      return { user, method, password: reader.string() };
    }
    case 'publickey':
    case hostBound:
      return publicKeyRequest(user, payload, reader, { sessionId, bound: method === hostBound });
    default:
      return { user, method: 'other' };
  }
}

/** More than any PAM module asks at once. */
const mostAnswers = 64;

export function answersOf(payload: Buffer): readonly Buffer[] {
  if (payload[0] !== message.userauthInfoResponse) throw new ProtocolError('no answers');
  const reader = new Reader(payload, 1);
  const count = reader.u32();
  if (count > mostAnswers) throw new ProtocolError('too many answers');
  return Array.from({ length: count }, () => reader.string());
}
