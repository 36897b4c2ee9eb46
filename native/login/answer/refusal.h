// Shows what the daemon answers in place of a session, or until then, and leaves.
#pragma once

#include "wire.h"

// A refusal goes to standard error.
_Noreturn void report_refusal(struct wire_reader *reader);

// What a word of self-service gives ("ssh HOST @status") goes to standard output. The daemon sends nothing in
// it that acts on a terminal.
_Noreturn void report_answer(struct wire_reader *reader);

// The daemon is at something that goes on without its client, a word of self-service, and says so in
// MSG_WAIT. Always true.
bool under_way_note(struct wire_reader *reader);
// A signal ends this client, which says what goes on.
_Noreturn void under_way_leave(int number);
// The connection has ended. Where something was under way, asking again would have it done twice: that ends
// this client. True otherwise.
bool under_way_lost(void);
