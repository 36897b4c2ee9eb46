// The state of one supervisor: one sandbox, its sessions, and the daemon's connection, if there is
// one just now.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cause.h"
#include "cgroup/cgroup.h"
#include "network/network.h"
#include "shared.h"
#include "spec.h"

#define NEVER UINT64_MAX
#define ID_BYTES 40
#define MAX_REPORTS 64
#define NOTE_BYTES 200
#define WHY_BYTES 900 // with the rest of EXIT, what a client has room for

struct kept;

struct session {
    bool used;
    bool started;     // the spawner has been asked for it; its pid appears in the shared slot
    bool taken;       // its process was seen to have received the login: what the client says now is for us
    bool hung_up;     // its client is gone, and its process group has been told
    bool told;        // why the sandbox ends, on its terminal
    bool ended;       // its leader has exited and its client has been told
    enum cause cause; // of an end that was not its program's own; CAUSE_NONE: none yet
    char id[ID_BYTES];
    int connection; // to the login client
    int pts;        // kept open so that the master's end of file means the session's end
    uint64_t received_ns;
    uint64_t sent_ns;
    uint64_t kill_at_ns;   // when what is left of it is killed
    unsigned kills;        // how often it has been
    uint64_t ends_at_ns;   // when it has lasted as long as it may (session/time.c)
    uint64_t look_at_ns;   // when its terminal is looked at next
    uint64_t idle_ns;      // how long that may be still
    uint64_t active_at_ns; // when it was seen not to be
    int64_t read_at, written_at;
    int pts_number;              // of its terminal inside, or -1
    struct kept *kept;           // it has a keeper (kept/kept.h); NULL: none
    char target[ID_BYTES];       // it only looks at the session of this id; "": it is one of its own
    bool offered;                // or may become one of its own: its user is asked
    bool tells;                  // those at that session are told
    bool takes;                  // and leave it
    uint32_t looks;              // how (enum looks)
    struct session *seen;        // that session, once it does
    uint64_t cpu_us, peak_bytes; // of its leader and what that has waited for, when it has exited
    char note[NOTE_BYTES];       // the daemon's own, for a later daemon; never read here
};

#define WORK_NAMES 5

// What goes on without a session (work/work.h).
struct work {
    unsigned count; // of processes
    unsigned named;
    char names[WORK_NAMES][16]; // each once
};

// How a session ended, kept while no daemon is connected to hear it.
struct report {
    char id[ID_BYTES];
    uint32_t kind, code;
    enum failure failure; // FAILURE_NONE: its program was run
    enum cause cause;
    uint64_t steps[4];
    // Processor time in microseconds, the most memory of one process in bytes, and bytes read and written.
    uint64_t used[4];
    size_t used_count; // of these: what the kernel says
    char text[256];
    bool last; // `work` is what is left with nobody there
    struct work work;
};

enum state { STATE_IDLE, STATE_RUNNING, STATE_STOPPING };

struct supervisor {
    enum state state;
    int control;  // to the daemon; CLOSED_FD while there is none
    int listener; // where a later daemon connects
    int signals;
    int spawner;     // to the spawner
    int init;        // to PID 1, which ends when it is alone once it has heard something there
    int init_binary; // what PID 1 will run
    int devpts;      // the sandbox's own /dev/pts
    int terminals;   // the same, until it is mounted (devpts.h)
    int init_pidfd;
    pid_t spawner_pid;
    pid_t init_pid;
    struct shared *shared;
    uint64_t asked; // sessions that a spawner has been asked for
    struct cgroups cgroups;
    struct spec spec;
    uint64_t received_ns;
    uint64_t linger_at_ns; // when an idle sandbox stops
    uint64_t kill_at_ns;   // when a stopping one is killed
    uint64_t detach_at_ns; // when what the sandbox was built from is no longer mounted here
    uint64_t thaw_at_ns;   // when a paused one runs on; NEVER: it is not paused
    uint32_t pause;        // the daemon's number of the pause, so that it knows which one an answer is about
    struct session sessions[MAX_SESSIONS];
    size_t reached;      // none beyond has ever been used, and their pages stay untouched
    char why[WHY_BYTES]; // it ends, for those inside; empty: they need not know
    enum cause cause;    // it ends, for the daemon
    uint64_t oom_kills;  // that they have been told of (cgroup/memory.h)
    struct report reports[MAX_REPORTS];
    size_t report_count;
    struct network network;
};

// supervise.c: the whole life of a supervisor; `control` is the connection with the daemon.
_Noreturn void supervise(int control, int init_binary);

// leave.c
// Ends the sandbox now, and with it the supervisor.
_Noreturn void supervisor_leave(struct supervisor *supervisor);
// Asks all processes in the sandbox to end, and kills those that are left after the grace. `why`: what those
// inside are told, cut to WHY_BYTES; NULL: nobody is inside.
void supervisor_stop(struct supervisor *supervisor, enum cause cause, const char *why);
// Asks PID 1 to look whether it is alone, and to end when it is.
void supervisor_end_when_alone(const struct supervisor *supervisor);

// build.c
// Starts the spawner, which closes what it inherits of the supervisor's.
int spawner_start(struct supervisor *supervisor, int init_end, struct err *err);
struct received {
    const uint8_t *bytes;
    size_t length;
    int *fds; // what is taken of them is closed there
    unsigned count;
};
int build_sandbox(struct supervisor *supervisor, struct wire_reader *reader, const struct received *received,
                  struct err *err);
// A spawner that died (the kernel's OOM killer may choose it) is replaced by a new one.
int replace_spawner(struct supervisor *supervisor, struct err *err);

// session/begin.c
// Takes the connection out of `fds` where it keeps it.
void session_start(struct supervisor *supervisor, struct wire_reader *reader, int *fds, unsigned count);
// Hears what the spawner and the sessions' processes have said until now.
void session_hear_spawner(struct supervisor *supervisor);

// session.c
// Hangs a session up for a cause of ours. Nobody is told.
void session_end_kept(struct supervisor *supervisor, struct session *session, enum cause cause);
void session_message(struct supervisor *supervisor, struct session *session);
// A child of ours has exited; it is still a zombie. True: it may be reaped now.
bool session_exited(struct supervisor *supervisor, pid_t pid, int wait_code, int wait_status);
void session_deadline(struct supervisor *supervisor, struct session *session);
// Ends a session whose time is over.
void session_check_time(struct supervisor *supervisor, struct session *session);
size_t session_count(const struct supervisor *supervisor);
// Where nobody is there any more, no connection of sshd's either: from now on it stays as long as it lingers.
void supervisor_linger(struct supervisor *supervisor);
void session_report_all(struct supervisor *supervisor);
