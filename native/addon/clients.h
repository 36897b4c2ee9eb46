// Accepts, looks at and closes connections of the login socket, at so little cost that whoever connects
// without a pause keeps nobody else waiting. Nothing here receives a stranger's descriptor.
#pragma once

#include <node_api.h>

// acceptClients(fd): [closed, fd, uid, fd, uid …], the uid from the kernel (SO_PEERCRED). Everybody who
// waits, for as long as it does not take long. One uid's that come faster than anybody logs in are closed
// here: their clients ask again after a while. Those whose close could wait for somebody are in the list all
// the same, with the uid's complement.
napi_value accept_clients(napi_env env, napi_callback_info info);
// lookAtLogin(fd): its first message, a Buffer, which stays where it is; false: that is no login; null: the
// client has gone, or will never say anything that could be one; undefined: nothing is there yet
napi_value look_at_login(napi_env env, napi_callback_info info);
// lookAtJoin(fd): likewise, of sshd's module
napi_value look_at_join(napi_env env, napi_callback_info info);
// silence(fd): from now on nothing can be sent to us. True: what has been sent holds no descriptor, and has
// been taken out, so that closing the connection waits for nobody. To a listening socket nobody can connect
// any more
napi_value silence(napi_env env, napi_callback_info info);
// closeAside(fd): true: it is being closed by a thread, however long that takes; false: too many are at it
napi_value close_aside(napi_env env, napi_callback_info info);
