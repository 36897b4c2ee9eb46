// A sandbox that stands still for a moment, so that its files can be read as they are at one instant. It is
// the supervisor that pauses and not the daemon, because it lives as long as the sandbox: whatever happens to
// the daemon, the sandbox runs on at the latest when the time is over that the daemon asked for, and at once
// when the connection with it ends.
#pragma once

#include "supervisor.h"

// MSG_PAUSE: for TAG_PAUSE_MS milliseconds at most, answered by MSG_PAUSED; 0 ends the pause.
void pause_request(struct supervisor *supervisor, struct wire_reader *reader);
// Lets the sandbox run on, where it is paused, and tells the daemon.
void pause_end(struct supervisor *supervisor);
