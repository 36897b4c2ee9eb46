// Reads a request of the connection process's, which is a stranger's: each field once, of its own kind, in
// bounds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define MOST_VARIABLES 256
#define MOST_MODES 1024

enum request_field { // that a request has
    HAS_SLOT = 1 << 0,
    HAS_KIND = 1 << 1,
    HAS_ARGUMENT = 1 << 2,
    HAS_NAME = 1 << 3,
    HAS_CODE = 1 << 4,
    HAS_SIZE = 1 << 5,
    HAS_SIGNAL = 1 << 6,
    HAS_TERM = 1 << 7,
    HAS_MODES = 1 << 8,
    HAS_AGENT = 1 << 9,
    HAS_X11 = 1 << 10,
    HAS_VARIABLES = 1 << 11,
};

struct request {
    uint16_t type;
    unsigned has;
    uint32_t slot, code, signal, agent;
    uint32_t size[4]; // columns, rows, and in pixels
    char kind[32], term[64], x11[256];
    char *argument;  // of GW_SESSION
    char name[1026]; // a host or a path: as much as of either may matter
    char *variables[MOST_VARIABLES + 1];
    size_t variable_count;
    uint8_t modes[MOST_MODES];
    size_t mode_count;
};

// False: it is no request that there is. To be freed in either case.
bool request_read(struct request *request, const uint8_t *bytes, size_t length);
void request_free(struct request *request);
