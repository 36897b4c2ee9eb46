// Errors of the native programs. A function that can fail returns a negative number and fills the
// `struct err` it was given: what was attempted, on which object, and errno. The text is composed
// in one place (err_text), and only for the log: what a user reads is composed by the daemon.
#pragma once

#include <stddef.h>

struct err {
    int number;       // errno, or 0 where no system call failed
    int reason;       // what a program tells apart beyond that; 0: nothing
    char what[64];    // the failing step, e.g. "mount overlay"
    char object[160]; // what it was done to; may be empty
};

// Fills `err` with the current errno. Always returns -1, so that callers can `return err_sys(…)`.
int err_sys(struct err *err, const char *what, const char *object);

// As err_sys, with a reason that is no errno.
int err_plain(struct err *err, const char *what, const char *object);

// "what 'object': strerror (ENAME)". Truncates; never fails.
void err_text(const struct err *err, char *text, size_t size);
