// The supervisor's connection to the daemon: reads its messages and answers them.
#pragma once

#include "supervisor.h"

// The daemon has said something, or has gone.
void control_message(struct supervisor *supervisor);
// A new daemon: it takes the old one's place.
void control_accept(struct supervisor *supervisor);
