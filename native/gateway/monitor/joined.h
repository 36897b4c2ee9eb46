// From the moment that somebody has logged in: hands what they ask for to what is inside the sandbox.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct monitor;

void joined_begin(struct monitor *monitor);
void joined_hear(struct monitor *monitor, const uint8_t *bytes, size_t length);
void joined_reap(struct monitor *monitor);
void joined_end(struct monitor *monitor);
