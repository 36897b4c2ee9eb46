// Gives sessions one address of an ssh agent that outlives the connection that brought it.
#pragma once

#include <stddef.h>

// Notes the agent that the environment names (SSH_AUTH_SOCK) and returns the assignment of the address that
// leads to the newest agent that lives; NULL where there is none, or it could not be done, and the
// environment is to stay as it is. Call as the user, inside. The text is the caller's until the next call.
char *agent_follow(char *const *environment);
