// Says on standard error why a login ends, and ends the client as its session has ended.
#pragma once

#include "wire.h"

struct outcome {
    enum { OUTCOME_EXIT, OUTCOME_SIGNAL, OUTCOME_HANGUP, OUTCOME_LOST } kind;
    int code;        // exit status, or signal number
    char text[1024]; // what the supervisor had to say about it, or empty
};

// What EXIT says.
struct outcome outcome_read(struct wire_reader *reader);

// The exit status of our own failures.
#define EXIT_OURS 125

void say(const char *text);
_Noreturn void fail(const char *text);
_Noreturn void leave(const struct outcome *outcome);
