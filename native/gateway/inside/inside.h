// From the moment that somebody has logged in: joins the connection to its user's sandbox, as sshd's module
// does (native/pam), and does there what the connection process asks for: starts sessions, connects, listens.
//
// Runs as root in the connection's monitor. Every byte of a request is a stranger's: what is no request of
// this connection's state, or more than there may be, ends the connection (-1). What runs is the user's from
// before it executes or opens anything; nothing here opens a path that a request has named.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inside/state.h"
#include "wire.h"

// Joins, which can take as long as a sandbox's start. From then on this process is in the sandbox's view, and
// ends with it (SIGTERM). Where that is refused, sessions say why. -1: nothing is possible here any more.
int inside_open(struct inside *inside, const struct login *login, int connection);
// GW_SESSION, GW_TELL, GW_CONNECT, GW_LISTEN or GW_CLOSE, which bring no descriptors. -1: it is none, or none
// that there may be now, and the connection has to end.
int inside_hear(struct inside *inside, const uint8_t *bytes, size_t length);
// What is to be polled for reading besides the connection process, or CLOSED_FD; and what to call then.
int inside_poll(const struct inside *inside);
int inside_ready(struct inside *inside);
// After each SIGCHLD. Waits for its own children alone.
int inside_reap(struct inside *inside);
// Gives up what is the connection's. Sessions are hung up by the end of who has their terminals and streams,
// as it is meant for those that are kept: a signal of ours they would take for their program's.
void inside_close(struct inside *inside);
