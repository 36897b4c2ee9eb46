// The one catalogue of failures. A code is permanent: logs, scripts and documentation refer to it. Pure.

/** Exit status of the login path for every failure of our own (a command's own status is never this by us). */
export const LOGIN_FAILURE_EXIT = 125;

/** sysexits(3h) values that administrators' commands exit with. */
export const sysexits = {
  usage: 64,
  dataErr: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  osErr: 71,
  cantCreate: 73,
  ioErr: 74,
  tempFail: 75,
  protocol: 76,
  noPerm: 77,
  config: 78,
} as const;

interface CatalogueEntry {
  /** `login`: met by a person who logs in. `admin`: met by dockershctl or at the daemon's start. */
  readonly audience: 'login' | 'admin';
  /** 125 on the login path, a sysexits value elsewhere. */
  readonly exitCode: number;
  /** What failed, for a user: no host path, no detail. A clause, of which a sentence is made. */
  readonly message: string;
  /** What to do about it, for whom `audience` names. */
  readonly hint: string;
  /** What root is told to do about it. */
  readonly adminHint: string;
}

const login = (message: string, hint: string, adminHint: string): CatalogueEntry => ({
  audience: 'login',
  exitCode: LOGIN_FAILURE_EXIT,
  message,
  hint,
  adminHint,
});
const admin = (exitCode: number, message: string, hint: string): CatalogueEntry => ({
  audience: 'admin',
  exitCode,
  message,
  hint,
  adminHint: hint,
});

const askAdmin = 'Ask the administrator of this host';
const seeLog = 'The log of dockershd has the reason: "journalctl -u dockershd", or "dockershctl doctor".';

