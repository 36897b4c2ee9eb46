// Makes the environment of a session's process on the host, the login client, which runs nothing there: it
// passes on to the daemon what is in it, and that decides by the policy what of it gets inside (pass_env).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "inside/request.h"

struct login;

#define ENVIRONMENT_MOST (2 * MOST_VARIABLES + 24)

struct environment {
    char *list[ENVIRONMENT_MOST + 1];
    size_t count;
};

// What a session may have of its connection; NULL: it has none.
struct addresses {
    const char *terminal; // "/dev/pts/3"
    const char *agent;    // the path of its socket
    const char *original; // what was asked for, where the key has another command
    const char *display;
};

// False: there is not enough memory. To be freed in either case.
bool environment_make(struct environment *environment, const struct login *login,
                      const struct request *request, const struct addresses *addresses);
void environment_free(struct environment *environment);
