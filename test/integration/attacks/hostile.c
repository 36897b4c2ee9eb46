// A login client that means harm: speaks to the login socket as any process of a user could. The tests
// compile and run it as an ordinary user. It knows the protocol's layout by itself (docs/protocol.md), so
// that a mistake in the project's own code is not repeated here.
//
//   hostile SOCKET empty COUNT            an empty message with 8 descriptors, COUNT times
//   hostile SOCKET broken COUNT           every kind of broken message in turn, COUNT times
//   hostile SOCKET fields COUNT           COUNT logins with as many fields as fit in one message
//   hostile SOCKET connect SECONDS        connects and hangs up without a pause
//   hostile SOCKET silent COUNT SECONDS   connects COUNT times and says nothing
//   hostile SOCKET linger SECONDS         a broken login with a TCP socket whose close() waits
//   hostile SOCKET dirty COUNT FILE        COUNT broken logins, each with the file opened once more, which
//   has pages
//                                         to be written and nobody but the receiver to write them
//   hostile SOCKET login KIND COMMAND     a login; KIND says what is wrong with it (see login())
//   hostile SOCKET flood KIND SECONDS PROCESSES
//                                         as many connections as it can; KIND says what they say (see
//                                         flood())
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_BYTES (196 * 1024)
#define MOST_FDS 253 // SCM_MAX_FD

static const char *path;
static uint8_t bytes[MOST_BYTES + 4096];
static size_t used;

static int dial(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static ssize_t say(int to, size_t length, const int *fds, size_t count) {
    struct iovec iov = {.iov_base = bytes, .iov_len = length};
    static union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * MOST_FDS)];
    } control;
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    }
    return sendmsg(to, &message, MSG_NOSIGNAL);
}

static void start(uint32_t magic, uint16_t type, uint16_t fd_count) {
    memcpy(bytes, &magic, 4);
    memcpy(bytes + 4, &type, 2);
    memcpy(bytes + 6, &fd_count, 2);
    used = 12;
}

static void field(uint32_t tag, const void *value, uint32_t length) {
    memcpy(bytes + used, &tag, 4);
    memcpy(bytes + used + 4, &length, 4);
    memcpy(bytes + used + 8, value, length);
    used += 8 + length;
}

static void finish(void) {
    uint32_t length = (uint32_t)(used - 12);
    memcpy(bytes + 8, &length, 4);
}

static void command(const char *text) {
    start(0x01485344u, 1, 3);
    field(1, "dockersh", 8);
    if (text[0] != '\0') {
        field(1, "-c", 2);
        field(1, text, (uint32_t)strlen(text));
    }
    finish();
}

static void show_answer(int from) {
    uint8_t answer[8192];
    for (;;) {
        struct iovec iov = {.iov_base = answer, .iov_len = sizeof answer};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t got = recvmsg(from, &message, 0);
        if (got < 0 && errno == ECONNRESET)
            continue; // closed with something of ours unread; what it said before is there
        if (got < 12) {
            printf("end\n");
            return;
        }
        uint16_t type;
        memcpy(&type, answer + 4, 2);
        printf("answer %u:", type);
        for (ssize_t index = 12; index < got; index++)
            putchar(answer[index] >= 32 && answer[index] < 127 ? answer[index] : '.');
        printf("\n");
        fflush(stdout);
    }
}

static void fill(int *fds, size_t count) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t index = 0; index < count; index++)
        fds[index] = null;
}

static void empty(int count) {
    int fds[8];
    fill(fds, 8);
    for (int index = 0; index < count; index++) {
        int to = dial();
        if (say(to, 0, fds, 8) < 0)
            perror("sendmsg");
        (void)shutdown(to, SHUT_WR);
        char byte;
        (void)!recv(to, &byte, 1, 0); // until it has been dealt with
        (void)close(to);
    }
}

