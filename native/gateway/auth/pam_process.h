// Talks to PAM about one user, in a process that is for nothing else. It says what comes of it, and what PAM
// wants to know, as GW_AUTH_ANSWER; it hears GW_ANSWERS.
#pragma once

#include <stdbool.h>

#define MOST_PROMPTS 16

enum pam_code { PAM_CODE_GOOD = 0, PAM_CODE_BAD = 2, PAM_CODE_PROMPTS = 4 };

struct pam_task {
    const char *service, *user, *address, *info;
    const char *password; // NULL: PAM's questions are passed on
    const char *terminal; // how they come: PAM_TTY
    bool account;         // the account alone is looked at
    bool pretend;         // there is no such user: it never succeeds, and takes as long as if there were
};

_Noreturn void pam_process(const struct pam_task *task, int socket);
