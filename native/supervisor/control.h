// The supervisor's connection to the daemon: reads its messages and answers them.
#pragma once

#include "supervisor.h"

// False where there is no daemon that it could go to. `fd` goes with the message, unless it is CLOSED_FD.
bool control_send(const struct supervisor *supervisor, struct wire_writer *writer, int fd);
void control_send_failed(struct supervisor *supervisor, const struct err *err);
void control_send_stopping(struct supervisor *supervisor);
// Nothing of the user's runs, but there are processes that the kernel has not ended yet.
void control_send_left(struct supervisor *supervisor);
// The daemon has said something, or has gone.
void control_message(struct supervisor *supervisor);
// A new daemon: it takes the old one's place.
void control_accept(struct supervisor *supervisor);
