// Fuzzes what a connection process of the gateway's asks for after a login: what is taken has each field in
// bounds.
#include "fuzz.h"
#include "inside/request.h"
#include "inside/rights.h"
#include "inside/session/start.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct request request;
    struct display display;
    uint8_t *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, length);
    if (request_read(&request, copy, length)) {
        REQUIRE((request.has & HAS_SLOT) != 0);
        REQUIRE(request.variable_count <= MOST_VARIABLES && request.mode_count <= MOST_MODES);
        REQUIRE(strlen(request.kind) < sizeof request.kind && strlen(request.name) < sizeof request.name);
        if ((request.has & HAS_X11) != 0)
            (void)display_read(&display, request.x11);
        char *const permitted[] = {request.name, NULL};
        struct rights rights = rights_all();
        rights.permit_open = permitted;
        (void)rights_may_open(&rights, request.kind, request.code);
    }
    request_free(&request);
    REQUIRE(request.argument == NULL && request.variable_count == 0);
    free(copy);
    return 0;
}
