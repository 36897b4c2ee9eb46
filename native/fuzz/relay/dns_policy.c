// Fuzzes what the DNS relay is told of a sandbox's names: each that it takes is found again.

#include "dns/policy.h"
#include "fuzz.h"

static unsigned interface(const char *name) {
    return name[0] == '\0' ? 0 : 7;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct policy *policy = policy_parse((const char *)bytes, length, interface);
    for (size_t index = 0; policy != NULL && index < policy->count; index++) {
        const struct policy_name *entry = &policy->list[index];
        struct dns_name name = {.length = entry->length};
        struct dns_address addresses[4];
        uint16_t sets[4];
        size_t count;
        memcpy(name.bytes, policy->names + entry->at, entry->length);
        bool own = policy_own(policy, &name, addresses, 4, &count);
        REQUIRE(own || entry->family == 0);
        REQUIRE(policy_sets(policy, &name, sets, 4) > 0 || entry->family != 0 || entry->below);
    }
    policy_free(policy);
    return 0;
}
