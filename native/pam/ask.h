// Asks the daemon to join this connection to its user's sandbox (docs/protocol.md, section 7): sshd's module,
// and the gateway.
#pragma once

#include <stddef.h>

struct question {
    const char *socket;
    const char *user, *from, *auth; // NULL: sshd has not said
    const char *entry;              // how they come, where that is neither sshd nor ssh; else NULL
    const char *client_folder;      // of what is run for the user; NULL: where the account's shell is
    int monitor;                    // our own mount namespace
};

enum reply {
    REPLY_JOINED,
    REPLY_OUTSIDE, // the account is exempt: nothing is to be done
    REPLY_REFUSED, // with the daemon's words
    REPLY_NOBODY,  // no daemon has answered in time
    REPLY_LOST,    // one has, but says nothing any more
};

#define MOST_WORDS 1024

struct answer {
    int connection; // kept for as long as we are joined
    int namespaces[3];
    int witness;
    char words[MOST_WORDS];
};

// What `answer` holds is the caller's where this is REPLY_JOINED; otherwise nothing is open.
enum reply ask(const struct question *question, struct answer *answer);
void answer_close(struct answer *answer);
