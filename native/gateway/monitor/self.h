// All that one connection's monitor knows, and what its parts ask of it.
#pragma once

#include "auth/state.h"
#include "keys/host_keys.h"
#include "loop.h"
#include "settings.h"

// Which requests are heard, one bit each.
enum monitor_state {
    STATE_LOGIN = 1,   // nobody has logged in
    STATE_PROMPTS = 2, // nobody has, and questions have been put to them
    STATE_WORKS = 4,   // nobody has, and a request is being looked into
    STATE_IN = 8,
};

#define FROM_SIZE 160
#define ADDRESS_SIZE 64
#define SESSION_ID_MOST 64
#define ROWS_MOST 16

// What the listener has for every monitor.
struct monitor_world {
    const struct settings *settings;
    const struct host_keys *host_keys;
    const char *run_folder;  // where the daemon's sockets are
    const char *client;      // the login client's program
    const char *libexec;     // where dockersh-keys is
    const char *keys_folder; // where it reads; NULL: where it does by itself
};

struct inside;
struct login;

struct monitor {
    const struct monitor_world *world;
    enum monitor_state state;
    bool is_web; // a browser: no keys are exchanged, and none is shown
    struct watch requests, signatures, process, children;
    pid_t process_pid;
    int report;
    struct timer grace;
    char from[FROM_SIZE], address[ADDRESS_SIZE];
    uint8_t session_id[SESSION_ID_MOST];
    size_t session_id_length;   // 0: no keys have been exchanged yet
    uint32_t counts[ROWS_MOST]; // of the requests, by the rows of the table
    uint32_t proofs;            // of host keys
    struct auth auth;
    struct login *login; // of who is in
    struct inside *inside;
    struct watch inside_ready;
};

// To the connection process. Where that takes nothing any more, the connection ends.
void monitor_send(struct monitor *monitor, const uint8_t *bytes, size_t length, const int *fds,
                  unsigned count);
// Ends the connection process, what runs inside, and this process.
_Noreturn void monitor_end(struct monitor *monitor);
// As monitor_end, after a request that nobody who means well would send.
_Noreturn void monitor_breach(struct monitor *monitor, const char *what);
// The user has logged in, and has been told so.
void monitor_let_in(struct monitor *monitor);

// What a monitor tells the listener, a byte each.
enum report {
    REPORT_IN = 'i',     // has logged in
    REPORT_FAILED = 'f', // a password or key that was wrong
    REPORT_NOBODY = 'n', // an account that there is not
    REPORT_TIME = 't',   // has not logged in in time
    REPORT_SERVED = 's', // has had the web page
    REPORT_BREACH = 'b', // the connection process has done what it never does
};
void monitor_report(const struct monitor *monitor, enum report report);
