#include "inside/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rights rights_all(void) {
    return (struct rights){.terminal = true, .forward = true, .agent = true, .x11 = true};
}

// "HOST:PORT", "[HOST]:PORT" or "PORT", either of them "*" for any. Whatever else it is permits nothing.
static bool permits(const char *permit, const char *host, uint32_t port) {
    char number[16];
    const char *colon = strrchr(permit, ':');
    const char *wanted = colon != NULL ? colon + 1 : permit;
    (void)snprintf(number, sizeof number, "%u", (unsigned)port);
    if (strcmp(wanted, "*") != 0 && strcmp(wanted, number) != 0)
        return false;
    if (colon == NULL)
        return true;
    size_t length = (size_t)(colon - permit);
    if (length >= 2 && permit[0] == '[' && permit[length - 1] == ']') {
        permit++;
        length -= 2;
    }
    if (length == 1 && permit[0] == '*')
        return true;
    return strlen(host) == length && strncmp(permit, host, length) == 0;
}

static bool is_among(char *const *list, const char *host, uint32_t port) {
    if (list == NULL)
        return true;
    for (; *list != NULL; list++)
        if (permits(*list, host, port))
            return true;
    return false;
}

bool rights_may_open(const struct rights *rights, const char *host, uint32_t port) {
    return rights->forward && is_among(rights->permit_open, host, port);
}

bool rights_may_listen(const struct rights *rights, const char *host, uint32_t port) {
    return rights->forward && is_among(rights->permit_listen, host, port);
}
