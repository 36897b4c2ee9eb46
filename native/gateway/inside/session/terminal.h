// Makes a terminal of the host's for a session: the login client copies between it and the one inside.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct terminal {
    int master, slave;
    char name[32];
};

// It belongs to the user. `size`: columns, rows, and both in pixels; `modes`: as RFC 4254, section 8, has
// them, of which what is not known is passed over. 0, or -1 with errno.
int terminal_open(struct terminal *terminal, uid_t uid, gid_t group, const uint32_t size[4],
                  const uint8_t *modes, size_t length);
void terminal_close(struct terminal *terminal);
