// Passes to the daemon what the sandbox's own processes ask for by words of self-service, and its answers
// back. A few at a time, and not often: whoever asks more waits in the kernel's queue.
#pragma once

#include <poll.h>

#include "supervisor.h"
#include "wire.h"

#define ASKED_MOST 4
#define ASKED_POLLS (1 + ASKED_MOST)

// From PID 1; owned from now on.
void asked_open(int listener);
// What is waited for, in ASKED_POLLS places.
void asked_poll(const struct supervisor *supervisor, struct pollfd *polled);
void asked_hear(struct supervisor *supervisor, const struct pollfd *polled);
// When to look again; NEVER where nothing is waited for.
uint64_t asked_next(void);
// The daemon's answer.
void asked_answer(struct supervisor *supervisor, struct wire_reader *reader);
// The daemon that has been asked is gone: nobody knows how far it came.
void asked_lost(struct supervisor *supervisor);
// The sandbox ends.
void asked_close(struct supervisor *supervisor);
