// Rules of nftables, as messages of a transaction: one begins, takes conditions and statements in their
// order, and ends. Each function here puts in what stands in its comment, in the words of nft(8).
#pragma once

#include "nft/batch.h"

void nft_rule_begin(struct nft_batch *batch, const char *chain);
void nft_rule_end(struct nft_batch *batch);

extern const struct nft_field nft_saddr4, nft_daddr4, nft_saddr6, nft_daddr6, nft_sport, nft_dport;

// Conditions. `equal` says whether it is to be so, or not.
// meta nfproto ipv4 | ipv6
void nft_is_family(struct nft_batch *batch, uint8_t family);
// meta l4proto NUMBER
void nft_is_protocol(struct nft_batch *batch, uint8_t number);
// oif NUMBER, or of the input: `key` is NFT_META_OIF or NFT_META_IIF
void nft_is_interface(struct nft_batch *batch, uint32_t key, uint32_t number);
// oifname "PREFIX*", iifname "PREFIX*": `key` is NFT_META_OIFNAME or NFT_META_IIFNAME
void nft_is_interface_like(struct nft_batch *batch, uint32_t key, const char *prefix, bool equal);
// iifname NAME
void nft_is_interface_named(struct nft_batch *batch, uint32_t key, const char *name);
// ip saddr ADDRESS, and the like; `prefix` is how many bits count
void nft_is_value(struct nft_batch *batch, struct nft_field field, const void *value, unsigned prefix,
                  bool equal);
// th dport FIRST-LAST, and others of one byte or two
void nft_is_between(struct nft_batch *batch, struct nft_field field, uint16_t first, uint16_t last);
// ip daddr @SET, by its name or else by its number
void nft_is_in_set(struct nft_batch *batch, struct nft_field field, const char *name, uint32_t number,
                   bool equal);
// ct state …: `states` are bits of NF_CT_STATE_BIT
void nft_is_state(struct nft_batch *batch, uint32_t states);
// exthdr rt exists
void nft_has_routing_header(struct nft_batch *batch);
// The fib has no way back to the source by the interface that it came in by.
void nft_has_no_way_back(struct nft_batch *batch);
// limit rate [over] PACKETS/second burst BURST packets
void nft_is_rate(struct nft_batch *batch, bool over, uint64_t packets, uint32_t burst);
// ct count over MOST
void nft_is_connections_over(struct nft_batch *batch, uint32_t most);
// add @SET { ip saddr ct count over MOST }
void nft_is_connections_of_over(struct nft_batch *batch, struct nft_field field, const char *set,
                                uint32_t most);

// Statements.
// counter name NAME
void nft_count(struct nft_batch *batch, const char *name);
// log group GROUP snaplen BYTES
void nft_log(struct nft_batch *batch, uint16_t group, uint32_t bytes);
// reject with tcp reset; else with icmpx type admin-prohibited
void nft_reject(struct nft_batch *batch, bool reset);
// masquerade
void nft_masquerade(struct nft_batch *batch);
// notrack
void nft_notrack(struct nft_batch *batch);
// accept, drop (NF_ACCEPT, NF_DROP); or with a chain: goto, jump (NFT_GOTO, NFT_JUMP)
void nft_verdict(struct nft_batch *batch, int code, const char *chain);
