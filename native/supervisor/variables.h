// Looks a variable up in an environment that is not the process's own.
#pragma once

#include <stddef.h>
#include <string.h>

// `name` with its "=". NULL where there is none.
static inline const char *variable_of(char *const *environment, const char *name) {
    for (size_t length = strlen(name); *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0)
            return *environment + length;
    }
    return NULL;
}
