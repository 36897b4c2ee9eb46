#include "nft/object.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "nft/expression.h"

// The kernel puts a number of its own in for the %d.
#define NAMELESS "__set%d"

void nft_use_table(struct nft_batch *batch, uint8_t family, const char *name) {
    batch->family = family;
    batch->table = name;
}

void nft_table_make(struct nft_batch *batch, uint32_t flags) {
    nft_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "make a table");
    netlink_put_text(&batch->messages, NFTA_TABLE_NAME, batch->table);
    netlink_put_be32(&batch->messages, NFTA_TABLE_FLAGS, flags);
}

void nft_table_delete(struct nft_batch *batch) {
    nft_message(batch, NFT_MSG_DELTABLE, 0, "remove a table");
    netlink_put_text(&batch->messages, NFTA_TABLE_NAME, batch->table);
}

void nft_chain_make(struct nft_batch *batch, const char *name, const struct nft_hook *hook) {
    nft_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "make a chain");
    netlink_put_text(&batch->messages, NFTA_CHAIN_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_CHAIN_NAME, name);
    if (hook == NULL)
        return;
    netlink_nest(&batch->messages, NFTA_CHAIN_HOOK);
    netlink_put_be32(&batch->messages, NFTA_HOOK_HOOKNUM, hook->number);
    netlink_put_be32(&batch->messages, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
    if (hook->device != NULL)
        netlink_put_text(&batch->messages, NFTA_HOOK_DEV, hook->device);
    netlink_close(&batch->messages);
    netlink_put_be32(&batch->messages, NFTA_CHAIN_POLICY, hook->drops ? NF_DROP : NF_ACCEPT);
    netlink_put_text(&batch->messages, NFTA_CHAIN_TYPE, hook->type);
}

void nft_chain_flush(struct nft_batch *batch, const char *name) {
    nft_message(batch, NFT_MSG_DELRULE, 0, "empty a chain");
    netlink_put_text(&batch->messages, NFTA_RULE_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_RULE_CHAIN, name);
}

void nft_counter_make(struct nft_batch *batch, const char *name) {
    nft_message(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, "make a counter");
    netlink_put_text(&batch->messages, NFTA_OBJ_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_OBJ_NAME, name);
    netlink_put_be32(&batch->messages, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
    netlink_nest(&batch->messages, NFTA_OBJ_DATA);
    netlink_close(&batch->messages);
}

uint32_t nft_set_make(struct nft_batch *batch, const struct nft_set *set) {
    uint32_t number = ++batch->sets;
    nft_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE, "make a set");
    netlink_put_text(&batch->messages, NFTA_SET_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_SET_NAME, set->name == NULL ? NAMELESS : set->name);
    netlink_put_be32(&batch->messages, NFTA_SET_ID, number);
    netlink_put_be32(&batch->messages, NFTA_SET_FLAGS,
                     set->flags | (set->name == NULL ? NFT_SET_ANONYMOUS | NFT_SET_CONSTANT : 0));
    netlink_put_be32(&batch->messages, NFTA_SET_KEY_TYPE, set->key);
    netlink_put_be32(&batch->messages, NFTA_SET_KEY_LEN, set->key == NFT_KEY_ADDRESS4 ? 4 : 16);
    if (set->most != 0) {
        netlink_nest(&batch->messages, NFTA_SET_DESC);
        netlink_put_be32(&batch->messages, NFTA_SET_DESC_SIZE, set->most);
        netlink_close(&batch->messages);
    }
    if (set->connlimit != 0)
        nft_expression_connections(batch, NFTA_SET_EXPR, set->connlimit);
    return number;
}

void nft_set_delete(struct nft_batch *batch, const char *name) {
    nft_message(batch, NFT_MSG_DELSET, 0, "remove a set");
    netlink_put_text(&batch->messages, NFTA_SET_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_SET_NAME, name);
}

void nft_elements_begin(struct nft_batch *batch, bool remove, const char *name, uint32_t number) {
    nft_message(batch, remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, remove ? 0 : NLM_F_CREATE,
                "change a set");
    netlink_put_text(&batch->messages, NFTA_SET_ELEM_LIST_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_SET_ELEM_LIST_SET, name == NULL ? NAMELESS : name);
    if (name == NULL)
        netlink_put_be32(&batch->messages, NFTA_SET_ELEM_LIST_SET_ID, number);
    netlink_nest(&batch->messages, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void nft_element(struct nft_batch *batch, const void *key, size_t length, uint64_t milliseconds, bool end) {
    netlink_nest(&batch->messages, NFTA_LIST_ELEM);
    nft_put_data(batch, NFTA_SET_ELEM_KEY, key, length);
    if (milliseconds != 0)
        netlink_put_be64(&batch->messages, NFTA_SET_ELEM_TIMEOUT, milliseconds);
    if (end)
        netlink_put_be32(&batch->messages, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    netlink_close(&batch->messages);
}

void nft_elements_end(struct nft_batch *batch) {
    netlink_close(&batch->messages);
}
