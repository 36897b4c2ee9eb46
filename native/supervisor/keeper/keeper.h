// Holds the terminal of one session that is kept, recorded or watched: a process of its own, forked by the
// supervisor. It has the master of the session's PTY, and passes what comes there on to viewers: the sockets
// that login clients have got in place of the master (docs/protocol.md, "Kept sessions"). It has given up
// every right, and may be killed at any time: the supervisor has a copy of the master and of each viewer's
// socket, and starts another with these.
//
//   keeper.c    the process: its loop, and the supervisor's messages
//   output.c    from the terminal to viewers
//   input.c     from viewers to the terminal: keys, and the size
//   frames.c    what a client says
//   recording.c what is recorded of it (record/)
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper/record/record.h"
#include "keeper/view.h"

// Of MSG_KEEPER_RECORDING: what the supervisor is told.
enum recording_word {
    RECORDING_WAITS = 1,   // the disk is full, and the terminal stands still
    RECORDING_GOES_ON = 2, // there is room again
    RECORDING_ENDS = 3,    // nothing more is recorded; the session goes on where it may
};

struct keeper_viewer {
    int socket; // CLOSED_FD: none
    uint32_t view;
};

struct keeper_begin {
    int control, master;
    bool again; // another one was here before, and those who look have been shown the session
    bool over;  // the session has ended; what its terminal still has is to be shown
    struct keeper_viewer viewers[KEEPER_VIEWERS];
    uid_t id;                             // nobody's
    const struct record_settings *record; // NULL: nothing is recorded
    bool record_refuses;                  // what can't be recorded is not shown
};

// The process. Ends with the session, when all has been shown.
_Noreturn void keeper_run(const struct keeper_begin *begin);
