// Matches names and addresses against lists of patterns, as sshd's "from=" has them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "keys/blob.h"

// Whether one of the patterns, with commas between, is the address: with * and ?, or ADDRESS/BITS. One with a
// ! in front that fits rules it out, whatever the others say.
bool match_address(const char *list, const char *address);
// Whether a word of the list, with commas or blanks between, is this one.
bool match_word(const char *list, struct bytes word);
