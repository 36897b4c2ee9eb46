#include "environ.h"

#include <string.h>

#include "login_check.h"

static const char *const always[] = {
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

// What sshd makes for a connection; of use where that is in the sandbox.
static const char *const joined[] = {
    "SSH_AUTH_SOCK=",
    "DISPLAY=",
    "XAUTHORITY=",
};

static bool is_among(const char *assignment, const char *const *names, size_t count) {
    for (size_t index = 0; index < count; index++)
        if (strncmp(assignment, names[index], strlen(names[index])) == 0)
            return true;
    return false;
}

enum environ_want environ_want(const char *assignment) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    if (assignment[strspn(assignment, letters)] != '=' || strchr("=0123456789", assignment[0]) != NULL)
        return ENVIRON_NEVER;
    if (strncmp(assignment, "LC_", 3) == 0 || is_among(assignment, always, sizeof always / sizeof always[0]))
        return ENVIRON_ALWAYS;
    return is_among(assignment, joined, sizeof joined / sizeof joined[0]) ? ENVIRON_JOINED : ENVIRON_SPARE;
}

// As many as are wanted and have room; those that always pass are never left out silently.
static void write_wanted(struct wire_writer *writer, char *const *variables, enum environ_want want,
                         unsigned *count) {
    size_t spare = ENVIRON_SPARE_BYTES;
    for (char *const *entry = variables; *entry != NULL; entry++) {
        if (environ_want(*entry) != want)
            continue;
        size_t bytes = WIRE_FIELD_BYTES + strlen(*entry);
        if (want != ENVIRON_ALWAYS) {
            if (*count >= LOGIN_MAX_VARIABLES || bytes > spare || bytes > writer->size - writer->used)
                continue;
            spare -= bytes;
        }
        wire_put_text(writer, TAG_ENV, *entry);
        (*count)++;
    }
}

void environ_write(struct wire_writer *writer, char *const *variables, bool all) {
    unsigned count = 0;
    write_wanted(writer, variables, ENVIRON_ALWAYS, &count);
    if (!all || writer->overflow)
        return;
    write_wanted(writer, variables, ENVIRON_JOINED, &count);
    write_wanted(writer, variables, ENVIRON_SPARE, &count);
}

size_t environ_bytes(char *const *variables) {
    size_t bytes = 0;
    for (char *const *entry = variables; *entry != NULL; entry++)
        if (environ_want(*entry) == ENVIRON_ALWAYS &&
            strncmp(*entry, "SSH_ORIGINAL_COMMAND=", strlen("SSH_ORIGINAL_COMMAND=")) != 0)
            bytes += WIRE_FIELD_BYTES + strlen(*entry);
    return bytes;
}
