// Parses numbers as archives and arguments have them.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Unsigned decimal number that fills `length` bytes exactly and fits a signed 64-bit one.
int decimal_parse(const char *text, size_t length, uint64_t *value);