static void broken(int count) {
    int fds[MOST_FDS];
    fill(fds, MOST_FDS);
    for (int index = 0; index < count; index++) {
        int to = dial();
        size_t fd_count = 3;
        command("true");
        switch (index % 12) {
        case 0:
            bytes[0] ^= 1;
            break; // magic
        case 1:
            bytes[3] = 2;
            break; // version
        case 2:
            bytes[4] = 17;
            break; // a message of the daemon's own
        case 3:
            bytes[4] = 200;
            break; // no type at all
        case 4:
            fd_count = 2;
            break; // fewer than declared
        case 5:
            fd_count = MOST_FDS;
            break; // more than there is room for
        case 6:
            bytes[6] = 0;
            fd_count = 0;
            break; // none
        case 7:
            bytes[6] = 8;
            fd_count = 8;
            break; // too many, but as declared
        case 8:
            bytes[8] ^= 0xff;
            break; // length
        case 9:
            bytes[16] = 0xff;
            bytes[17] = 0xff;
            break; // a field longer than the message
        case 10:
            used = 5;
            break; // less than a header
        case 11:
            memset(bytes, 0x41, sizeof bytes);
            used = sizeof bytes;
            break;
        }
        (void)say(to, used, fds, fd_count);
        if (index % 2 == 0) { // every other one waits for the answer, the rest are gone before it comes
            struct pollfd polled = {.fd = to, .events = POLLIN};
            (void)poll(&polled, 1, 2000);
        }
        (void)close(to);
    }
}

static void fields(int count) {
    int fds[3];
    fill(fds, 3);
    for (int index = 0; index < count; index++) {
        int to = dial();
        start(0x01485344u, 1, 3);
        while (used + 8 <= MOST_BYTES)
            field(2, "", 0);
        finish();
        (void)say(to, used, fds, 3);
        struct pollfd polled = {.fd = to, .events = POLLIN};
        (void)poll(&polled, 1, 20000);
        (void)close(to);
    }
}

static void connects(int seconds) {
    time_t until = time(NULL) + seconds;
    unsigned long count = 0;
    while (time(NULL) < until) {
        int to = dial();
        if (to >= 0)
            count++;
        (void)close(to);
    }
    printf("%lu\n", count);
}

static void silent(int count, int seconds) {
    int open_ones = 0;
    for (int index = 0; index < count; index++)
        open_ones += dial() >= 0;
    printf("%d\n", open_ones);
    fflush(stdout);
    (void)sleep((unsigned)seconds);
}

// A connected TCP socket with data that the other end never reads, and SO_LINGER: whoever closes it last
// waits in close() until the time is over (socket(7)).
static int lingering(int seconds) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int small = 4096;
    (void)setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    (void)bind(listener, (struct sockaddr *)&address, sizeof address);
    (void)listen(listener, 1);
    (void)getsockname(listener, (struct sockaddr *)&address, &length);
    int sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(sender, (struct sockaddr *)&address, sizeof address);
    (void)accept(listener, NULL, NULL); // kept open, never read
    static char data[65536];
    (void)poll(NULL, 0, 50);
    while (write(sender, data, sizeof data) > 0)
        ;
    struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    (void)setsockopt(sender, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return sender;
}

// The message is read only once everything of ours is closed: the daemon has the last copy.
static void hand_over_lingering(int seconds) {
    int fds[3];
    fill(fds, 3);
    fds[0] = lingering(seconds);
    int to = dial();
    command("true");
    bytes[0] ^= 1;
    (void)say(to, used, fds, 3);
    (void)close(fds[0]);
    (void)sleep((unsigned)seconds);
}

// Nothing of ours flushes these files once there is something to be written: they are closed before, and it
// is written through descriptor 0, which stays open.
static void dirty(int count, const char *file) {
    for (int index = 0; index < count; index++) {
        int fd = open(file, O_RDWR | O_CLOEXEC);
        int fds[3] = {fd, fd, fd};
        int to = dial();
        command("true");
        bytes[0] ^= 1;
        if (fd < 0 || say(to, used, fds, 3) < 0)
            exit(1);
        (void)close(fd);
    }
    if (write(0, "x", 1) != 1)
        exit(1);
    fprintf(stderr, "handed over\n");
    (void)sleep(600);
}