export const errorCatalogue = {
  E_NO_POLICY: login(
    'this account has no sandbox, because the policy names no image for it',
    `${askAdmin} to give the account an image.`,
    'Set "image" in [defaults], or in a section for the user or one of their groups.',
  ),
  E_POLICY_UNFIT: login(
    'a setting of the policy has a value for this account that is not accepted',
    `${askAdmin} to correct the setting.`,
    'Run "dockershctl policy explain USER": it names the setting.',
  ),
  E_POLICY_BROKEN: login(
    'the policy of this host is broken, so nobody can log in',
    `${askAdmin} to correct it.`,
    'Run "dockershctl policy check" and correct what it names.',
  ),
  E_EXEMPT: login(
    'the policy gives this account no sandbox, and there is nothing else to log in to here',
    'Log in by the sshd of this host, or ask its administrator.',
    'An account with "exempt = yes" comes in by sshd alone.',
  ),
  E_ROOT_LOGIN: login(
    'root cannot have a sandbox',
    'Log in as another user.',
    'Give root an ordinary login shell: dockersh is for the other accounts.',
  ),
  E_UID_RANGE: login(
    'the user id of this account is outside the range that sandboxes support',
    `${askAdmin} for an account with another user id.`,
    'Give the account another user id.',
  ),
  E_IMAGE_MISSING: login(
    'the image of this sandbox is not on this host',
    `${askAdmin} to import the image.`,
    'Run "dockershctl image pull" or "dockershctl image import" to fetch it.',
  ),
  E_OWNER: login(
    'what this host keeps under the user id of this account belongs to another account',
    `${askAdmin} to clear this up.`,
    'Run "dockershctl user ls" to see whose it is, then "dockershctl user forget" or "dockershctl user rename".',
  ),
  E_IMAGE_BROKEN: login(
    'the image of this sandbox is damaged or incomplete',
    `${askAdmin} to import the image again.`,
    'Run "dockershctl image verify" to see what is damaged, and pull or import the image again.',
  ),
  E_IMAGE_UNTRUSTED: login(
    'the image of this sandbox is not one that this host trusts',
    `${askAdmin} to have the image signed, or to give this account another one.`,
    'Pull the image again once it is signed with a key that "images_trusted" names for it (docs/images.md, "Only what is trusted runs").',
  ),
  E_DISK_FULL: login(
    'the disk is full',
    'Delete files that you no longer need, or ask the administrator of this host for more space.',
    'Free some space, or raise the limit "disk" where the disk of one user is full.',
  ),
  E_DISK_BROKEN: login(
    'the disk of this sandbox is damaged',
    `${askAdmin} to repair it.`,
    'The log of dockershd names the file and the command that repairs it.',
  ),
  E_LIMIT_REFUSED: login(
    'this host cannot enforce the limits of this sandbox',
    `${askAdmin} to mend that.`,
    'Run "dockershctl doctor": it names the limits that this host cannot enforce, and what is missing for them.',
  ),
  E_MOUNT: login(
    'a folder of the host that belongs in this sandbox cannot be mounted',
    `${askAdmin} to correct "mounts" in the policy.`,
    'Correct "mounts" in the policy: the log of dockershd names the folder and the reason.',
  ),
  E_NETWORK: login(
    'the sandbox could not get its network',
    `${askAdmin}.`,
    `${seeLog} "network = none" gives a sandbox without one.`,
  ),
  E_PORT: login(
    'a port that this sandbox publishes is taken on this host',
    `${askAdmin}, or publish another one.`,
    'End what holds the port, or correct "publish" or "mosh_ports": the log of dockershd names it.',
  ),
  E_DEVICE: login(
    'a device of the host that belongs in this sandbox is not available',
    `${askAdmin} to correct "devices" in the policy.`,
    'Correct "devices" in the policy: the log of dockershd names the device and the reason.',
  ),
  E_SECCOMP: login(
    'the system call filter of this sandbox cannot be made',
    `${askAdmin} to correct "seccomp" in the policy.`,
    'Run "dockershctl policy check": it names the profile and what is wrong with it.',
  ),
  E_HOME: login(
    'the home folder of this sandbox is not where it should be; nothing in it has been changed',
    `${askAdmin} to put it back.`,
    'The log of dockershd says where the home was looked for, and how to move it there.',
  ),
  E_SANDBOX_START: login(
    'the sandbox could not be started',
    'Try again. If it fails again, ask the administrator of this host.',
    seeLog,
  ),
  E_SESSION_START: login(
    'the session could not be started',
    'Try again. If it fails again, ask the administrator of this host.',
    seeLog,
  ),
  E_TOO_LARGE: login(
    'the command and variables of this login are too large',
    "Give a shorter command, or send fewer variables (SendEnv of ssh). If the image's variables are too large, ask the administrator.",
    'Give a shorter command. If the variables of the image are too large, import an image with fewer of them (Env).',
  ),
  E_STOPPING: login(
    'the sandbox is being stopped',
    'Log in again in a few seconds.',
    'Try again in a few seconds.',
  ),
  E_BUSY: login(
    'too many logins are under way at once',
    'Log in again in a few seconds.',
    'Try again in a few seconds.',
  ),
  E_SESSIONS: login(
    'you have as many sessions as you may have at a time',
    'End one of them first, or ask the administrator of this host for more.',
    'End one of the sessions first ("dockershctl ps"), or raise "sessions" in the policy.',
  ),
  E_PROCESSES: login(
    'your sandbox has as many processes as it may have',
    'End some of them, or ask the administrator of this host to stop the sandbox.',
    'End some of them, stop the sandbox ("dockershctl stop"), or raise "pids" in the policy.',
  ),
  E_AUDIT: login(
    'this host records every login, and at present it cannot',
    'Try again later, or tell the administrator of this host.',
    'Free some space where the audit trail is (/var/log/dockersh), or set "audit = yes" in [host], which lets logins go on without it.',
  ),
  E_UNRECORDED: login(
    'this host records sessions at a terminal, and at present there is no room for a recording',
    'Try again later, or tell the administrator of this host.',
    'Free some space where recordings are (/var/log/dockersh/recordings), remove old ones ("dockershctl recordings rm"), or raise "record_total".',
  ),
  E_WATCH: login(
    'the session cannot be shown',
    'Ask the administrator of this host.',
    'Set "watch" in the policy: it applies to sessions that begin afterwards. "dockershctl ps" lists sessions.',
  ),
  E_STUCK: login(
    'processes of earlier logins hang and cannot be ended',
    'They wait for files or sockets that were passed in at a login. End the programs at the other end of these, or ask the administrator of this host.',
    'They wait for files or sockets that were passed in at a login. End the programs at the other end of these.',
  ),
  E_FULL: login(
    'this host has no room for more sandboxes or sessions now',
    'Log in again later.',
    'Run "dockershctl stats" to see who uses what, or raise the bounds in [host] of the policy.',
  ),
  E_LOGIN_RATE: login(
    'too many logins in a short time',
    'Wait a little before you log in again.',
    'Wait a little, or raise "login_rate" in the policy.',
  ),
  E_SFTP_OUTSIDE: login(
    'the sshd of this host would show files of the host by sftp (internal-sftp), so no connection is let in',
    `${askAdmin} to have sftp run in the sandbox.`,
    'Write "Subsystem sftp /usr/lib/openssh/sftp-server" in sshd_config, with no "ForceCommand internal-sftp", and reload sshd.',
  ),
  E_MAINTENANCE: login(
    'logins are closed for maintenance',
    'Log in again later.',
    'Run "dockershctl maintenance off" to open them.',
  ),
  E_SELF_SERVICE: login(
    'the policy of this host does not let you do this',
    'Say "@help": it lists what you may do.',
    'Set "self_service" for the user, and whatever else the word needs (docs/policy.md).',
  ),
  E_DAEMON_DOWN: login(
    'the sandbox service is not running',
    `${askAdmin} to start dockershd.`,
    'Start dockershd: "systemctl start dockershd", and "systemctl status dockershd" if it fails.',
  ),
  E_KERNEL: login(
    'the kernel of this host lacks something that sandboxes need',
    `${askAdmin} for another kernel.`,
    'Run "dockershctl doctor": it names what the kernel lacks.',
  ),
  E_PROTOCOL: login(
    'two programs of dockersh do not understand each other',
    `${askAdmin} to install all of dockersh in one version.`,
    'Install the same version of every dockersh program, and restart dockershd.',
  ),
  E_INTERNAL: login(
    'an internal error occurred in dockersh',
    `${askAdmin} to look into the log of dockershd.`,
    seeLog,
  ),
  E_POLICY_INVALID: admin(
    sysexits.config,
    'the policy is not valid',
    'Run "dockershctl policy check" and correct what it names.',
  ),
  E_UNTRUSTED_PATH: admin(
    sysexits.noPerm,
    'a file or folder could be changed by somebody other than root',
    'Make root its owner, and let neither group nor others write to it.',
  ),
  E_USAGE: admin(sysexits.usage, 'the command line is not valid', 'Run the command with --help.'),
  E_NOT_FOUND: admin(sysexits.noInput, 'there is nothing with this name', 'Check the name.'),
  E_CANCELED: admin(
    sysexits.tempFail,
    'the operation was canceled before it was done',
    'Start it again: what it had not finished is as it was before.',
  ),
  E_MIRROR: admin(
    sysexits.unavailable,
    'the packages of the distribution cannot be fetched',
    'Check the network, the name of the suite, and the mirror (--mirror).',
  ),
  E_REGISTRY: admin(
    sysexits.unavailable,
    'the registry cannot be reached, or does not follow the protocol',
    'Check the name of the registry and the network, then try again.',
  ),
  E_REGISTRY_DENIED: admin(
    sysexits.noPerm,
    'the registry refuses access',
    'Log in with "docker login" as root, or ask whoever runs the registry for access.',
  ),
  E_RECORDING_BROKEN: admin(
    sysexits.dataErr,
    'the recording is damaged',
    'Everything before the damage has been shown. Restore the file from a backup, if there is one.',
  ),
  E_ARCHIVE_REFUSED: admin(
    sysexits.dataErr,
    'the archive or image is unsafe, or larger than this host accepts',
    'Make it again without what the message names, or raise the limit in the policy.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

/** Permanent code of a failure. */
export type ErrorCode = keyof typeof errorCatalogue;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalogue, value);
}
