// Reads the lines of a network's plan: words between single blanks, each of them an address, a number, ports
// or one of a few names. False: it is anything else.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "wire.h"

// Above any line that the daemon writes: a name and an address, or an address and ports.
#define LINE_BYTES 192
#define MOST_WORDS 4

// Copies the field and splits it at its blanks into exactly `count` words.
bool words_of(const struct wire_field *field, char line[LINE_BYTES], char *words[MOST_WORDS], size_t count);
// Decimal digits and nothing else, up to and including `most`.
bool decimal_of(const char *text, uint32_t most, uint32_t *number);
bool address_of(const char *text, struct net_prefix *address);
// "ADDRESS/BITS", or an address alone, which is all its bits.
bool range_of(char *text, struct net_prefix *range);
// "FIRST-LAST", or one port alone.
bool ports_of(char *text, struct net_ports *ports);
bool choice_of(const char *text, const char *const *choices, size_t count, unsigned *choice);
bool protocol_of(const char *text, enum net_protocol *protocol);
