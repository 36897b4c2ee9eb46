// The keys of [host]: what all sandboxes together may take. Pure.

import type { KeySpec } from '../section-schema.ts';
import { duration, oneOf, sizeLimit, wholeNumber } from '../values/basic.ts';
import { addressPool, addressPool6 } from '../values/network.ts';
import { portPool } from '../values/ports.ts';

export const hostKeys = {
  sandboxes: {
    type: wholeNumber(1, 1_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 1, or none',
    applies: 'session',
    doc: 'Sandboxes that may run at a time. A login that would start one more has to wait, or is refused ("when_full"); into a sandbox that runs, users get in.',
    example: '200',
  },
  sessions: {
    type: wholeNumber(1, 1_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 1, or none',
    applies: 'session',
    doc: 'Sessions of all users together.',
    example: '500',
  },
  memory: {
    type: sizeLimit(16 * 1024 ** 2),
    defaultText: 'none',
    values: 'a size of at least 16M, or none',
    applies: 'session',
    doc: 'Memory that may be promised to all running sandboxes together: the sum of their "memory" limits. A sandbox without a limit counts as all the memory that the host has.',
    example: '64G',
  },
  when_full: {
    type: oneOf('refuse', 'wait'),
    defaultText: 'refuse',
    values: 'refuse, wait',
    applies: 'session',
    doc: 'What a login meets for which there is no room. refuse: it is told so. wait: it waits its turn for "wait_time", and is told so then. "dockershctl exec" is never kept out.',
    example: 'wait',
  },
  wait_time: {
    type: duration(600_000),
    defaultText: '30s',
    values: 'a duration of up to 10m',
    applies: 'session',
    doc: 'How long a login waits for room.',
    example: '2m',
  },
  network_pool: {
    type: addressPool,
    defaultText: 'auto',
    values: 'auto, or a block of addresses of IPv4',
    applies: 'sandbox',
    doc: 'Where the addresses of private networks come from. Nothing else may use them: no network that this host is in or knows a way to. auto: a block of 65,536 that is free when the first is needed, and is kept.',
    example: '10.88.0.0/16',
  },
  network_pool6: {
    type: addressPool6,
    defaultText: 'auto',
    values: 'auto, none, or a block of addresses of IPv6',
    applies: 'sandbox',
    doc: 'The same for IPv6. none: private networks have no IPv6.',
    example: 'fd12:3456:789a:1::/64',
  },
  publish_pool: {
    type: portPool,
    defaultText: '20000-29999/10',
    values: 'a range of ports and how many of it each user has, or none',
    applies: 'sandbox',
    doc: 'Ports of this host that are users\' own, for entries such as +0 of "publish": 20000-29999/10 has ten for each of a thousand users. A user keeps the same ones. Nothing is bound at them until "publish" says so. The range should lie outside of net.ipv4.ip_local_port_range, from which the host takes ports for connections of its own.',
    example: '20000-29999/10',
  },
  mosh_pool: {
    type: portPool,
    defaultText: '61000-64999/4',
    values: 'a range of ports and how many of it each user has, or none',
    applies: 'sandbox',
    doc: 'UDP ports for "mosh_ports = pool". One mosh at a time takes one.',
    example: '60000-60999/5',
  },
  audit: {
    type: oneOf('yes', 'no', 'required'),
    defaultText: 'yes',
    values: 'yes, no, required',
    applies: 'session',
    doc: 'Whether logins, refusals, ends of sessions and what administrators do are written into the audit trail (/var/log/dockersh, "dockershctl audit"). yes: a login goes on where no line can be written, and the trail says later how many are missing. required: such a login is refused.',
    example: 'required',
  },
  audit_commands: {
    type: oneOf('yes', 'no'),
    defaultText: 'yes',
    values: 'yes, no',
    applies: 'session',
    doc: 'Whether the audit trail has the commands that are run by "ssh host command", word for word. What is typed at a terminal is never in it.',
    example: 'no',
  },
  audit_keep: {
    type: duration(3650 * 86_400_000),
    defaultText: '365d',
    values: 'a duration of up to 3650d',
    applies: 'session',
    doc: 'How long a finished file of the audit trail is kept.',
    example: '90d',
  },
  audit_size: {
    type: sizeLimit(64 * 1024 ** 2),
    defaultText: '2G',
    values: 'a size of at least 64M, or none',
    applies: 'session',
    doc: 'How large the audit trail may get; the oldest of its files are removed first.',
    example: '10G',
  },
} as const satisfies Record<string, KeySpec>;
