// The account that somebody wants to log in as, as the name service has it.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct account {
    char *name, *home, *shell;
    uid_t uid;
    gid_t gid;
};

// False: there is none, or none that may log in (root, or a shell that lets nobody in), or memory is short.
bool account_find(struct account *account, const char *name);
void account_free(struct account *account);
