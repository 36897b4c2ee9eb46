// Speaks with the keeper of a session that has one (native/supervisor/keeper): a socket in place of the PTY's
// master, from which the screen's bytes come, in datagrams of 64 KiB at most, and to which keys and window
// sizes go, one frame each.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "terminal/terminal.h"

// Whether that is what the session's start has brought; makes it non-blocking.
bool viewer_is_one(int fd);
void viewer_say_size(const struct terminal *terminal, int socket);
// Sends what fits of the bytes from `begin` to `end`, and moves `begin`.
void viewer_type(int socket, const char *bytes, size_t *begin, size_t end);
// Waits for more. False: the keeper says nothing any more.
bool viewer_wait(int socket);
