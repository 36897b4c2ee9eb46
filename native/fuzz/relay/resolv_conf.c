// Fuzzes how the host's resolv.conf is read: there is always a server to ask, and never too many.

#include "dns/servers.h"
#include "fuzz.h"

static unsigned interface(const char *name) {
    return name[0] == '\0' ? 0 : 7;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char *text = fuzz_text(bytes, length);
    struct servers *servers = servers_of_file(text, interface);
    REQUIRE(servers != NULL && servers->count > 0 && servers->count <= MOST_SERVERS);
    for (size_t index = 0; index < servers->count; index++)
        REQUIRE(servers->list[index].size == sizeof(struct sockaddr_in) ||
                servers->list[index].size == sizeof(struct sockaddr_in6));
    servers_leave(servers);
    free(text);
    return 0;
}
