#include "session/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "kept/offer.h"
#include "session/agent.h"

static uint8_t login[WIRE_MAX_BYTES];

// A descriptor that a login may hand over: something to read or write, nothing to walk through.
static bool acceptable(int fd) {
    struct stat info;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0 || fstat(fd, &info) != 0)
        return false;
    return !S_ISDIR(info.st_mode) && !S_ISBLK(info.st_mode);
}

// A PTY of the sandbox's own devpts, with the settings and the size of the user's terminal. The slave comes
// from the master itself (TIOCGPTPEER), not from a path inside the sandbox; it belongs to the user, who opens
// it.
static int open_pty(int devpts, int outer, int *pts, struct err *err) {
    cleanup_fd int ptm = openat(devpts, "ptmx", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int unlocked = 0;
    if (ptm < 0 || ioctl(ptm, TIOCSPTLCK, &unlocked) != 0)
        return err_sys(err, "open a terminal", NULL);
    cleanup_fd int slave = ioctl(ptm, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return err_sys(err, "open a terminal", "slave");
    struct termios settings;
    struct winsize size;
    if (tcgetattr(outer, &settings) == 0)
        (void)tcsetattr(slave, TCSANOW, &settings);
    if (ioctl(outer, TIOCGWINSZ, &size) == 0)
        (void)ioctl(ptm, TIOCSWINSZ, &size);
    *pts = take_fd(&slave);
    return take_fd(&ptm);
}

// The supervisor keeps the terminal's slave: then the master's end of file is the session's end, however
// often its programs close theirs.
static int give_slave(const struct child_ends *ends, int number, int pts, int ptm, struct err *err) {
    const int fds[] = {pts, ptm};
    unsigned count = ends->keeper ? 2 : 1;
    uint8_t bytes[64];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_TERMINAL);
    wire_put_u32(&writer, TAG_SLOT, ends->slot);
    wire_put_u32(&writer, TAG_TTY, (uint32_t)number);
    if (wire_send(ends->supervisor, bytes, wire_finish(&writer, count), fds, count) != 0)
        return err_sys(err, "tell the supervisor", NULL);
    return 0;
}

static int tell_client(int connection, int ptm) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_STARTED);
    unsigned count = ptm >= 0 ? 1 : 0;
    return wire_send(connection, bytes, wire_finish(&writer, count), &ptm, count);
}

static int receive(const struct child_ends *ends, int *fds, struct err *err) {
    unsigned count;
    ssize_t length = wire_receive(ends->connection, login, sizeof login, fds, &count);
    if (length == 0)
        return -1; // it has gone
    if (length < 0)
        return err_code(err, FAILURE_DESCRIPTORS, "receive the login", NULL);
    if (count != 3)
        return err_plain(err, FAILURE_DESCRIPTORS, "the login came without descriptors 0, 1 and 2", NULL);
    return 0;
}

int streams_drop(const struct child_ends *ends, bool *has_terminal, struct err *err) {
    int fds[WIRE_MAX_FDS];
    if (receive(ends, fds, err) != 0)
        return -1;
    for (int index = 0; index < 3; index++)
        *has_terminal |= isatty(fds[index]);
    *ends->taken = true;
    return 0;
}

int streams_take(struct streams *streams, const struct child_ends *ends, struct err *err) {
    int fds[WIRE_MAX_FDS];
    if (receive(ends, fds, err) != 0)
        return -1;
    if (ends->offer != NULL && offer_is_taken(fds, ends->offer)) {
        *ends->taken = true;
        (void)agent_follow(ends->environment); // who comes back brings another one
        _exit(0);
    }
    *streams = (struct streams){.number = -1};
    cleanup_fd int ptm = CLOSED_FD;
    int pts = CLOSED_FD;
    for (int index = 0; index < 3; index++) {
        streams->fds[index] = fds[index];
        if (!acceptable(fds[index]))
            return err_plain(err, FAILURE_DESCRIPTORS, "descriptors 0, 1 and 2 must not be folders or disks",
                             NULL);
        if (!isatty(fds[index]))
            continue;
        if (ptm < 0 && (ptm = open_pty(ends->devpts, fds[index], &pts, err)) < 0)
            return -1;
        streams->fds[index] = pts;
        streams->tty |= 1u << index;
    }
    if (ptm >= 0 && ioctl(ptm, TIOCGPTN, &streams->number) != 0)
        streams->number = -1;
    if (pts >= 0 && give_slave(ends, streams->number, pts, ptm, err) != 0)
        return -1;
    *ends->taken = true;
    return ptm >= 0 && ends->keeper ? 0 : tell_client(ends->connection, ptm);
}
