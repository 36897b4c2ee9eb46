// Holds what a monitor knows of who wants to log in, and what the methods say of it.
#pragma once

#include "auth/account.h"
#include "auth/grant.h"
#include "settings.h"

struct monitor;
struct conversation;

#define MOST_INFO 4096

struct auth {
    char *user; // whom the client has named first; there is no other from then on
    bool known; // there is such an account, and it may log in
    struct account account;
    size_t done[MOST_WAYS]; // steps of each way that have succeeded
    uint32_t failures;
    struct grant grant;
    char info[MOST_INFO];        // a line for each method that has succeeded, as sshd's SSH_AUTH_INFO_0
    char *used_keys[MOST_STEPS]; // fingerprints of those that have succeeded
    size_t used_count;
    struct conversation *conversation; // of PAM, under way
    uint32_t slot;                     // of the request that it answers
    enum method method;                // likewise
    bool account_checked;              // PAM has nothing against the account
    bool checking_account;             // what is under way is this alone
};

// What comes of trying a method.
enum outcome {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,
    OUTCOME_WOULD_DO, // a key that was only asked about
    OUTCOME_LATER,    // auth_later() will say
    OUTCOME_BREACH,
};

// A conversation has come to its end. `message`: NULL: there is none.
void auth_later(struct monitor *monitor, enum outcome outcome, const char *message);
// Adds a line to what is known of how somebody has logged in.
void auth_note(struct auth *auth, const char *format, ...) __attribute__((format(printf, 2, 3)));
