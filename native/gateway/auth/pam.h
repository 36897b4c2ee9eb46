// Logs in by what PAM asks for. PAM and its modules run in a process of their own, a fork of the monitor's
// (pam_process.h): they may do with it what they like, and wait for as long.
#pragma once

#include "auth/state.h"
#include "monitor/asked.h"

// Begins to authenticate: with a password, or, without one, by questions to the user. auth_later() hears of
// what comes of it. False: it can't.
bool pam_begin(struct monitor *monitor, const char *password);
// Likewise, whether the account may log in at all, for who has shown a key.
bool pam_check_account(struct monitor *monitor);
// The user's answers. False: nobody has asked.
bool pam_answer(struct monitor *monitor, const struct asked *asked);
// Ends what is under way.
void pam_cancel(struct monitor *monitor);
