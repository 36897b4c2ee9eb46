// Sessions with a keeper (keeper/keeper.h): those that are kept when their connection ends, recorded, or to
// be watched. What the supervisor has of them: the terminal's master, who looks, and until when one that
// nobody looks at goes on.
//
//   kept.c      the keeper's process: starts it, and another where it dies
//   talk.c      what is said between it and the supervisor
//   viewers.c   who looks: comes, goes, and is told of the end
//   recorded.c  what is recorded of it
//   screens.c   what interprets a terminal's bytes, when a keeper asks for it
//   leaving.c   what goes on without its connection, and for how long
#pragma once

#include <poll.h>

#include "keeper/keeper.h"
#include "supervisor.h"

// How a login looks at a session: TAG_VIEW.
enum looks {
    LOOKS_ATTACH = 0, // as its user, who goes on working
    LOOKS_PEEK = 1,   // as its user, without typing
    LOOKS_WATCH = 2,  // as root
    LOOKS_JOIN = 3,   // as root, typing
};

struct looker {
    unsigned slot; // of the session whose login client looks
    int socket;    // a copy of the keeper's end; CLOSED_FD: nobody
    enum looks looks;
};

struct kept {
    struct kept *next; // of those whose session has ended, until all is shown
    pid_t pid;         // of the keeper; 0: there is none just now
    int control;       // to it
    pid_t screen;      // what it has been given of these (screens.h); 0: none
    int master;
    bool over;
    uint64_t started_ns; // the keeper
    uint64_t again_ns;   // when another one is started; NEVER
    unsigned starts;     // of keepers, since the session is over
    uint64_t keep_ns;    // how long the session may be on its own; 0: not at all
    uint64_t until_ns;   // when it ends, while nobody looks
    uint64_t left_ns;    // since when nobody does
    unsigned most;       // sessions of the user's that may be on their own
    struct looker lookers[KEEPER_VIEWERS];
    bool records, record_refuses;
    bool record_waits; // there is no room for it, and the terminal stands still
    struct record_settings record;
};

// ---- kept.c ----------------------------------------------------------------------------------------------

// Reads of MSG_SESSION whether it is to have a keeper. `file`: for its recording, which is taken; NULL: none.
void kept_begin(struct session *session, struct wire_reader reader, int *file);
// The session's process has made its terminal: its keeper starts, and the client gets a viewer's socket.
// False: it can't.
bool kept_terminal(struct supervisor *supervisor, struct session *session, int *master);
// The session has ended. Its viewers are shown the rest of it.
void kept_end(struct session *session);
// Starts a keeper anew where one has died; waits for none.
void kept_reap(const struct supervisor *supervisor);
uint64_t kept_next(const struct supervisor *supervisor);
void kept_due(struct supervisor *supervisor, uint64_t now);
// The sandbox ends: what can still be shown is, for a moment.
void kept_end_all(struct supervisor *supervisor);

// ---- talk.c ----------------------------------------------------------------------------------------------

// Tells the keeper.
bool kept_tell(struct kept *kept, enum wire_type type, uint32_t view, int fd);
// Its connection is there now; or is closed.
void kept_listen(struct kept *kept);
void kept_close(struct kept *kept);
void kept_end_screen(struct kept *kept);
// What becomes readable when kept_hear() has something to do; CLOSED_FD before the first keeper.
int kept_poll(void);
void kept_hear(struct supervisor *supervisor);

// ---- recorded.c ------------------------------------------------------------------------------------------

// Reads of MSG_SESSION how it is recorded.
void kept_record_begin(struct kept *kept, struct wire_reader reader, int *file);
// MSG_KEEPER_RECORDING.
void kept_record_heard(struct supervisor *supervisor, struct kept *kept, struct wire_reader reader);

// ---- viewers.c -------------------------------------------------------------------------------------------

// Gives the login client of `viewer` (the session's own, or one that looks at it) a socket of the keeper's.
bool kept_show(struct session *session, struct session *viewer, unsigned slot, enum looks looks, bool fresh);
// What the keeper calls it.
uint32_t kept_view(enum looks looks);
// Whether somebody of its user's looks at it.
bool kept_is_seen(const struct kept *kept);
// The login client in this slot looks no longer.
void kept_look_away(const struct supervisor *supervisor, struct kept *kept, unsigned slot);
// A login that wants to look, from MSG_SESSION.
void kept_look_begin(struct session *viewer, struct wire_reader reader);
// Its process has received what it has sent, and has ended; -1: not by itself.
void kept_look_exited(struct supervisor *supervisor, struct session *viewer, int status);
// Who hears the signals that a login sends: a look alone ends nobody, and then it is NULL.
const struct session *kept_signalled(const struct session *session);
// Ends all who look at the session but its own client. `kind` and `code` as notice_exit() has them.
void kept_dismiss(struct supervisor *supervisor, struct session *session, uint32_t kind, uint32_t code,
                  enum cause cause, const char *text);
// A login that looks is over; the session goes on.
void kept_look_end(struct supervisor *supervisor, struct session *viewer, uint32_t kind, uint32_t code,
                   enum cause cause, const char *text);

// ---- leaving.c -------------------------------------------------------------------------------------------

// The connection of the session's own client has ended. False: with it, the session is to end.
bool kept_leave(struct supervisor *supervisor, struct session *session);
// Nobody of its user's may look at it any more: then its time begins.
void kept_check_left(struct supervisor *supervisor, struct session *session);
// MSG_KEEP, MSG_DETACH and MSG_TOUCH.
void kept_message(struct supervisor *supervisor, struct wire_reader *reader);
// The clients of those who look say the sizes of their windows again, and write to their terminals what
// nobody sees.
void kept_touch(const struct supervisor *supervisor, const struct kept *kept);
// Whoever else is at it as its user.
void kept_detach_others(struct supervisor *supervisor, struct session *session, const struct session *viewer);
// Adds those that are kept, and who looks at them, to MSG_STATE.
void kept_state(const struct supervisor *supervisor, struct wire_writer *writer);
