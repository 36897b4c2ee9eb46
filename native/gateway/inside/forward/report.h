// Tells the sandbox's supervisor what a connection forwards, for the audit trail. What a client does very
// often is told as a number.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "inside/request.h"

// What was asked for, as far as it is told.
struct report {
    bool listens;
    char kind[8], name[256];
    uint32_t port;
};

struct report report_of(const struct request *request);
// `supervisor`: the connection to it. `code`: 0, or errno.
void report_tell(int supervisor, const struct report *report, uint32_t code);
// Those that have only been counted.
void report_rest(int supervisor);
