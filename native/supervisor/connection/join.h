// Hears what pam_dockersh.so has said on a connection, and tells the daemon what becomes of it.
#pragma once

#include "supervisor.h"

// Receives what pam_dockersh.so has said, which the daemon has only looked at: the mount namespace of sshd's
// monitor. -1 where the peer is not root, or that is none of this host's.
int join_receive(int socket, struct err *err);
// Answers the daemon. `connection`: what goes back to it; or CLOSED_FD.
bool join_answer(const struct supervisor *supervisor, enum wire_type type, const char *id,
                 const struct err *err, int connection);
