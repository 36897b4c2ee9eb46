// Hand-over points between supervisor, spawner and PID 1 while a sandbox is built: a message without
// fields, with at most one descriptor.
#pragma once

#include "err.h"
#include "wire.h"

int step_send(int peer, enum wire_type type, int fd, struct err *err);
// Waits for that very message. The peer's end is an error.
int step_wait(int peer, enum wire_type type, struct err *err);
// With a descriptor, or with none: then `*fd` is left as it is.
int step_wait_any(int peer, enum wire_type type, int *fd, struct err *err);
int step_wait_fd(int peer, enum wire_type type, int *fd, struct err *err);
