// Holds what a login may do: everything, but for what the options of its key, or its certificate, take away.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_GRANTS 64

// At most MOST_GRANTS texts, with a NULL behind them.
struct grant_list {
    char *texts[MOST_GRANTS + 1];
    size_t count;
    bool given; // whether there is one at all: an empty list allows nothing
};

struct grant {
    bool no_pty, no_agent, no_x11, no_forwarding;
    char *command;               // what runs whatever the client asks for; NULL: that
    struct grant_list variables; // NAME=value, from the key's options
    struct grant_list opens;     // HOST:PORT that may be connected to
    struct grant_list listens;   // [HOST:]PORT that may be listened at
};

// Takes the text, also where it fails. False: there is no room.
bool grant_list_add(struct grant_list *list, char *text);
void grant_free(struct grant *grant);
// Takes over what another key restricts, and frees that. False: the two can't be had together.
bool grant_join(struct grant *grant, struct grant *other);
