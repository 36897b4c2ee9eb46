// The keys that are about what is recorded of sessions, and who may look on. Pure.

import type { KeySpec } from '../section-schema.ts';
import { oneOf, sizeLimit } from '../values/basic.ts';
import { message } from '../values/session.ts';

export const recordingKeys = {
  record: {
    type: oneOf('no', 'yes', 'required'),
    defaultText: 'no',
    values: 'no, yes, required',
    applies: 'session',
    doc: 'Whether what a session shows on its terminal is recorded (/var/log/dockersh/recordings, "dockershctl recordings"). yes: where it can\'t be, the session goes on without and says so. required: there is no session at a terminal that is not recorded. Sessions without a terminal (scp, rsync, one command) are never recorded, but for the line that the audit trail has of each; nor is "dockershctl exec".',
    example: 'required',
  },
  record_format: {
    type: oneOf('asciicast-2', 'asciicast-3'),
    defaultText: 'asciicast-2',
    values: 'asciicast-2, asciicast-3',
    applies: 'session',
    doc: 'The format of recordings. "dockershctl recordings" plays both; asciinema plays the second from version 3 of its own on.',
    example: 'asciicast-3',
  },
  record_input: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'session',
    doc: 'Whether what is typed is recorded too. Even then nothing is that is typed while the terminal does not echo lines, as when a program asks for a password. What is typed into a program that asks for one on another host (ssh inside of the sandbox) looks like any other input.',
    example: 'yes',
  },
  record_size: {
    type: sizeLimit(64 * 1024),
    defaultText: '1G',
    values: 'a size of at least 64K, or none',
    applies: 'session',
    doc: 'How large one recording may get, compressed: some ten times less than what the terminal has shown. Then it is as if there were no room (record_full).',
    example: '200M',
  },
  record_total: {
    type: sizeLimit(1024 ** 2),
    defaultText: '10G',
    values: 'a size of at least 1M, or none',
    applies: 'session',
    doc: 'How much all recordings of a user may take. A session that begins has room for record_size or for what is left, and what is recorded at the same time has its own room taken from it. Nothing is removed to make room, so that nobody pushes out what they did earlier.',
    example: '2G',
  },
  record_full: {
    type: oneOf('refuse', 'unrecorded'),
    defaultText: undefined,
    values: 'refuse, unrecorded',
    applies: 'session',
    doc: 'What happens where there is no room for a recording, by record_total or on the disk. refuse: a session at a terminal does not begin; one that is being recorded stands still while the disk is full, and goes on where it was when there is room; one whose recording is as large as it may be ends. unrecorded: it goes on without being recorded, and says so. Without this key: refuse where record = required, else unrecorded.',
    example: 'unrecorded',
  },
  watch: {
    type: oneOf('no', 'told', 'silent'),
    defaultText: 'no',
    values: 'no, told, silent',
    applies: 'session',
    doc: 'Whether root may look at sessions at a terminal while they go on ("dockershctl watch"), and type there ("dockershctl join"). told: those at the session are told when somebody comes and leaves. silent: they are not. Either way the audit trail has a line. Sessions that began with no can\'t be watched: their terminals have no keeper (docs/sessions.md).',
    example: 'told',
  },
  record_notice: {
    type: message,
    defaultText: 'This session is recorded.',
    values: 'a text, or none',
    applies: 'session',
    expands: 'text',
    doc: 'What a session that is recorded shows before its banner. With none, users are not told.',
    example: 'What you see here is recorded and kept for 90 days.',
  },
} as const satisfies Record<string, KeySpec>;
