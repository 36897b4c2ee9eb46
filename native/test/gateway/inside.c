// Stands in the gateway's monitor's place after a login, for the tests of native/gateway/inside: joins, and
// then serves the requests that come on descriptor 3.
//
//   inside SOCKET CLIENT USER FROM AUTH [WORD …]
//
// Words are options of the key: no-terminal, no-forward, no-agent, no-x11, command=…, permit-open=…,
// permit-listen=…, environment=… The exit status is 0 at the end of the connection, and 2 where a request has
// ended it.
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "inside/inside.h"

#define CONNECTION 3
#define MOST_WORDS_OF_ONE 16

static char *opens[MOST_WORDS_OF_ONE + 1], *listens[MOST_WORDS_OF_ONE + 1], *variables[MOST_WORDS_OF_ONE + 1];

static void add(char **list, char *const **where, char *value) {
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    if (count < MOST_WORDS_OF_ONE)
        list[count] = value;
    *where = list;
}

static char *value_of(char *word, const char *name) {
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static struct rights read_rights(char **words) {
    struct rights rights = rights_all();
    for (; *words != NULL; words++) {
        char *value;
        if (strcmp(*words, "no-terminal") == 0)
            rights.terminal = false;
        if (strcmp(*words, "no-forward") == 0)
            rights.forward = false;
        if (strcmp(*words, "no-agent") == 0)
            rights.agent = false;
        if (strcmp(*words, "no-x11") == 0)
            rights.x11 = false;
        if ((value = value_of(*words, "command=")) != NULL)
            rights.command = value;
        if ((value = value_of(*words, "permit-open=")) != NULL)
            add(opens, &rights.permit_open, value);
        if ((value = value_of(*words, "permit-listen=")) != NULL)
            add(listens, &rights.permit_listen, value);
        if ((value = value_of(*words, "environment=")) != NULL)
            add(variables, &rights.environment, value);
    }
    return rights;
}

static int hear(struct inside *inside) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    ssize_t length = wire_receive(CONNECTION, bytes, sizeof bytes, fds, &count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (length <= 0)
        return length == 0 || errno == ECONNRESET ? 1 : -1;
    return inside_hear(inside, bytes, (size_t)length);
}

static int serve(struct inside *inside, int signals) {
    for (;;) {
        struct pollfd polled[] = {{.fd = CONNECTION, .events = POLLIN},
                                  {.fd = signals, .events = POLLIN},
                                  {.fd = inside_poll(inside), .events = POLLIN}};
        struct signalfd_siginfo info;
        if (poll(polled, 3, -1) < 0)
            continue;
        // What they have said before their end counts.
        if (polled[2].revents != 0 && inside_ready(inside) != 0)
            return 1;
        if (polled[1].revents != 0 && read(signals, &info, sizeof info) > 0 && inside_reap(inside) != 0)
            return 1;
        int heard = polled[0].revents != 0 ? hear(inside) : 0;
        if (heard != 0)
            return heard;
    }
}

int main(int argc, char **argv) {
    static gid_t groups[256];
    int count = 256;
    struct passwd *account = argc > 5 ? getpwnam(argv[3]) : NULL;
    struct group *tty = getgrnam("tty");
    struct inside inside;
    sigset_t set;
    if (account == NULL || getgrouplist(account->pw_name, account->pw_gid, groups, &count) < 0)
        return 255;
    const struct login login = {.socket = argv[1],
                                .client = argv[2],
                                .user = argv[3],
                                .home = account->pw_dir,
                                .uid = account->pw_uid,
                                .gid = account->pw_gid,
                                .groups = groups,
                                .group_count = (size_t)count,
                                .tty = tty != NULL ? tty->gr_gid : account->pw_gid,
                                .from = argv[4],
                                .auth = argv[5],
                                .rights = read_rights(argv + 6)};
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (inside_open(&inside, &login, CONNECTION) != 0)
        return 254;
    int served = serve(&inside, signals);
    inside_close(&inside);
    return served > 0 ? 0 : 2;
}
