#include "inside/session/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside/login.h"

#define PATH "/usr/local/bin:/usr/bin:/bin"

// Said by us alone: what a client, or its key, sends by these names is left out.
static const char *const ours[] = {
    "HOME",
    "LOGNAME",
    "PATH",
    "SHELL",
    "USER",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "SSH_AUTH_SOCK",
    "DISPLAY",
    "XAUTHORITY",
    "SSH_ORIGINAL_COMMAND",
    "DOCKERSH_NEVER_OUTSIDE",
};

static bool is_ours(const char *assignment, size_t length) {
    for (size_t index = 0; index < sizeof ours / sizeof ours[0]; index++)
        if (strlen(ours[index]) == length && strncmp(ours[index], assignment, length) == 0)
            return true;
    return false;
}

// A name as a shell has it.
static bool is_sent(const char *assignment) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t length = strspn(assignment, letters);
    return length > 0 && assignment[length] == '=' && strchr("0123456789", assignment[0]) == NULL &&
           !is_ours(assignment, length);
}

static bool add(struct environment *environment, char *assignment) {
    if (assignment == NULL || environment->count == ENVIRONMENT_MOST) {
        free(assignment);
        return false;
    }
    environment->list[environment->count++] = assignment;
    environment->list[environment->count] = NULL;
    return true;
}

static bool set(struct environment *environment, const char *name, const char *value) {
    char *assignment = NULL;
    if (value == NULL)
        return true;
    return asprintf(&assignment, "%s=%s", name, value) >= 0 && add(environment, assignment);
}

static bool add_sent(struct environment *environment, char *const *list, size_t most, bool has_term) {
    for (size_t index = 0; index < most && list[index] != NULL; index++) {
        bool again = has_term && strncmp(list[index], "TERM=", 5) == 0;
        if (is_sent(list[index]) && !again && !add(environment, strdup(list[index])))
            return false;
    }
    return true;
}

// SSH_CLIENT has the port that was connected to and not its address (ssh(1)).
static bool set_addresses(struct environment *environment, const char *from) {
    char address[128], port[16], own_address[128], own_port[16], text[192];
    if (sscanf(from, "%127s %15s %127s %15s", address, port, own_address, own_port) != 4)
        return true;
    (void)snprintf(text, sizeof text, "%s %s %s", address, port, own_port);
    return set(environment, "SSH_CONNECTION", from) && set(environment, "SSH_CLIENT", text);
}

bool environment_make(struct environment *environment, const struct login *login,
                      const struct request *request, const struct addresses *addresses) {
    const bool has_term = (request->has & HAS_TERM) != 0;
    char authority[4096];
    environment->count = 0;
    (void)snprintf(authority, sizeof authority, "%s/.Xauthority", login->home);
    char *const *own = login->rights.environment;
    return (own == NULL || add_sent(environment, own, MOST_VARIABLES, has_term)) &&
           add_sent(environment, request->variables, request->variable_count, has_term) &&
           set(environment, "USER", login->user) && set(environment, "LOGNAME", login->user) &&
           set(environment, "HOME", login->home) && set(environment, "PATH", PATH) &&
           set(environment, "SHELL", login->client) && set_addresses(environment, login->from) &&
           set(environment, "TERM", has_term ? request->term : NULL) &&
           set(environment, "SSH_TTY", addresses->terminal) &&
           set(environment, "SSH_AUTH_SOCK", addresses->agent) &&
           set(environment, "SSH_ORIGINAL_COMMAND", addresses->original) &&
           set(environment, "DISPLAY", addresses->display) &&
           set(environment, "XAUTHORITY", addresses->display != NULL ? authority : NULL) &&
           set(environment, "DOCKERSH_NEVER_OUTSIDE", "1");
}

void environment_free(struct environment *environment) {
    for (size_t index = 0; index < environment->count; index++)
        free(environment->list[index]);
    environment->count = 0;
}
