// Copies between the user's terminal and the sandbox's PTY, and waits for the session's end. One poll loop,
// two bounded buffers: a side that is slow stops the other one (back-pressure), and nothing that was read is
// ever dropped.
#pragma once

#include <stdbool.h>

#include "terminal.h"
#include "wire.h"

struct outcome {
    enum { OUTCOME_EXIT, OUTCOME_SIGNAL, OUTCOME_HANGUP, OUTCOME_LOST } kind;
    int code;        // exit status, or signal number
    char text[1024]; // what the supervisor had to say about it, or empty
};

// What EXIT says.
struct outcome outcome_read(struct wire_reader *reader);

// Runs until the session has ended. `ptm` is -1 where no descriptor is a terminal; `watched` is a
// socket whose peer's end means that the connection was dropped, or -1; `signals` is a signalfd.
struct outcome pump(int connection, int signals, int ptm, int watched, struct terminal *terminal);
