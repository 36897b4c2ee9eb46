// The options of a line of authorized_keys, as sshd(8) lists them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/grant.h"

struct key_options {
    struct grant grant;
    char *from;       // patterns of addresses; NULL: from anywhere
    char *principals; // of a CA's line; NULL: the account's name
    bool authority;   // the key signs certificates
    bool no_touch;    // a security key need not be touched
    bool verify;      // it has to know its holder
    bool expired;
};

// Reads options up to the blank behind them, and leaves `*line` there. False, with what is wrong, where one
// of them is not known: what it would have taken away is not known either.
bool key_options_read(struct key_options *options, const char **line, const char *end, const char **problem);
void key_options_free(struct key_options *options);
// A moment as in expiry-time: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in UTC with a Z behind it. False:
// none.
bool key_time_read(const char *text, time_t *moment);
