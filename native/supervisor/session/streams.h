// The descriptors 0, 1 and 2 of a session, as its client sends them: received, looked at and closed by the
// session's own process and nobody else, as its user. Whatever a stranger's descriptor does to whom looks at
// it or closes it (a file of a FUSE server that never answers can hold it up for ever), it does to this
// session alone.
//
// Of a terminal the session gets one of the sandbox's own, and the client its other side.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "wire.h"

struct child_ends {
    int connection; // the login client's, with its login still to be received
    int supervisor; // where the child says that it has been
    int devpts;     // the sandbox's own
    uint32_t slot;
    bool keeper;              // the terminal's master is for the supervisor, who tells the client
    char *const *environment; // of the session
    bool looks;               // nothing is to be run: the login is received, and that is all
    bool unrecorded;          // there must be no terminal without a recording, and there is no room for that
    const char *offer;        // asked at the user's terminal before anything begins; NULL: nothing
    _Atomic bool *taken;      // where the supervisor sees that the login has been received
};

struct streams {
    int fds[3];   // what becomes 0, 1 and 2
    uint32_t tty; // bits 0 to 2: that one is the session's terminal
    int number;   // of the terminal inside, or -1
};

// 0 when the session has begun: the supervisor knows, and the client has been told. Or -1 with `err`, or with
// an empty one where the client has gone. Does not come back where the user takes the offer.
int streams_take(struct streams *streams, const struct child_ends *ends, struct err *err);
// Receives a login whose descriptors nobody wants, and says whether one of them is a terminal. As
// streams_take(), but that nobody has been told.
int streams_drop(const struct child_ends *ends, bool *has_terminal, struct err *err);
