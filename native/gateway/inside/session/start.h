// The child of the monitor's that becomes a session.
#pragma once

#include <stdbool.h>

struct login;

// Of X11: what "xauth" is told.
struct display {
    unsigned number, screen;
    char protocol[64], cookie[256];
};

struct start {
    const struct login *login;
    char *const *arguments;   // of the login client
    char *const *environment; //
    int streams[3];           // the session's ends
    bool is_terminal;         // streams are one, and it is to be the process's own
    const char *refusal;      // what is said instead of starting anything; NULL: it is started
    const struct display *display;
};

// "PROTOCOL COOKIE SCREEN NUMBER". False: it is none.
bool display_read(struct display *display, const char *text);
_Noreturn void start_session(const struct start *start);
