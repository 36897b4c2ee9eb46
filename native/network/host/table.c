#include "host/table.h"

#include <errno.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "host/chains.h"
#include "nft/object.h"
#include "nft/query.h"
#include "nft/reply.h"

// In the headers of Linux 6.9 and later.
#define TABLE_PERSIST 4u

static int hear_table(void *context, const struct netlink_message *message, struct err *err) {
    (void)err;
    bool *there = context;
    struct netlink_attribute name;
    *there |= nft_find_in_message(message, NFTA_TABLE_NAME, &name) && nft_is_text(&name, HOST_TABLE);
    return 0;
}

static int is_there(int socket, bool *there, struct err *err) {
    *there = false;
    return nft_list(socket, NFT_MSG_GETTABLE, NFPROTO_INET, hear_table, there, err);
}

static void put_open(struct nft_batch *batch, const struct host_table *table, int family, const char *name) {
    size_t bytes = family == AF_INET ? 4 : 16, count = 0;
    for (size_t index = 0; index < table->open_count; index++) {
        if (table->open[index].family != family)
            continue;
        if (count % NFT_MOST_ELEMENTS == 0) {
            if (count > 0)
                nft_elements_end(batch);
            nft_elements_begin(batch, false, name, 0);
        }
        nft_element(batch, table->open[index].address, bytes, 0, false);
        count++;
    }
    if (count > 0)
        nft_elements_end(batch);
}

static int replace(int socket, const struct host_table *table, bool there, uint32_t flags, struct err *err) {
    struct nft_batch cleanup_nft batch = {0};
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, HOST_TABLE);
    if (there)
        nft_table_delete(&batch);
    nft_table_make(&batch, flags);
    host_chains(&batch, table);
    put_open(&batch, table, AF_INET, HOST_OPEN4);
    put_open(&batch, table, AF_INET6, HOST_OPEN6);
    return nft_commit(socket, &batch, err);
}

int host_table_apply(int socket, const struct host_table *table, struct err *err) {
    static const uint32_t flags[] = {NFT_TABLE_F_OWNER | TABLE_PERSIST, 0};
    // Somebody may take the table away between the look and the change.
    for (int tries = 0, choice = 0; tries < 5; tries++) {
        bool there;
        if (is_there(socket, &there, err) != 0)
            return -1;
        if (replace(socket, table, there, flags[choice], err) == 0)
            return 0;
        // Owned tables came with Linux 5.12, and to persist with 6.9; one that dies with its socket is of no
        // use.
        if (choice == 0 && (err->number == EOPNOTSUPP || err->number == EINVAL))
            choice = 1;
        else if (!there || err->number != ENOENT)
            return -1;
    }
    return -1;
}

int host_table_open(int socket, const struct net_prefix *address, bool open, struct err *err) {
    struct nft_batch cleanup_nft batch = {0};
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, HOST_TABLE);
    bool four = address->family == AF_INET;
    nft_elements_begin(&batch, !open, four ? HOST_OPEN4 : HOST_OPEN6, 0);
    nft_element(&batch, address->address, four ? 4 : 16, 0, false);
    nft_elements_end(&batch);
    int result = nft_commit(socket, &batch, err);
    return result != 0 && !open && err->number == ENOENT ? 0 : result;
}

int host_table_remove(int socket, struct err *err) {
    struct nft_batch cleanup_nft batch = {0};
    bool there;
    if (is_there(socket, &there, err) != 0)
        return -1;
    if (!there)
        return 0;
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, HOST_TABLE);
    nft_table_delete(&batch);
    return nft_commit(socket, &batch, err) != 0 && err->number != ENOENT ? -1 : 0;
}
