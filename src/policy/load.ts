// Reads the policy file for dockershd (root) and for "dockershctl policy check". The file decides what users
// may do, so nobody but root may be able to change it.

import { errorCatalogue } from '../lib/errors.ts';
import { readTrustedFile, type TrustOptions } from '../lib/trusted-path.ts';
import { type ParsedPolicy, parsePolicy } from './parse.ts';

/** Far above any policy a person maintains; keeps a wrong --config from being read into memory. */
const largestPolicyBytes = 1024 * 1024;

/** A file that is missing or that others can change is a problem of line 0, with its code. */
export async function loadPolicyFile(file: string, options: TrustOptions = {}): Promise<ParsedPolicy> {
  const read = await readTrustedFile(file, largestPolicyBytes, options);
  if (read.ok) return parsePolicy(read.text, file);
  const code = read.code ?? 'E_POLICY_INVALID';
  const { hint } = errorCatalogue[code];
  const message = read.path === file ? read.reason : `${read.path} ${read.reason}`;
  return { problems: [{ severity: 'error', file, line: 0, message, hint, code }] };
}
