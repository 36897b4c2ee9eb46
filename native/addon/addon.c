// Gives the daemon and the gateway's connection process what Node has no API for (src/isolation/addon.ts).
// Nothing here decides anything; every failure becomes an Error with syscall, code and the object.
//
// Descriptors cross into JavaScript as plain numbers; src/lib/fd.ts owns them from there.
#include <errno.h>
#include <node_api.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clients.h"
#include "files/disk_image.h"
#include "files/own_file.h"
#include "files/project_quota.h"
#include "files/unnamed_file.h"
#include "network/host_table.h"
#include "network/tcp.h"
#include "network/uplink.h"
#include "poller.h"
#include "sockets.h"
#include "ssh/cipher.h"
#include "ssh/terminal.h"
#include "users.h"
#include "values.h"
#include "watch.h"

// kill(pidfd): SIGKILL for the process behind the handle. Nothing happens where it has gone.
static napi_value kill_process(napi_env env, napi_callback_info info) {
    napi_value values[1];
    int fd;
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0u) != 0 && errno != ESRCH)
        return throw_errno(env, "pidfd_send_signal", "");
    return NULL;
}

static napi_value initialize(napi_env env, napi_value exports) {
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"socketPair", socket_pair},
                     {"listen", listen_at},
                     {"connect", connect_to},
                     {"receive", receive},
                     {"send", send_to},
                     {"acceptClients", accept_clients},
                     {"lookAtLogin", look_at_login},
                     {"lookAtJoin", look_at_join},
                     {"silence", silence},
                     {"closeAside", close_aside},
                     {"kill", kill_process},
                     {"lookupUser", lookup_user},
                     {"poll", poller_start},
                     {"resizeTerminal", resize_terminal},
                     {"sealGcm", gcm_seal},
                     {"openGcm", gcm_open},
                     {"sealChaCha", chacha_seal},
                     {"lengthChaCha", chacha_length},
                     {"openChaCha", chacha_open},
                     {"inherit", inherit},
                     {"datagram", datagram},
                     {"watchOpen", watch_open},
                     {"watchAdd", watch_add},
                     {"watchDrain", watch_drain},
                     {"readOwnFile", read_own_file},
                     {"diskLock", disk_lock},
                     {"diskMount", disk_mount},
                     {"diskGrow", disk_grow},
                     {"projectState", project_state},
                     {"projectOf", project_of},
                     {"projectMark", project_mark},
                     {"projectLimit", project_limit},
                     {"projectUse", project_use},
                     {"giveName", give_name},
                     {"uplinkWatch", uplink_watch},
                     {"uplinkChanged", uplink_changed},
                     {"linkMtu", link_mtu},
                     {"tcpState", tcp_state},
                     {"linkIsBridge", link_is_bridge},
                     {"hostTableApply", host_table_apply_value},
                     {"hostTableOpen", host_table_open_value},
                     {"hostTableRemove", host_table_remove_value},
                     {"hostTableWatch", host_table_watch_value},
                     {"hostTableChanged", host_table_changed_value}};
    for (size_t index = 0; index < sizeof functions / sizeof functions[0]; index++) {
        napi_value function;
        if (napi_create_function(env, functions[index].name, NAPI_AUTO_LENGTH, functions[index].function,
                                 NULL, &function) == napi_ok)
            (void)napi_set_named_property(env, exports, functions[index].name, function);
    }
    return exports;
}

NAPI_MODULE(dockersh, initialize)
