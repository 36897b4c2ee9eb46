#include "sysinfo/sysinfo.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/memory.h"
#include "cleanup.h"
#include "closing.h"
#include "keep.h"
#include "sys.h"

// linux/seccomp.h of Linux 5.19, where a signal does not take a call back that is being answered.
#define WAIT_KILLABLE (1UL << 5)
// A call that has not been answered by then is the kernel's.
#define PATIENCE_NS 5000000000u
// Until another process is begun where one has failed; the kernel answers meanwhile, so many calls at a time.
#define AGAIN_NS 10000000000u
#define AT_A_TIME 16
#define MOST_STUCK 2
#define IDS_AFTER 16
#define REST_NS 10000000u

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#define SMALL AUDIT_ARCH_I386
#define X32 0x40000000u
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#define SMALL AUDIT_ARCH_ARM
#define X32 0u
#endif
#define SMALL_SYSINFO 116 // of both

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

// x32 has the call's own number and the larger structure; the sandbox's filter refuses all of x32.
static const struct sock_filter filter[] = {
    LOAD(arch),
    IS(MACHINE, 2, 0),
    IS(SMALL, 3, 0),
    RETURN(SECCOMP_RET_ALLOW),
    LOAD(nr),
    IS(SYS_sysinfo, 2, 3),
    LOAD(nr),
    IS(SMALL_SYSINFO, 0, 1),
    RETURN(SECCOMP_RET_USER_NOTIF),
    RETURN(SECCOMP_RET_ALLOW),
};

static struct {
    int epoll;
    int listeners[SYSINFO_LISTENERS];
    size_t count;
    struct sysinfo_page *page;
    pid_t pid;               // who answers; 0: nobody
    pid_t stuck[MOST_STUCK]; // who did, and has not ended yet
    size_t handed;           // it has the first of them
    uint64_t again_ns;       // no process before then
    uint64_t rest_ns;        // nothing is heard before then; 0: all is
    long started_s;
} self = {.epoll = CLOSED_FD};

int sysinfo_filter(void) {
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0],
                                       .filter = (struct sock_filter *)(uintptr_t)filter};
    const unsigned long flags =
        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW | WAIT_KILLABLE;
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    return listener >= 0 ? listener : CLOSED_FD;
}

bool sysinfo_receive(int listener, struct sysinfo_notice *notice) {
    memset(notice, 0, sizeof *notice);
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice->bytes) == 0;
}

void sysinfo_pass(int listener, uint64_t id) {
    struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

// ---- listeners -------------------------------------------------------------------------------------------

int sysinfo_poll(void) {
    return self.rest_ns == 0 ? self.epoll : CLOSED_FD;
}

// Which of them are heard here: those that whoever answers does not have.
static void watch(void) {
    for (size_t index = 0; index < self.count; index++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
        (void)epoll_ctl(self.epoll, EPOLL_CTL_DEL, self.listeners[index], NULL);
        if (self.pid == 0 || index >= self.handed)
            (void)epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.listeners[index], &event);
    }
}

// Nobody has its filter any more.
static void drop(size_t index) {
    close_fd(self.listeners[index]);
    self.count--;
    memmove(self.listeners + index, self.listeners + index + 1,
            (self.count - index) * sizeof *self.listeners);
    watch();
}

bool sysinfo_ready(void) {
    if (self.epoll < 0)
        self.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self.page == NULL) {
        void *page = mmap(NULL, sizeof *self.page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        self.page = page != MAP_FAILED ? page : NULL;
    }
    return self.epoll >= 0 && self.page != NULL && self.count < SYSINFO_LISTENERS;
}

void sysinfo_listen(int listener) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = self.count};
    struct timespec now;
    if (self.count == 0 && clock_gettime(CLOCK_BOOTTIME, &now) == 0)
        self.started_s = now.tv_sec;
    if (epoll_ctl(self.epoll, EPOLL_CTL_ADD, listener, &event) == 0)
        self.listeners[self.count++] = listener;
    else
        close_fd(listener);
}

// ---- who answers -----------------------------------------------------------------------------------------

static _Noreturn void run(const struct supervisor *supervisor) {
    struct sysinfo_begin begin = {.supervisor = supervisor, .page = self.page, .started_s = self.started_s};
    int kept[SYSINFO_LISTENERS + 1];
    for (size_t index = 0; index < SYSINFO_LISTENERS; index++)
        kept[index] = begin.listeners[index] = index < self.count ? self.listeners[index] : CLOSED_FD;
    kept[SYSINFO_LISTENERS] = supervisor->init_pidfd;
    if (supervisor->cgroups.version == 1)
        cgroups_attach_meanwhile(&supervisor->cgroups); // a caller waits
    memory_score("-1000");                              // whoever waits for it would wait for ever
    keep_only(kept, sizeof kept / sizeof kept[0]);
    closing_forget();
    sysinfo_answer(&begin);
}

