// Fuzzes the messages that the login client gets before its session has started. The daemon is trusted with
// what it says, not with sizes: a text is printed whole or not at all, and the client leaves with one byte of
// status.

#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static jmp_buf left;
static int status;
static _Noreturn void fuzz_exit(int code);
static long fuzz_write(int fd, const void *bytes, size_t length);
static int fuzz_raise(int number);
static sighandler_t fuzz_signal(int number, sighandler_t handler);
#define main login_main
#define _exit fuzz_exit
#define write fuzz_write
#define raise fuzz_raise
#define signal fuzz_signal
#include "../../login/answer/refusal.c"
#include "../../login/leave.c"
#include "../../login/main.c"
#undef signal
#undef raise
#undef write
#undef _exit
#undef main

#include "fuzz.h"

static void fuzz_exit(int code) {
    status = code;
    longjmp(left, 1);
}

static int fuzz_raise(int number) {
    fuzz_exit((128 + number) & 0xff);
}

static sighandler_t fuzz_signal(int number, sighandler_t handler) {
    (void)number;
    return handler;
}

static long fuzz_write(int fd, const void *bytes, size_t length) {
    // An answer of self-service is the daemon's own, and goes out as it is.
    REQUIRE(fd == 1 || (fd == 2 && length <= 1200 && ((const char *)bytes)[length - 1] == '\n'));
    return (long)length;
}

// No shell is run here: that the daemon says which is its right.
void outside_run(const char *shell, int argc, char **argv) {
    (void)argc;
    (void)argv;
    REQUIRE(shell[0] == '/');
}

struct outcome pump(int connection, int signals_fd, int ptm, int watched, struct terminal *terminal) {
    (void)connection, (void)signals_fd, (void)ptm, (void)watched, (void)terminal;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static int pair[2];
    static volatile int ptm;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        abort();
    status = -1;
    ptm = -1;
    // Two messages, so that one may say to wait.
    size_t first = length > 0 ? bytes[0] : 0;
    if (first + 1 < length)
        (void)send(pair[0], bytes + 1, first, MSG_NOSIGNAL);
    if (first + 1 < length)
        (void)send(pair[0], bytes + 1 + first, length - 1 - first, MSG_NOSIGNAL);
    (void)shutdown(pair[0], SHUT_WR);
    char *argv[] = {(char[]){"-dockersh"}, NULL};
    if (setjmp(left) == 0)
        ptm = wait_for_start(pair[1], 1, argv);
    else
        REQUIRE(status >= 0 && status <= 255);
    REQUIRE(ptm < 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
