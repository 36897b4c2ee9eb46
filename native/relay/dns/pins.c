#include "dns/pins.h"

#include <string.h>

#include "wire.h"

#define MOST_ADDRESSES 256
#define MOST_SETS 16

static uint8_t message[WIRE_MAX_BYTES];

static uint32_t seconds_of(uint32_t ttl) {
    if (ttl > PIN_MOST_SECONDS - PIN_SPARE_SECONDS)
        return PIN_MOST_SECONDS;
    return ttl + PIN_SPARE_SECONDS < PIN_LEAST_SECONDS ? PIN_LEAST_SECONDS : ttl + PIN_SPARE_SECONDS;
}

int pins_ask(int connection, const struct policy *policy, const struct dns_query *query,
             const uint8_t *answer, size_t length, struct pin_number number) {
    static struct dns_address addresses[MOST_ADDRESSES];
    uint16_t sets[MOST_SETS];
    size_t set_count = policy_sets(policy, &query->name, sets, MOST_SETS);
    if (set_count == 0)
        return 0;
    int count = dns_addresses(answer, length, query, addresses, MOST_ADDRESSES);
    if (count == MOST_ADDRESSES)
        return -1; // there may be more, which would be given without being known
    if (count <= 0)
        return count;
    struct wire_writer writer;
    wire_start(&writer, message, sizeof message, MSG_RELAY_PIN);
    wire_put_u32(&writer, TAG_SLOT, number.request);
    wire_put_u32(&writer, TAG_CODE, number.generation);
    for (size_t set = 0; set < set_count; set++) {
        for (int index = 0; index < count; index++) {
            struct pin pin = {.set = sets[set],
                              .family = addresses[index].family,
                              .seconds = seconds_of(addresses[index].ttl)};
            memcpy(pin.address, addresses[index].address, sizeof pin.address);
            wire_put(&writer, TAG_NET_PIN, &pin, sizeof pin);
        }
    }
    size_t size = wire_finish(&writer, 0);
    return size > 0 && wire_send(connection, message, size, NULL, 0) == 0 ? count : -1;
}