static bool begin(const struct supervisor *supervisor, uint64_t now) {
    struct err ignored = {0};
    struct sys_clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int cgroup = CLOSED_FD;
    if (now < self.again_ns || (self.stuck[0] > 0 && self.stuck[1] > 0))
        return false;
    (void)cgroups_birth(&supervisor->cgroups, &supervisor->spec, true, &args, &cgroup, &ignored);
    memset(self.page, 0, sizeof *self.page);
    pid_t pid = sys_clone3(&args);
    if (pid == 0)
        run(supervisor);
    if (pid < 0) { // the sandbox has as many processes as it may, perhaps
        self.again_ns = now + AGAIN_NS;
        return false;
    }
    self.pid = pid;
    self.handed = self.count;
    watch();
    return true;
}

// Of those that nobody else answers: so few that it costs the supervisor nothing, however many come.
static void pass_some(size_t index) {
    struct sysinfo_notice notice;
    for (int left = AT_A_TIME; left > 0; left--) {
        struct pollfd polled = {.fd = self.listeners[index], .events = POLLIN};
        // RECV waits where there is no call any more.
        if (poll(&polled, 1, 0) != 1 || (polled.revents & POLLIN) == 0 ||
            !sysinfo_receive(self.listeners[index], &notice))
            return;
        sysinfo_pass(self.listeners[index], ((const struct seccomp_notif *)notice.bytes)->id);
    }
    self.rest_ns = monotonic_ns() + REST_NS;
}

void sysinfo_hear(const struct supervisor *supervisor) {
    struct epoll_event event;
    if (epoll_wait(self.epoll, &event, 1, 0) != 1)
        return;
    size_t index = event.data.u64;
    if ((event.events & EPOLLIN) == 0)
        drop(index);
    else if (self.pid > 0 || !begin(supervisor, monotonic_ns()))
        pass_some(index);
}

// ---- time ------------------------------------------------------------------------------------------------

uint64_t sysinfo_next(void) {
    uint64_t next = self.rest_ns != 0 ? self.rest_ns : NEVER;
    uint64_t late = self.pid > 0 ? monotonic_ns() + PATIENCE_NS : NEVER;
    return late < next ? late : next;
}

// What it was at is the kernel's; and what comes next, where it has failed. The kernel counts calls: it may
// have taken one more than it has said. One that nobody has taken, or that is over, the kernel knows as such.
static void lost(uint64_t now, bool failed) {
    for (size_t index = 0; index < self.handed; index++) {
        uint64_t id = self.page->ids[index];
        for (unsigned more = 0; id != 0 && more < IDS_AFTER; more++)
            sysinfo_pass(self.listeners[index], id + more);
    }
    if (failed)
        self.again_ns = now + AGAIN_NS;
    self.pid = 0;
    self.handed = 0;
    watch();
}

void sysinfo_due(const struct supervisor *supervisor, uint64_t now) {
    if (self.rest_ns != 0 && self.rest_ns <= now)
        self.rest_ns = 0;
    uint64_t since = self.pid > 0 ? self.page->since_ns : 0;
    // What stands still with its sandbox is not late.
    if (since == 0 || since + PATIENCE_NS > now || supervisor->thaw_at_ns != NEVER)
        return;
    (void)kill(self.pid, SIGKILL);
    // It may hang for longer: with so many of them there is no other.
    for (size_t index = 0; index < MOST_STUCK; index++) {
        if (self.stuck[index] == 0) {
            self.stuck[index] = self.pid;
            break;
        }
    }
    lost(now, true);
}

void sysinfo_reap(void) {
    int status;
    if (self.pid > 0 && waitpid(self.pid, &status, WNOHANG) == self.pid)
        lost(monotonic_ns(), status != 0);
    for (size_t index = 0; index < MOST_STUCK; index++) {
        if (self.stuck[index] > 0 && waitpid(self.stuck[index], NULL, WNOHANG) == self.stuck[index])
            self.stuck[index] = 0;
    }
}

void sysinfo_end(void) {
    if (self.pid > 0)
        (void)kill(self.pid, SIGKILL);
}
