// Fuzzes what a supervisor is told by the DNS relay, which may have been taken over: no descriptor stays
// open, and no set is filled that the plan does not have.

#include <sys/socket.h>

#include "cleanup.h"
#include "fuzz.h"
#include "network/relay.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const struct net_plan plan;
    int pair[2], before = fuzz_free_fd();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    struct relay relay = RELAY_NONE;
    relay.connection = pair[0];
    // The first byte says how many descriptors come along.
    unsigned count = length > 0 ? bytes[0] % (WIRE_MAX_FDS + 1) : 0;
    int sent[WIRE_MAX_FDS];
    for (unsigned index = 0; index < count; index++)
        sent[index] = pair[1];
    if (length > 1)
        (void)wire_send(pair[1], bytes + 1, length - 1, sent, count);
    relay_hear(&relay, &plan, -1);
    relay_close(&relay);
    REQUIRE(close(pair[1]) == 0);
    REQUIRE(fuzz_free_fd() == before);
    return 0;
}
