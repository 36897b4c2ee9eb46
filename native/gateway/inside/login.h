// The account that has logged in at the gateway, and by what; all of it is the monitor's own word.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "inside/rights.h"

// What it points to has to stay.
struct login {
    const char *socket; // of the daemon: RUN/gateway.sock
    const char *client; // the login client's path
    const char *user, *home;
    uid_t uid;
    gid_t gid;
    const gid_t *groups; // looked up before: the sandbox's view has files alone
    size_t group_count;
    gid_t tty;         // the group that terminals belong to
    const char *entry; // NULL: by ssh; else "web"
    const char *from;  // as GW_CLIENT has it: address, port, our address, our port
    const char *auth;  // a line for each method: as SSH_AUTH_INFO_0 of sshd
    struct rights rights;
};
