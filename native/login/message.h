// Writes the message by which a login asks for its session.
#pragma once

#include <stddef.h>
#include <stdint.h>

// `user`: whose sandbox root asks for, or NULL; `view`: how root wants to look at a session there (look.h),
// or 0. Returns its length, 0 where it is too large.
size_t message_write(uint8_t *bytes, size_t size, uint64_t started, const char *user, uint32_t view, int argc,
                     char **argv);
// Says how large the parts of one are that is.
_Noreturn void message_fail_too_large(int argc, char **argv);
