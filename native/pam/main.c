// pam_dockersh.so, a session module for sshd alone: takes the whole ssh connection into its user's sandbox,
// so that forwards, agents and X11, which sshd itself opens, are there too. It stands twice in sshd's PAM
// service:
//
//   session required pam_dockersh.so early
//   session required pam_dockersh.so
//
// As the first session line it remembers where sshd's monitor is, and goes back there at the close. As the
// last one it joins.
//
// Runs as root in sshd's monitor, once for a connection, before the child is forked that is the user's.
// Trusts the daemon and the supervisor (root, over a socket that root alone can make); loads nothing, and
// reads nothing from the sandbox. Root and accounts that are none of ours are left alone without asking
// anybody. For all others it fails closed: sshd then forwards nothing and runs nothing.
#define PAM_SM_SESSION
#include <errno.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"
#include "options.h"
#include "place.h"

#define DATA "dockersh-place"
#define EXPORTED __attribute__((visibility("default")))
#define TELL "Tell the administrator of this host."

static void forget(pam_handle_t *pamh, void *data, int status) {
    (void)pamh;
    (void)status;
    place_close(data);
    free(data);
}

static int fail(pam_handle_t *pamh, const char *what) {
    pam_syslog(pamh, LOG_ERR, "%s: %s. The connection is not let in.", what, strerror(errno));
    (void)pam_error(pamh, "dockersh: This connection can't be joined to your sandbox. " TELL);
    return PAM_SESSION_ERR;
}

static int remember(pam_handle_t *pamh) {
    struct place *place = calloc(1, sizeof *place);
    if (place == NULL)
        return PAM_BUF_ERR;
    if (place_open(place) != 0) {
        int failed = fail(pamh, "The namespaces of sshd can't be opened");
        forget(pamh, place, 0);
        return failed;
    }
    int set = pam_set_data(pamh, DATA, place, forget);
    if (set != PAM_SUCCESS)
        forget(pamh, place, 0);
    return set;
}

// A shell of the host's reads files of its user's before it runs sshd's ForceCommand; those are the sandbox's
// now, and it is not in there. So it has no home: the view's root has no such files. xauth finds its own by
// another name.
static int hide_home(pam_handle_t *pamh, const char *home) {
    static const char *const hidden[] = {"HOME=/", "ZDOTDIR=/", "BASH_ENV=", "ENV="};
    char authority[4096];
    for (size_t index = 0; index < sizeof hidden / sizeof hidden[0]; index++) {
        int put = pam_putenv(pamh, hidden[index]);
        if (put != PAM_SUCCESS)
            return put;
    }
    (void)snprintf(authority, sizeof authority, "XAUTHORITY=%s/.Xauthority", home);
    return pam_putenv(pamh, authority);
}

static int enter(pam_handle_t *pamh, struct place *place, struct answer *answer, enum subject subject,
                 const char *home) {
    if (subject == SUBJECT_FORCED && hide_home(pamh, home) != PAM_SUCCESS) {
        answer_close(answer);
        return fail(pamh, "The environment can't be set");
    }
    if (place_enter(place, answer) == 0)
        return PAM_SUCCESS;
    return fail(pamh, "sshd can't enter the sandbox's namespaces");
}

static int join(pam_handle_t *pamh, const struct options *options, enum subject subject,
                const struct account *account) {
    const char *user = account->user;
    const void *data = NULL, *from = NULL;
    if (pam_get_data(pamh, DATA, &data) != PAM_SUCCESS || data == NULL) {
        pam_syslog(
            pamh, LOG_ERR,
            "The first session line of this service must be \"session required pam_dockersh.so early\". "
            "The connection of %s is not let in.",
            user);
        (void)pam_error(pamh, "dockersh: This connection can't be joined to your sandbox. " TELL);
        return PAM_SESSION_ERR;
    }
    struct place *place = (struct place *)data;
    (void)pam_get_item(pamh, PAM_RHOST, &from);
    const struct question question = {.socket = options->socket,
                                      .user = user,
                                      .from = from,
                                      .auth = pam_getenv(pamh, "SSH_AUTH_INFO_0"),
                                      .monitor = place->mount};
    struct answer answer;
    switch (ask(&question, &answer)) {
    case REPLY_JOINED:
        return enter(pamh, place, &answer, subject, account->home);
    case REPLY_OUTSIDE:
        place_close(place); // there is nothing to come back from
        return PAM_SUCCESS;
    case REPLY_REFUSED:
        pam_syslog(pamh, LOG_NOTICE, "The connection of %s is refused: %s", user, answer.words);
        (void)pam_error(pamh, "dockersh: %s", answer.words);
        return PAM_SESSION_ERR;
    case REPLY_NOBODY:
        pam_syslog(pamh, LOG_ERR,
                   "dockershd has not answered at %s in time. The connection of %s is not let in.",
                   options->socket, user);
        (void)pam_error(
            pamh,
            "dockersh: The login service (dockershd) does not answer, so you can't be logged in. " TELL);
        return PAM_SESSION_ERR;
    default:
        pam_syslog(pamh, LOG_ERR, "dockershd says nothing any more. The connection of %s is not let in.",
                   user);
        (void)pam_error(pamh, "dockersh: The login service (dockershd) does not answer any more, so you "
                              "can't be logged in. " TELL);
        return PAM_SESSION_ERR;
    }
}

EXPORTED int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)flags;
    struct account account = {0};
    struct options options = options_read(pamh, argc, argv);
    enum subject subject = options_subject(pamh, &options, &account);
    if (subject == SUBJECT_OUTSIDE)
        return PAM_IGNORE;
    if (subject == SUBJECT_UNKNOWN || geteuid() != 0) {
        pam_syslog(pamh, LOG_ERR, "Whose connection this is can't be told. It is not let in.");
        return PAM_SESSION_ERR;
    }
    return options.early ? remember(pamh) : join(pamh, &options, subject, &account);
}

EXPORTED int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)flags;
    const void *data = NULL;
    if (!options_read(pamh, argc, argv).early)
        return PAM_IGNORE;
    if (pam_get_data(pamh, DATA, &data) != PAM_SUCCESS || data == NULL)
        return PAM_IGNORE;
    if (place_return((struct place *)data) == 0)
        return PAM_SUCCESS;
    pam_syslog(pamh, LOG_ERR, "sshd can't leave the sandbox's namespaces: %s.", strerror(errno));
    return PAM_SESSION_ERR;
}
