// Names the causes of the ends of sessions and sandboxes: a closed set, of which the supervisor says one in
// SESSION_ENDED and STOPPING.
// src/lib/values/causes.ts is the other side.
#pragma once

enum cause {
    CAUSE_NONE = 0,           // not known
    CAUSE_EXIT = 1,           // the session's program ended by itself
    CAUSE_SIGNAL = 2,         // it was killed by a signal
    CAUSE_HUNG_UP = 3,        // its connection ended
    CAUSE_OUT_OF_MEMORY = 4,  // the kernel killed for want of memory in the sandbox
    CAUSE_SESSION_TIME = 5,   // it has lasted as long as it may
    CAUSE_IDLE_TIME = 6,      // its terminal has been still for as long as it may
    CAUSE_STOPPED = 7,        // the sandbox: by the daemon, which knows for whom
    CAUSE_SHUTDOWN = 8,       // the sandbox: with all on this host
    CAUSE_LINGER = 9,         // the sandbox: without a session for its linger time
    CAUSE_INIT_ENDED = 10,    // the sandbox: its PID 1 has ended
    CAUSE_NOT_STARTED = 11,   // the session's program could not be run
    CAUSE_KEEP_FOR = 12,      // nobody has come back to it for as long as it is kept
    CAUSE_KEPT_SESSIONS = 13, // another one is kept in its place
    CAUSE_DETACHED = 14,      // a login that looked at a session which goes on
    CAUSE_RECORDING = 20,     // it can't be recorded any more
};
