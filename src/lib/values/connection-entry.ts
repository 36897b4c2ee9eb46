// Names the ways by which ssh connections come into sandboxes: sshd with our PAM module, and the gateway. Pure.

export const connectionEntries = ['sshd', 'gateway'] as const;
export type ConnectionEntry = (typeof connectionEntries)[number];
