// Fuzzes lists of revoked keys: what is cut from one that is whole may hide nothing.

#include "auth/revoked/krl.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const uint8_t key[] = "\0\0\0\013ssh-ed25519\0\0\0\1x", ca[] = "\0\0\0\013ssh-ed25519\0\0\0\1y";
    const struct certificate certificate = {.serial = 42,
                                            .id = {.at = (const uint8_t *)"ada", .length = 3},
                                            .ca = {.at = ca, .length = sizeof ca - 1}};
    const struct bytes shown = {.at = key, .length = sizeof key - 1}, list = {.at = bytes, .length = length};
    enum krl_verdict with = krl_look(list, shown, &certificate), without = krl_look(list, shown, NULL);
    REQUIRE(krl_is(list) || with != KRL_FINE);
    // A certificate is let in by no list that keeps its key out.
    REQUIRE(without != KRL_REVOKED || with == KRL_REVOKED || with == KRL_DAMAGED);
    for (size_t cut = 0; cut < length && cut < 9; cut++)
        REQUIRE(krl_look((struct bytes){.at = bytes, .length = cut}, shown, NULL) != KRL_FINE);
    return 0;
}
