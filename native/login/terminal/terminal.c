#include "terminal/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios original;
static bool saved;

// The descriptors are shared with whoever started us (sshd, su, a shell), and O_NONBLOCK belongs to
// the shared open file: so a file of our own is opened for the same terminal.
static int reopen(int fd, int flags) {
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool can(int fd, int mode) {
    int access = fcntl(fd, F_GETFL) & O_ACCMODE;
    return access == O_RDWR || access == mode;
}

bool terminal_find(struct terminal *terminal) {
    static const int input_order[] = {0, 1, 2};
    static const int output_order[] = {1, 2, 0};
    *terminal = (struct terminal){.input = -1, .output = -1, .alone = isatty(0) && isatty(1) && isatty(2)};
    for (int index = 0; index < 3; index++) {
        int in = input_order[index];
        int out = output_order[index];
        if (terminal->input < 0 && isatty(in) && can(in, O_RDONLY))
            terminal->input = in;
        if (terminal->output < 0 && isatty(out) && can(out, O_WRONLY))
            terminal->output = out;
    }
    if (terminal->input < 0 && terminal->output < 0)
        return false;
    if (terminal->output >= 0) {
        int own = reopen(terminal->output, O_WRONLY);
        terminal->chunked = own < 0; // another user's terminal, as after su: not ours to open
        if (own >= 0)
            terminal->output = own;
    }
    return true;
}

void terminal_raw(struct terminal *terminal) {
    // Only once: after a stop and SIGCONT the terminal may be raw already, and that is not its own state.
    if (!saved && (terminal->input < 0 || tcgetattr(terminal->input, &original) != 0))
        return;
    saved = true;
    struct termios raw = original;
    cfmakeraw(&raw);
    if (!terminal->alone)
        raw.c_oflag |= original.c_oflag & (tcflag_t)(OPOST | ONLCR);
    // TCSANOW, because waiting for output to drain could wait for ever on a stopped terminal.
    terminal->raw = tcsetattr(terminal->input, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *terminal) {
    if (!terminal->raw)
        return;
    (void)tcsetattr(terminal->input, TCSANOW, &original);
    terminal->raw = false;
}

void terminal_copy_size(const struct terminal *terminal, int ptm) {
    struct winsize size;
    int fd = terminal->input >= 0 ? terminal->input : terminal->output;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0)
        (void)ioctl(ptm, TIOCSWINSZ, &size);
}
