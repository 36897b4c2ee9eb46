// Shows what the daemon answers in place of a session, and leaves.
#pragma once

#include "wire.h"

// A refusal goes to standard error.
_Noreturn void report_refusal(struct wire_reader *reader);

// What a word of self-service gives ("ssh HOST @status") goes to standard output. The daemon sends nothing in
// it that acts on a terminal.
_Noreturn void report_answer(struct wire_reader *reader);
