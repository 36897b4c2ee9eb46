#include "environ.h"

#include <string.h>

static const char *const exact[] = {
    "TERM=",
    "LANG=",
    "LANGUAGE=",
    "TZ=",
    "COLORTERM=",
    "NO_COLOR=",
    "GIT_PROTOCOL=",
    "SSH_CLIENT=",
    "SSH_CONNECTION=",
    "SSH_TTY=",
    "SSH_ORIGINAL_COMMAND=",
};

bool environ_allowed(const char *assignment) {
    // The daemon refuses a login with a name that no shell could have made.
    if (strncmp(assignment, "LC_", 3) == 0)
        return assignment[strspn(assignment,
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '=';
    for (size_t index = 0; index < sizeof exact / sizeof exact[0]; index++) {
        if (strncmp(assignment, exact[index], strlen(exact[index])) == 0)
            return true;
    }
    return false;
}
