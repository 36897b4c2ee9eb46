#include "link/qdisc.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define HANDLE 0x00010000u // 1:
// What may leave at once: a hundredth of a second's, but never less than the largest packet of a local TCP.
#define LEAST_BURST_BYTES 131072u
#define BURSTS_A_SECOND 100u
// How much may wait, in bytes: a twentieth of a second's.
#define QUEUES_A_SECOND 20u

static uint32_t as_u32(uint64_t value) {
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

void qdisc_put_rate(struct netlink_batch *batch, int index, uint64_t rate) {
    struct tcmsg info = {
        .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_handle = HANDLE, .tcm_parent = TC_H_ROOT};
    if (rate == 0) {
        info.tcm_handle = 0; // whichever is there; named, one that is not there would be another error
        netlink_begin(batch, RTM_DELQDISC, 0, &info, sizeof info, "lift the rate of the link", NULL);
        netlink_tolerate(batch, ENOENT);
        return;
    }
    uint64_t share = rate / BURSTS_A_SECOND;
    uint32_t burst = as_u32(share > LEAST_BURST_BYTES ? share : LEAST_BURST_BYTES);
    const struct tc_tbf_qopt options = {
        // The kernel counts in its own steps; without a link layer it would want a table of them.
        .rate = {.linklayer = TC_LINKLAYER_ETHERNET, .rate = as_u32(rate)},
        .limit = as_u32(rate / QUEUES_A_SECOND + burst)};
    netlink_begin(batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof info,
                  "bound the rate of the link", NULL);
    netlink_put_text(batch, TCA_KIND, "tbf");
    netlink_nest(batch, TCA_OPTIONS);
    netlink_put(batch, TCA_TBF_PARMS, &options, sizeof options);
    netlink_put_u32(batch, TCA_TBF_BURST, burst);
    if (rate > UINT32_MAX)
        netlink_put_u64(batch, TCA_TBF_RATE64, rate);
    netlink_close(batch);
}
