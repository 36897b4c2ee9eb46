// Tells the daemon what becomes of the sandbox, where there is a daemon.
#pragma once

#include "supervisor.h"

// False where there is no daemon that it could go to. `fd` goes with the message, unless it is CLOSED_FD.
bool tell_daemon(const struct supervisor *supervisor, struct wire_writer *writer, int fd);
void tell_failed(struct supervisor *supervisor, const struct err *err);
// `work`: what ends with it, where that is known; NULL else.
void tell_stopping(struct supervisor *supervisor, const struct work *work);
void tell_work(struct wire_writer *writer, const struct work *work);
// Nothing of the user's runs, but there are processes that the kernel has not ended yet.
void tell_left(struct supervisor *supervisor);
