#include "network/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#include "cleanup.h"
#include "netlink.h"
#include "values.h"

#define ESTABLISHED 1 // net/tcp_states.h

struct state {
    bool established;
    uint32_t owed, retransmits, sent_ms;
};

static int hear(void *context, const struct netlink_message *message, struct err *err) {
    (void)err;
    struct state *state = context;
    struct inet_diag_msg told;
    struct tcp_info info;
    // Newer kernels tell more, behind this.
    size_t least = offsetof(struct tcp_info, tcpi_last_ack_sent);
    if (message->length < sizeof told)
        return 0;
    memcpy(&told, message->body, sizeof told);
    struct netlink_reader reader = netlink_attributes(message, sizeof told);
    struct netlink_attribute attribute;
    while (netlink_next_attribute(&reader, &attribute)) {
        if (attribute.type != INET_DIAG_INFO || attribute.length < least)
            continue;
        memcpy(&info, attribute.value, least);
        *state = (struct state){.established = told.idiag_state == ESTABLISHED,
                                .owed = told.idiag_wqueue,
                                .retransmits = info.tcpi_retransmits,
                                .sent_ms = info.tcpi_last_data_sent};
    }
    return 0;
}

static int look(const struct inet_diag_req_v2 *request, struct state *state, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    cleanup_fd int socket = netlink_open(NETLINK_SOCK_DIAG, err);
    if (socket < 0)
        return -1;
    netlink_begin(&batch, SOCK_DIAG_BY_FAMILY, 0, request, sizeof *request, "look at a connection", NULL);
    netlink_tolerate(&batch, ENOENT); // there is none
    return netlink_ask(socket, &batch, hear, state, FAILURE_NETWORK, err);
}

static bool end_of(napi_env env, napi_value address, napi_value port, uint8_t family, __be32 *bytes,
                   __be16 *to) {
    char text[INET6_ADDRSTRLEN];
    uint32_t number;
    if (!text_of(env, address, text, sizeof text) || !u32_of(env, port, &number))
        return false;
    *to = htons((uint16_t)number);
    if (inet_pton(family, text, bytes) == 1)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected an address");
    return false;
}

static void put(napi_env env, napi_value object, const char *name, double number) {
    (void)napi_set_named_property(env, object, name, number_value(env, number));
}

// tcpState(family, local, localPort, remote, remotePort): null where there is no such connection.
napi_value tcp_state(napi_env env, napi_callback_info info) {
    napi_value values[5], result = NULL;
    uint32_t family;
    if (!arguments(env, info, 5, values) || !u32_of(env, values[0], &family))
        return NULL;
    struct inet_diag_req_v2 request = {.sdiag_family = family == 6 ? AF_INET6 : AF_INET,
                                       .sdiag_protocol = IPPROTO_TCP,
                                       .idiag_ext = 1u << (INET_DIAG_INFO - 1),
                                       .idiag_states = 1u << ESTABLISHED,
                                       .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
    struct inet_diag_sockid *id = &request.id;
    if (!end_of(env, values[1], values[2], request.sdiag_family, id->idiag_src, &id->idiag_sport) ||
        !end_of(env, values[3], values[4], request.sdiag_family, id->idiag_dst, &id->idiag_dport))
        return NULL;
    struct state state = {0};
    struct err err = {0};
    if (look(&request, &state, &err) != 0) {
        errno = err.number;
        return throw_errno(env, err.what, err.object);
    }
    if (!state.established) {
        (void)napi_get_null(env, &result);
        return result;
    }
    (void)napi_create_object(env, &result);
    put(env, result, "owed", state.owed);
    put(env, result, "retransmits", state.retransmits);
    put(env, result, "sentMs", state.sent_ms);
    return result;
}
