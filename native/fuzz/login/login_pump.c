// Fuzzes the messages that the login client gets while its session runs: the end of the session, with a text
// that fits.

#include <sys/socket.h>

#include "../../login/terminal/pump.c"

#include "fuzz.h"

void terminal_raw(struct terminal *terminal) {
    (void)terminal;
}

void terminal_copy_size(const struct terminal *terminal, int ptm) {
    (void)terminal;
    (void)ptm;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    struct session session = {.connection = pair[1], .ptm = -1};
    (void)send(pair[0], bytes, length, MSG_NOSIGNAL);
    read_message(&session);
    REQUIRE(strnlen(session.outcome.text, sizeof session.outcome.text) < sizeof session.outcome.text);
    REQUIRE(!session.ended || session.outcome.kind == OUTCOME_EXIT ||
            session.outcome.kind == OUTCOME_SIGNAL || session.outcome.kind == OUTCOME_LOST);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
