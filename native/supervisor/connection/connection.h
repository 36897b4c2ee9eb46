// Connections of sshd's that are joined to this sandbox (native/pam, docs/protocol.md, section 7). They count
// as somebody who is there: a sandbox with a connection does not linger out. What a connection says is never
// read.
#pragma once

#include "supervisor.h"

#define MAX_CONNECTIONS 256

// What becomes readable when connection_hear() has something to do; CLOSED_FD before the first connection.
int connection_poll(void);
void connection_hear(struct supervisor *supervisor);
// MSG_CONNECTION: takes the connection out of `fds` where it keeps it.
void connection_start(struct supervisor *supervisor, struct wire_reader *reader, int *fds, unsigned count);
size_t connection_count(void);
// Adds them to MSG_STATE.
void connection_state(struct wire_writer *writer);
// MSG_DISCONNECT.
void connection_disconnect(const struct wire_reader *reader);
// When a view that is being made is given up, and connection_due() does it.
uint64_t connection_next(void);
void connection_due(struct supervisor *supervisor, uint64_t now);
// Ends all of them with the sandbox, and takes the sandbox out of their views. Whoever has been told of a
// session's end until now gets a moment to hear it first.
void connection_end_all(const struct supervisor *supervisor);
