// Writes the description of a connection that "sshd -T -C" is asked about (sshd(8)). Every attribute is given: sshd refuses to
// guess one that a Match asks for. Pure.

/** RFC 5737: nobody's, so that no rule for the host's own networks counts. */
export const nobodysAddress = '192.0.2.1';

/** `from`: an address, or a name. Undefined: sshd splits the list at commas, and nothing in it can have one of its own. */
export function connectionText(user: string, from: string): string | undefined {
  if (/[,\n\0]/.test(user + from)) return undefined;
  const address = /^[\d.:a-f]+$/i.test(from) ? from : nobodysAddress;
  return `user=${user},host=${from},addr=${address},laddr=${nobodysAddress},lport=22,rdomain=`;
}
