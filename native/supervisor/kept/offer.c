#include "kept/offer.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

// Less than a client waits for a word (native/login/main.c).
#define OFFER_MS 60000

// At the user's own terminal, which is as it was when they typed the command: it gives whole lines. An empty
// one is a yes.
bool offer_is_taken(const int *fds, const char *question) {
    char line[256];
    if (!isatty(fds[0]) || !isatty(fds[1]) || write(fds[1], question, strlen(question)) < 0)
        return false;
    struct pollfd polled = {.fd = fds[0], .events = POLLIN};
    ssize_t got = poll(&polled, 1, OFFER_MS) > 0 ? read(fds[0], line, sizeof line) : -1;
    if (got < 0)
        (void)!write(fds[1], "\r\n", 2);
    return got > 0 && (line[0] == '\n' || line[0] == 'y' || line[0] == 'Y');
}
