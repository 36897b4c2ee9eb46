// Looks for a key in the text of an authorized_keys file, of a file of CA keys, or of what a command says.
#pragma once

#include "auth/keys/options.h"
#include "keys/blob.h"

// A line that has a key. Its pointers lead into the text, and its options are whoever hears of it's to free.
struct key_line {
    struct key_options options;
    uint8_t *blob;
    size_t length;
    unsigned number;
};

// Hears of each line whose key is `blob` and whose options are understood; true: it has what it wants, and no
// other line is looked at. `place`: for the log.
struct key_search {
    struct bytes blob;
    const char *place;
    bool (*found)(struct key_search *search, struct key_line *line);
};

bool key_lines_search(struct key_search *search, const char *text, size_t length);