// Which of the three descriptors is replaced, and by what; "gone": hangs up at once; "started": as soon
// as the session has been started; "mute": never reads an answer; "signals": sends signals without a pause;
// "late": sends its own descriptor 0 when the session has been started.
static void login(const char *kind, const char *text) {
    int fds[3];
    fill(fds, 3);
    if (strcmp(kind, "folder") == 0)
        fds[1] = open("/", O_RDONLY | O_DIRECTORY);
    else if (strcmp(kind, "path") == 0)
        fds[1] = open("/etc/passwd", O_PATH);
    else if (strcmp(kind, "root") == 0)
        fds[2] = open("/proc/self/root", O_PATH | O_DIRECTORY);
    else if (strcmp(kind, "linger") == 0) {
        fds[0] = lingering(30);
        fds[1] = open("/", O_RDONLY | O_DIRECTORY);
    } else if (strcmp(kind, "terminal") == 0) {
        int ptm = open("/dev/ptmx", O_RDWR | O_NOCTTY);
        (void)grantpt(ptm);
        (void)unlockpt(ptm);
        fds[0] = fds[1] = fds[2] = open(ptsname(ptm), O_RDWR | O_NOCTTY);
    } else if (strcmp(kind, "late") != 0) {
        fds[1] = fds[2] = 1;
    }
    int to = dial();
    command(text);
    if (say(to, used, fds, 3) < 0)
        perror("sendmsg");
    if (strcmp(kind, "gone") == 0)
        return;
    if (strcmp(kind, "started") == 0) {
        (void)!recv(to, bytes, sizeof bytes, 0);
        return;
    }
    if (strcmp(kind, "linger") == 0) {
        (void)close(fds[0]);
        (void)sleep(30);
    } else if (strcmp(kind, "late") == 0) {
        int given[3] = {0, 0, 0};
        (void)!recv(to, bytes, sizeof bytes, 0);
        start(0x01485344u, 6, 3);
        uint32_t number = SIGURG;
        field(14, &number, 4);
        finish();
        for (int index = 0; index < 4; index++)
            (void)say(to, used, given, 3);
        fprintf(stderr, "handed over\n");
        (void)sleep(600);
    } else if (strcmp(kind, "mute") == 0) {
        (void)sleep(30);
    } else if (strcmp(kind, "signals") == 0) {
        start(0x01485344u, 6, 0);
        uint32_t number = SIGURG;
        field(14, &number, 4);
        finish();
        for (time_t until = time(NULL) + 5; time(NULL) < until;)
            (void)say(to, used, NULL, 0);
    } else {
        show_answer(to);
    }
}

// Connects, speaks and hangs up without waiting for an answer: "empty" says nothing, "garbage" what is no
// message, "descriptors" the same with three of them, "fields" as many fields as there may be, "logins" a
// login that is well formed, "waits" the same and hears the answer.
static unsigned long flood(const char *kind, time_t until) {
    int fds[3];
    unsigned long count = 0;
    fill(fds, 3);
    command("true");
    if (strcmp(kind, "fields") == 0) {
        start(0x01485344u, 1, 3);
        for (int index = 0; index < 4095; index++)
            field(2, "LC_A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40);
        finish();
    } else if (strcmp(kind, "garbage") == 0 || strcmp(kind, "descriptors") == 0) {
        memset(bytes, 0x41, used = 1000);
    }
    bool bare = strcmp(kind, "garbage") == 0, silent_one = strcmp(kind, "empty") == 0;
    bool waits = strcmp(kind, "waits") == 0;
    while (time(NULL) < until) {
        int to = dial();
        if (to < 0)
            continue;
        if (!silent_one)
            (void)say(to, used, fds, bare ? 0 : 3);
        struct pollfd polled = {.fd = to, .events = POLLIN};
        if (waits)
            (void)poll(&polled, 1, 20000);
        (void)close(to);
        count++;
    }
    return count;
}

static void floods(const char *kind, int seconds, int processes) {
    time_t until = time(NULL) + seconds;
    unsigned long total = 0;
    int pair[2];
    if (pipe(pair) != 0)
        return;
    for (int index = 0; index < processes; index++) {
        if (fork() != 0)
            continue;
        unsigned long count = flood(kind, until);
        (void)!write(pair[1], &count, sizeof count);
        _exit(0);
    }
    for (int index = 0; index < processes; index++) {
        unsigned long count = 0;
        (void)!read(pair[0], &count, sizeof count);
        total += count;
    }
    printf("%lu\n", total);
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 64;
    (void)signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    path = argv[1];
    int number = atoi(argv[3]);
    if (strcmp(argv[2], "empty") == 0)
        empty(number);
    else if (strcmp(argv[2], "broken") == 0)
        broken(number);
    else if (strcmp(argv[2], "fields") == 0)
        fields(number);
    else if (strcmp(argv[2], "connect") == 0)
        connects(number);
    else if (strcmp(argv[2], "silent") == 0 && argc == 5)
        silent(number, atoi(argv[4]));
    else if (strcmp(argv[2], "linger") == 0)
        hand_over_lingering(number);
    else if (strcmp(argv[2], "dirty") == 0 && argc == 5)
        dirty(number, argv[4]);
    else if (strcmp(argv[2], "login") == 0 && argc == 5)
        login(argv[3], argv[4]);
    else if (strcmp(argv[2], "flood") == 0 && argc == 6)
        floods(argv[3], atoi(argv[4]), atoi(argv[5]));
    else
        return 64;
    return 0;
}
