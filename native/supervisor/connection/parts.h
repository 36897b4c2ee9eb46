// Parts that a view is made of, as the daemon says it with a connection (MSG_CONNECTION, docs/protocol.md,
// section 7).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec.h"
#include "wire.h"

struct parts {
    char *account;            // a line of passwd(5)
    char *home;               // of it
    char *groups[MAX_GROUPS]; // lines of group(5)
    size_t group_count;
    char *home_inside;
    char *client_folder;
    char *run; // our run folder
};

// Takes copies of the fields. 0, or -1 where one that is needed is missing, or none that it may be.
int parts_read(struct parts *parts, struct wire_reader reader);
void parts_free(struct parts *parts);
// The path is the folder, or something in it.
bool parts_is_in(const char *path, const char *folder);
// Changes whenever a view that is made now would be another one than before: with what it copies, and with
// the files of the host that it shows one by one, which are replaced from time to time (logrotate).
uint64_t parts_signature(const struct parts *parts);
