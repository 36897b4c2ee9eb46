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
    if (strncmp(assignment, "LC_", 3) == 0)
        return strchr(assignment, '=') != NULL;
    for (size_t index = 0; index < sizeof exact / sizeof exact[0]; index++) {
        if (strncmp(assignment, exact[index], strlen(exact[index])) == 0)
            return true;
    }
    return false;
}
