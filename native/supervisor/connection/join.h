// Receives what pam_dockersh.so has said on a connection, which the daemon has only looked at.
#pragma once

#include "err.h"

// The mount namespace of sshd's monitor; -1 where the peer is not root, or that is none of this host's.
int join_receive(int socket, struct err *err);
