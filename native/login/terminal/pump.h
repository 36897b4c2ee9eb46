// Copies between the user's terminal and the sandbox's PTY, and waits for the session's end. One poll loop,
// two bounded buffers: a side that is slow stops the other one (back-pressure), and nothing that was read is
// ever dropped.
#pragma once

#include <stdbool.h>

#include "leave.h"
#include "terminal/terminal.h"

// Runs until the session has ended. `ptm` is -1 where no descriptor is a terminal; `watched` is a
// socket whose peer's end means that the connection was dropped, or -1; `signals` is a signalfd.
struct outcome pump(int connection, int signals, int ptm, int watched, struct terminal *terminal);
