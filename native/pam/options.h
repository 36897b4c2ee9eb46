// The module's options in the PAM service's file, and whom they bring in.
#pragma once

#include <security/pam_modules.h>
#include <stdbool.h>

struct options {
    bool early;         // this is the first line of the two
    bool all;           // everybody but root is in
    const char *groups; // as are members of these, with commas between
    const char *users;  // and these
    const char *client; // and whoever has this login shell
    const char *socket; // the daemon's
};

enum subject {
    SUBJECT_UNKNOWN, // can't be told: refused
    SUBJECT_OUTSIDE, // none of ours
    SUBJECT_SHELL,   // its login shell is the client
    SUBJECT_FORCED,  // sshd has another shell run the client
};

struct options options_read(pam_handle_t *pamh, int argc, const char **argv);
struct account {
    const char *user, *home;
};

enum subject options_subject(pam_handle_t *pamh, const struct options *options, struct account *account);
