// Shared by the files of the keeper: who looks at the session, and its terminal.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "keeper/view.h"

struct keeper_begin;

struct viewer {
    int socket; // CLOSED_FD: there is none
    uint32_t view;
    bool has_chunk;  // of what is being passed on
    bool behind;     // others were shown what it did not take: it gets all anew when it reads again
    bool ended;      // its client has gone, and what it has typed is still to be taken
    bool anew;       // it is to be shown everything, and gets nothing until then
    bool has_seen;   // it has been shown the session before
    uint8_t *redraw; // what is sent to it first; NULL: nothing
    size_t redraw_length, redraw_done;
    struct winsize window; // of no columns: not said yet
};

struct keeper {
    int control, master;
    bool over;
    struct viewer viewers[KEEPER_VIEWERS];
    uint64_t restore_at_ns; // when the terminal gets its own size again; NEVER
};

#define NEVER UINT64_MAX

extern struct keeper keeper;

// Gets nothing of what comes now: it is to be shown everything first.
static inline bool viewer_waits(const struct viewer *viewer) {
    return viewer->anew || (viewer->view & VIEW_FRESH) != 0;
}

uint64_t keeper_now_ns(void);
void viewer_add(int socket, uint32_t view);
// Its client, where it is there still, sees the end.
void viewer_drop(struct viewer *viewer);

// output.c
// What to wait for.
short output_wants_master(void);
short output_wants(const struct viewer *viewer);
// The terminal has something, or a viewer can take something. Never waits.
void output_go_on(void);
// When a viewer that is behind may be shown everything anew; NEVER where there is none.
uint64_t output_next_ns(void);
// Whether everything there was has been shown, since it was last said to look again.
bool output_is_done(void);
// Whether the terminal had nothing more when it was read last.
bool output_is_empty(void);
void output_look_again(void);

// input.c
short input_wants_master(void);
short input_wants(const struct viewer *viewer);
void input_read(struct viewer *viewer);
void input_write(void);
bool input_is_empty(void);
// Learns the size that the terminal has. Before rights are given up.
void input_begin(void);
struct winsize input_size(void);
// Gives the terminal the smallest window of those that count.
void input_fit(void);
// Has whatever shows itself on the terminal do so anew: its size changes for a moment.
void input_redraw(void);
void input_restore(void);
// Tells the log what size the terminal has.
void input_log_size(void);

// recording.c
// Has the session recorded (record/) while it is shown, and tells the supervisor where it can't be. Before
// rights are given up; false: there is no memory for it.
bool recording_begin(const struct keeper_begin *begin);
// False: what the terminal shows stays there for now.
bool recording_takes(void);
void recording_output(const char *bytes, size_t length);
// Whether the terminal echoes: before keys are passed to it, of which recording_input() tells afterwards.
void recording_look(void);
void recording_input(const uint8_t *bytes, size_t length);
void recording_resize(const struct winsize *size);
// When recording_go_on() has something to do; NEVER.
uint64_t recording_next_ns(void);
void recording_go_on(void);
void recording_end(void);
