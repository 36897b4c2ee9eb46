// Names the ways by which connections come into sandboxes: sshd with our PAM module, the gateway, and the gateway's web page. Pure.

export const connectionEntries = ['sshd', 'gateway', 'web'] as const;
export type ConnectionEntry = (typeof connectionEntries)[number];
