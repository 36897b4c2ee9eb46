// Picks the environment variables of a login that are sent along. What of them passes into the sandbox the
// daemon decides (src/shell/environment.ts): the client is the user's own process, is not believed, and does
// not know the policy. Here the message is kept small, and none is refused for variables that would not pass.
#pragma once

#include <stddef.h>

#include "wire.h"

// Of what is sent where there is room for it.
#define ENVIRON_SPARE_BYTES (64 * 1024)

enum environ_want {
    ENVIRON_NEVER,  // no name that a shell could have made: the daemon refuses a login with one
    ENVIRON_SPARE,  // passes where the policy says so (pass_env), and is left out where there is no room
    ENVIRON_JOINED, // passes where the connection has joined the sandbox; likewise
    ENVIRON_ALWAYS,
};

enum environ_want environ_want(const char *assignment);
// Writes the variables: for a login all that are wanted and have room, else (`all` is false) those that
// always pass.
void environ_write(struct wire_writer *writer, char *const *variables, bool all);
// Of those that always pass, SSH_ORIGINAL_COMMAND left out.
size_t environ_bytes(char *const *variables);
