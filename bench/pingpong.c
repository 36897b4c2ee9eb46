// Counts requests a second over TCP: one byte there and one back.
//
//   pingpong                          the server, on port 7100; prints "ready"
//   pingpong request ADDRESS NUMBER   one after the other over one connection; prints how many a second
//   pingpong connect ADDRESS NUMBER   a connection for each
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 7100
#define MOST 64

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void at_once(int fd) {
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static _Noreturn void serve(void) {
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct pollfd polled[MOST] = {{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
    nfds_t count = 1;
    (void)setsockopt(polled[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(polled[0].fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(polled[0].fd, 128) != 0)
        fail("listen");
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        (void)poll(polled, count, -1);
        for (nfds_t index = count - 1; index > 0; index--) {
            char byte;
            if (polled[index].revents == 0)
                continue;
            if (read(polled[index].fd, &byte, 1) == 1 && write(polled[index].fd, &byte, 1) == 1)
                continue;
            (void)close(polled[index].fd);
            polled[index] = polled[--count];
        }
        if (polled[0].revents != 0 && count < MOST) {
            int fd = accept(polled[0].fd, NULL, NULL);
            at_once(fd);
            polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
}

static int reach(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    at_once(fd);
    return fd;
}

static void ask(int fd) {
    char byte = 'x';
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        fail("ask");
}

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 4)
        serve();
    long number = strtol(argv[3], NULL, 10);
    int one = strcmp(argv[1], "request") == 0 ? reach(argv[2]) : -1;
    double start = now();
    for (long index = 0; index < number; index++) {
        int fd = one >= 0 ? one : reach(argv[2]);
        ask(fd);
        if (one < 0)
            (void)close(fd);
    }
    (void)printf("%.0f\n", (double)number / (now() - start));
    return 0;
}
