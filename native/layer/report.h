// Reports a failure of dockersh-layer: one line on stderr, and its exit status.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

// 64 to 71 as in sysexits(3h), the others our own; src/images/layers/program.ts says what each means for
// people.
enum {
    EXIT_USAGE = 64,
    EXIT_DATA = 65, // what was read is refused
    EXIT_SYSTEM = 71,
    EXIT_SYSTEM_ENTRY = 80, // the system refused something of one entry
    EXIT_FULL = 81,         // no space, or no more for this owner
    EXIT_DAMAGED = 82,      // no whole archive
    EXIT_LIMIT = 83,        // more than the limits allow
    EXIT_IDS = 84,          // an id that sandboxes do not have
    EXIT_NAMELESS = 85,     // an id that is only named
};

// Why something that was read is refused, where that is more than that it is.
enum refusal {
    REFUSED_DATA = EXIT_DATA,
    REFUSED_DAMAGED = EXIT_DAMAGED,
    REFUSED_LIMIT = EXIT_LIMIT,
    REFUSED_IDS = EXIT_IDS,
    REFUSED_NAMELESS = EXIT_NAMELESS
};

// As err_plain.
int err_refused(struct err *err, enum refusal why, const char *what, const char *object);

// Tells the failure, with the entry and the offset in the archive where there are such. Returns the status.
int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset);

// One line on stderr about something that is no failure: "WHAT 'PATH': why".
void note(const char *what, const char *path, const char *why);
