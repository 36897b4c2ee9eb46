// Errors of the native programs. A function that can fail returns a negative number and fills the
// `struct err` it was given: the failure's number, what was attempted, on which object, and errno. The text
// is composed in one place (err_text), and only for the log: what a user reads is composed by the daemon.
#pragma once

#include <stddef.h>

#include "failure.h"

struct err {
    int number;        // errno, or 0 where no system call failed
    enum failure code; // FAILURE_NONE: nothing has failed
    char what[64];     // the failing step, e.g. "mount overlay"
    char object[160];  // what it was done to; may be empty
};

// Each fills `err`, and returns -1, so that callers can `return err_sys(…)`.

// With the current errno: FAILURE_SYSTEM, or FAILURE_KERNEL where the kernel does not have it.
int err_sys(struct err *err, const char *what, const char *object);
// With the current errno.
int err_code(struct err *err, enum failure code, const char *what, const char *object);
// As err_code, for what writes to a disk: FAILURE_FULL where that is full.
int err_disk(struct err *err, enum failure code, const char *what, const char *object);
// As err_code, for what makes a process: FAILURE_PROCESSES where there are as many as may be.
int err_fork(struct err *err, enum failure code, const char *what, const char *object);
// Where no system call failed.
int err_plain(struct err *err, enum failure code, const char *what, const char *object);

// "what 'object': strerror (ENAME)". Truncates; never fails.
void err_text(const struct err *err, char *text, size_t size);
