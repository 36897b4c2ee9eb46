// sysinfo(2) inside says what the sandbox may use and does use, where the kernel itself would say what the
// host has. A filter of the spawner's has the kernel ask here (seccomp_unotify(2)); every other call goes to
// the kernel as usual.
//
// Who answers is a process of its own, in the sandbox's cgroup (answer.c): a flood of calls takes the
// sandbox's processor time, and no login waits for it. It may hang, because it writes to the caller's memory,
// which can lie on whatever file the caller has mapped. It is begun with the first call and ends when nobody
// has called for a while. A call that it can't answer in time is answered by the kernel, as without all this.
#pragma once

#include "supervisor.h"

// For the spawner, before it is locked down: installs the filter. Its descriptor, or CLOSED_FD where the
// kernel has no such thing.
int sysinfo_filter(void);

// The supervisor's. Whether there is room for another filter, and memory: before one is installed, because
// where nobody listens the kernel says that it has no such call.
bool sysinfo_ready(void);
// Takes the descriptor.
void sysinfo_listen(int listener);
int sysinfo_poll(void);
void sysinfo_hear(const struct supervisor *supervisor);
uint64_t sysinfo_next(void);
void sysinfo_due(const struct supervisor *supervisor, uint64_t now);
void sysinfo_reap(void);
// The sandbox ends; whoever answers is waited for with all others.
void sysinfo_end(void);

// ---- between the two -------------------------------------------------------------------------------------

#define SYSINFO_LISTENERS 4

// Shared with the process that answers, which may be gone or hang at any moment.
struct sysinfo_page {
    // The call of each listener that it took last: without an answer its caller would wait for ever. 0: none.
    _Atomic uint64_t ids[SYSINFO_LISTENERS];
    _Atomic uint64_t since_ns; // 0: it is at none
};

struct sysinfo_begin {
    const struct supervisor *supervisor;
    struct sysinfo_page *page;
    int listeners[SYSINFO_LISTENERS];
    long started_s; // the sandbox, by CLOCK_BOOTTIME
};

_Noreturn void sysinfo_answer(const struct sysinfo_begin *begin);

// Has the kernel answer a call itself.
void sysinfo_pass(int listener, uint64_t id);
// The next call of a listener's; false: there is none any more. `notice` has room for what later kernels add.
struct sysinfo_notice {
    _Alignas(8) uint8_t bytes[512];
};
bool sysinfo_receive(int listener, struct sysinfo_notice *notice);
