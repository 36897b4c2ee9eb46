#include "inside/session/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"

#define MOST_SIZE 32767 // of what the kernel's signed users of it take
#define DISABLED 255    // RFC 4254: the character does nothing

enum place { CONTROL, INPUT, OUTPUT, LOCAL, CHARACTER };

static const struct mode {
    uint8_t number;
    uint8_t place;
    tcflag_t flag; // or the character's index
} known[] = {
    {1, CHARACTER, VINTR},   {2, CHARACTER, VQUIT},  {3, CHARACTER, VERASE},    {4, CHARACTER, VKILL},
    {5, CHARACTER, VEOF},    {6, CHARACTER, VEOL},   {7, CHARACTER, VEOL2},     {8, CHARACTER, VSTART},
    {9, CHARACTER, VSTOP},   {10, CHARACTER, VSUSP}, {12, CHARACTER, VREPRINT}, {13, CHARACTER, VWERASE},
    {14, CHARACTER, VLNEXT}, {16, CHARACTER, VSWTC}, {18, CHARACTER, VDISCARD}, {30, INPUT, IGNPAR},
    {31, INPUT, PARMRK},     {32, INPUT, INPCK},     {33, INPUT, ISTRIP},       {34, INPUT, INLCR},
    {35, INPUT, IGNCR},      {36, INPUT, ICRNL},     {37, INPUT, IUCLC},        {38, INPUT, IXON},
    {39, INPUT, IXANY},      {40, INPUT, IXOFF},     {41, INPUT, IMAXBEL},      {42, INPUT, IUTF8},
    {50, LOCAL, ISIG},       {51, LOCAL, ICANON},    {52, LOCAL, XCASE},        {53, LOCAL, ECHO},
    {54, LOCAL, ECHOE},      {55, LOCAL, ECHOK},     {56, LOCAL, ECHONL},       {57, LOCAL, NOFLSH},
    {58, LOCAL, TOSTOP},     {59, LOCAL, IEXTEN},    {60, LOCAL, ECHOCTL},      {61, LOCAL, ECHOKE},
    {62, LOCAL, PENDIN},     {70, OUTPUT, OPOST},    {71, OUTPUT, OLCUC},       {72, OUTPUT, ONLCR},
    {73, OUTPUT, OCRNL},     {74, OUTPUT, ONOCR},    {75, OUTPUT, ONLRET},      {90, CONTROL, CS7},
    {91, CONTROL, CS8},      {92, CONTROL, PARENB},  {93, CONTROL, PARODD},
};

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {
    {50, B50},       {75, B75},         {110, B110},       {134, B134},       {150, B150},
    {200, B200},     {300, B300},       {600, B600},       {1200, B1200},     {1800, B1800},
    {2400, B2400},   {4800, B4800},     {9600, B9600},     {19200, B19200},   {38400, B38400},
    {57600, B57600}, {115200, B115200}, {230400, B230400}, {460800, B460800}, {921600, B921600},
};

static void set_speed(struct termios *terminal, uint8_t number, uint32_t baud) {
    for (size_t index = 0; index < sizeof speeds / sizeof speeds[0]; index++) {
        if (speeds[index].baud != baud)
            continue;
        if (number == 128)
            (void)cfsetispeed(terminal, speeds[index].speed);
        else
            (void)cfsetospeed(terminal, speeds[index].speed);
    }
}

static void set_mode(struct termios *terminal, const struct mode *mode, uint32_t value) {
    tcflag_t *const flags[] = {&terminal->c_cflag, &terminal->c_iflag, &terminal->c_oflag,
                               &terminal->c_lflag};
    if (mode->place == CHARACTER) {
        terminal->c_cc[mode->flag] = value == DISABLED ? _POSIX_VDISABLE : (cc_t)value;
        return;
    }
    tcflag_t *where = flags[mode->place];
    if (mode->place == CONTROL && (mode->flag == CS7 || mode->flag == CS8)) {
        if (value != 0)
            *where = (*where & ~(tcflag_t)CSIZE) | mode->flag;
    } else {
        *where = value != 0 ? *where | mode->flag : *where & ~mode->flag;
    }
}

// Each is a number and a u32 in the order of the network; 0 is the end, and from 160 on nobody knows what
// follows.
static void set_modes(struct termios *terminal, const uint8_t *modes, size_t length) {
    for (size_t at = 0; at + 5 <= length; at += 5) {
        uint8_t number = modes[at];
        uint32_t value = (uint32_t)modes[at + 1] << 24 | (uint32_t)modes[at + 2] << 16 |
                         (uint32_t)modes[at + 3] << 8 | modes[at + 4];
        if (number == 0 || number >= 160)
            return;
        if (number == 128 || number == 129)
            set_speed(terminal, number, value);
        for (size_t index = 0; index < sizeof known / sizeof known[0]; index++)
            if (known[index].number == number)
                set_mode(terminal, &known[index], value);
    }
}

static unsigned short bounded(uint32_t value) {
    return value > MOST_SIZE ? MOST_SIZE : (unsigned short)value;
}

static int set_size(int slave, const uint32_t size[4]) {
    const struct winsize window = {.ws_col = bounded(size[0]),
                                   .ws_row = bounded(size[1]),
                                   .ws_xpixel = bounded(size[2]),
                                   .ws_ypixel = bounded(size[3])};
    return ioctl(slave, TIOCSWINSZ, &window);
}

// By its descriptor, so that no name is looked up: what /dev/pts/N is may be another terminal by then.
static int open_pair(struct terminal *terminal, uid_t uid, gid_t group) {
    int lock = 0;
    unsigned number = 0;
    terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (terminal->master < 0 || ioctl(terminal->master, TIOCSPTLCK, &lock) != 0 ||
        ioctl(terminal->master, TIOCGPTN, &number) != 0)
        return -1;
    terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal->slave < 0 || fchown(terminal->slave, uid, group) != 0 || fchmod(terminal->slave, 0620) != 0)
        return -1;
    (void)snprintf(terminal->name, sizeof terminal->name, "/dev/pts/%u", number);
    return 0;
}

int terminal_open(struct terminal *terminal, uid_t uid, gid_t group, const uint32_t size[4],
                  const uint8_t *modes, size_t length) {
    struct termios settings;
    *terminal = (struct terminal){.master = CLOSED_FD, .slave = CLOSED_FD};
    if (open_pair(terminal, uid, group) == 0 && tcgetattr(terminal->slave, &settings) == 0) {
        set_modes(&settings, modes, length);
        if (tcsetattr(terminal->slave, TCSANOW, &settings) == 0 && set_size(terminal->slave, size) == 0)
            return 0;
    }
    int failure = errno;
    terminal_close(terminal);
    errno = failure;
    return -1;
}

void terminal_close(struct terminal *terminal) {
    close_fd_at(&terminal->master);
    close_fd_at(&terminal->slave);
}
