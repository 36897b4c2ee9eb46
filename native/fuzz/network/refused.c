// Fuzzes what the kernel says by nfnetlink: packets of a user's that were refused and logged, answers to a
// transaction, notices of changed rules. What is counted of packets is at most what was there.

#include "refused.h"
#include "fuzz.h"
#include "host/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct refused_list list = {0};
    uint64_t packets = 0;
    rules_refused_parse(bytes, length, &list);
    REQUIRE(list.count <= sizeof list.list / sizeof *list.list);
    for (size_t index = 0; index < list.count; index++)
        packets += list.list[index].count;
    REQUIRE((packets + list.others) * 20 <= length);
    (void)host_table_is_changed_by(bytes, length, 1);
    return 0;
}
