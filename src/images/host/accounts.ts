// Lists the accounts that the image `host` knows: those of the system, never other people's. Text in, text out; pure.

/** Accounts of people begin here (login.defs(5), UID_MIN). */
const firstPersonId = 1000;
/** "nobody", which the kernel shows for ids that a sandbox does not map. */
const overflowId = 65534;

/** Whether it is the id of an account of the system, not of a person. */
export function isSystemId(text: string | undefined): boolean {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return false;
  const id = Number(text);
  return id < firstPersonId || id === overflowId;
}

/** passwd(5): the entries of system accounts, with no word about passwords. */
export function systemPasswd(text: string): string {
  return lines(text)
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 7 && isSystemId(fields[2]))
    .map(([name, , uid, gid, gecos, home, shell]) => [name, 'x', uid, gid, gecos, home, shell].join(':'))
    .map((line) => `${line}\n`)
    .join('');
}

/** group(5): the system's groups, without their members, who are people. */
export function systemGroup(text: string): string {
  return lines(text)
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 4 && isSystemId(fields[2]))
    .map(([name, , gid]) => `${name}:x:${gid}:\n`)
    .join('');
}

function lines(text: string): string[] {
  // "+" and "-" lines ask for NIS, which a sandbox has not.
  return text.split('\n').filter((line) => line !== '' && !/^[+\-#]/.test(line));
}
