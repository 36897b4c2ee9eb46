#include "options.h"

#include <pwd.h>
#include <security/pam_ext.h>
#include <security/pam_modutil.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#ifndef RUN_DIR
#define RUN_DIR "/run/dockersh"
#endif
#ifndef CLIENT_PATH
#define CLIENT_PATH "/usr/bin/dockersh"
#endif

static const char *value_of(const char *argument, const char *name) {
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

struct options options_read(pam_handle_t *pamh, int argc, const char **argv) {
    struct options options = {.client = CLIENT_PATH, .socket = RUN_DIR "/join.sock"};
    for (int index = 0; index < argc; index++) {
        const char *argument = argv[index], *value;
        if (strcmp(argument, "early") == 0)
            options.early = true;
        else if (strcmp(argument, "all") == 0)
            options.all = true;
        else if ((value = value_of(argument, "groups=")) != NULL)
            options.groups = value;
        else if ((value = value_of(argument, "users=")) != NULL)
            options.users = value;
        else if ((value = value_of(argument, "client=")) != NULL)
            options.client = value;
        else if ((value = value_of(argument, "socket=")) != NULL)
            options.socket = value;
        else
            pam_syslog(pamh, LOG_ERR, "\"%s\" is no option of this module; it is passed over.", argument);
    }
    return options;
}

// By another name too: /bin may be a link.
static bool is_client(const char *shell, const char *client) {
    struct stat one, other;
    if (strcmp(shell, client) == 0)
        return true;
    return stat(shell, &one) == 0 && stat(client, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

typedef bool fits(pam_handle_t *pamh, const char *user, const char *name);

static bool is_one(pam_handle_t *pamh, const char *user, const char *name) {
    (void)pamh;
    return strcmp(user, name) == 0;
}

static bool is_member(pam_handle_t *pamh, const char *user, const char *name) {
    return pam_modutil_user_in_group_nam_nam(pamh, user, name) == 1;
}

// Whether one of the names, with commas between, fits the user.
static bool is_among(pam_handle_t *pamh, const char *user, const char *names, fits *fits_name) {
    while (names != NULL && *names != '\0') {
        char name[256];
        size_t length = strcspn(names, ",");
        if (length > 0 && length < sizeof name) {
            (void)snprintf(name, sizeof name, "%.*s", (int)length, names);
            if (fits_name(pamh, user, name))
                return true;
        }
        names += length + (names[length] == ',' ? 1 : 0);
    }
    return false;
}

enum subject options_subject(pam_handle_t *pamh, const struct options *options, struct account *account) {
    const char *user = NULL;
    if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL || user[0] == '\0')
        return SUBJECT_UNKNOWN;
    const struct passwd *entry = pam_modutil_getpwnam(pamh, user);
    if (entry == NULL)
        return SUBJECT_UNKNOWN;
    *account = (struct account){.user = user, .home = entry->pw_dir};
    if (entry->pw_uid == 0)
        return SUBJECT_OUTSIDE;
    if (is_client(entry->pw_shell, options->client))
        return SUBJECT_SHELL;
    bool forced = options->all || is_among(pamh, user, options->users, is_one) ||
                  is_among(pamh, user, options->groups, is_member);
    return forced ? SUBJECT_FORCED : SUBJECT_OUTSIDE;
}
