// Sockets as the daemon has them and Node does not: SOCK_SEQPACKET with descriptors, and those of the service
// manager. None of them waits.
#pragma once

#include <node_api.h>

// socketPair(): [fd, fd]
napi_value socket_pair(napi_env env, napi_callback_info info);
// listen(path, mode): fd. Takes the place of a socket of that name at once, so that somebody who connects
// finds the old one or this one, never none.
napi_value listen_at(napi_env env, napi_callback_info info);
// connect(path): fd
napi_value connect_to(napi_env env, napi_callback_info info);
// receive(fd): {data: Buffer, fds: number[]}; null at the peer's end; undefined where nothing waits
napi_value receive(napi_env env, napi_callback_info info);
// send(fd, Buffer, number[]): true; false where the peer's queue is full
napi_value send_to(napi_env env, napi_callback_info info);
// inherit(fd): {path, seqpacket}, of a listening socket that a service manager has passed to us. From here
// on no program of ours inherits it.
napi_value inherit(napi_env env, napi_callback_info info);
// datagram(path, Buffer): sends one message and never waits; "@" in front stands for an abstract name.
napi_value datagram(napi_env env, napi_callback_info info);
