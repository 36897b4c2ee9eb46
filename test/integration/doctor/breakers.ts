// For every check of doctor, something that makes it fail for real.

import { foreignImage, type Scenario } from './doctors-host.ts';

interface Breaker {
  readonly scenario: keyof typeof scenarios;
  readonly state: 'warning' | 'critical' | 'unknown';
  readonly found?: RegExp;
}

/** Of version 1, or all of version 2. */
const noMemory = 'umount -l /sys/fs/cgroup/memory 2>/dev/null || mount -t tmpfs none /sys/fs/cgroup';

/** `put FILE` binds what comes on its input over the file. */
export const scenarios = {
  oldKernel: { under: ['setarch', process.arch === 'x64' ? 'x86_64' : 'aarch64', '--uname-2.6'] },
  noNamespaces: {
    namespaces: ['--user', '--map-root-user'],
    script: 'for kind in user net; do echo 0 >/proc/sys/user/max_${kind}_namespaces; done',
  },
  smallTables: {
    policy: '[defaults]\nimage = host\nnesting = yes\n',
    script: `
      echo 1000000 | put /proc/sys/fs/file-max; echo 65536 | put /proc/sys/fs/aio-max-nr
      echo 1000 | put /proc/sys/kernel/pid_max; echo 4096 | put /proc/sys/kernel/pty/max
      echo 100 | put /proc/sys/kernel/pty/reserve; echo 'quiet cgroup.memory=nosocket' | put /proc/cmdline
      { cat /proc/meminfo; echo 'HugePages_Total:     512'; } | grep -v 'Total:  *0$' | put /proc/meminfo
      mount -t tmpfs none /proc/sys/net; mkdir /proc/sys/net/netfilter /proc/sys/net/ipv4
      echo 100 200 300 >/proc/sys/net/ipv4/tcp_mem; echo 1000 2000 3000000000 >/proc/sys/net/ipv4/udp_mem
      echo 0 >/proc/sys/net/netfilter/nf_hooks_lwtunnel`,
  },
  /** The state is of an installation from before private networks. */
  undecided: {
    policy: '[defaults]\nimage = host\n',
    script: `
      mount -t tmpfs -o mode=700 none /mnt; echo '{"version":1,"default":"none"}' >/mnt/network.json`,
    args: ['--state', '/mnt'],
  },
  noLinks: { policy: '[defaults]\nimage = host\nnetwork = private\n', deny: 'unshare' },
  badNetwork: {
    namespaces: ['--net'],
    policy:
      '[defaults]\nimage = host\nnetwork = private\n[host]\nnetwork_pool = 10.88.0.0/16\npublish_pool = 40000-40999/10\n',
    script: `
      ip link set lo up; ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up
      ip address add 10.0.0.2/8 dev up0; ip -6 address add 2001:db8::2/64 dev up0 nodad
      ip -6 route add default via fe80::1 dev up0 proto ra
      nft 'add table inet site; add chain inet site pass { type filter hook forward priority 0; policy drop; }'
      mount -t tmpfs none /proc/sys/net/ipv6/conf/all`,
  },
  noProfiles: {
    script: `
      mkdir -p /etc/apparmor.d; echo | put /etc/apparmor.d/dockersh-layer
      mount -t tmpfs none /sys/kernel/security; mkdir /sys/kernel/security/apparmor
      printf '%s\\n' 'sshd (enforce)' 'dockersh-layer-list (enforce)' 'dockersh-layer-pack (complain)' \\
        >/sys/kernel/security/apparmor/profiles`,
  },
  noMountApi: { deny: 'open_tree' },
  noSyscalls: { deny: 'seccomp,pidfd_open,openat2,close_range' },
  noCgroups: { script: 'while umount -R -l /sys/fs/cgroup 2>/dev/null; do :; done' },
  noMemoryController: { script: noMemory },
  /** The same where doctor's own advice has been followed. */
  noMemoryWanted: {
    policy: '[defaults]\nimage = host\nnetwork = none\nmemory = none\n',
    script: noMemory,
  },
  /** A machine of the other kind; DoctorsHost has imported it. */
  foreign: { policy: `[defaults]\nimage = ${foreignImage}\nnetwork = none\n` },
  masked: { script: 'mkdir -p /etc/systemd/system; ln -sf /dev/null /etc/systemd/system/dockershd.socket' },
  onlyCgroup2: {
    deny: 'clone3',
    script: `
      for mount in $(awk '$3 == "cgroup" { print $2 }' /proc/mounts); do umount -l "$mount"; done
      grep -q ' cgroup2 ' /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup`,
  },
  overlay: {
    script: `
      mount -t tmpfs none /mnt; mkdir /mnt/lower /mnt/upper /mnt/work /mnt/state
      mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/state`,
    args: ['--state', '/mnt/state'],
  },
  ramfs: {
    script: 'mount -t ramfs none /mnt; chmod 755 /mnt',
    args: ['--state', '/mnt'],
  },
  fullDisk: {
    script:
      'mount -t tmpfs -o size=1M,mode=700 none /mnt; dd if=/dev/zero of=/mnt/fill bs=64k 2>/dev/null || :',
    args: ['--state', '/mnt'],
  },
  promised: {
    script: `
      mount -t tmpfs -o size=64M,mode=700 none /mnt; mkdir -p /mnt/users/64997 /mnt/users/64998 /mnt/users/64999
      truncate -s 1G /mnt/users/64997/disk.img
      truncate -s 24M /mnt/users/64998/disk.img
      dd if=/dev/zero of=/mnt/users/64998/disk.img bs=1M count=8 conv=notrunc 2>/dev/null`,
    args: ['--state', '/mnt'],
  },
  brokenPolicy: { policy: '[defaults]\nimage = host\nmemroy = 1G\n' },
  brokenInForce: {
    script: `
      file=$HOST_FOLDER/etc/dockersh.ini
      cp -p "$file" "$file.good"; echo 'memroy = 1G' >>"$file"; trap - EXIT
      set -- bash -c '"$@"; status=$?; mv "$HOST_FOLDER/etc/dockersh.ini.good" "$HOST_FOLDER/etc/dockersh.ini"; exit $status' bash "$@"`,
  },
  noImage: { policy: '[user:dsh-nobody]\nimage = host\n' },
  missingImage: { policy: '[defaults]\nimage = dsh-not-there\n' },
  closed: {
    policy: '[defaults]\nimage = host\nmaintenance = back at noon\nrescue = dsh-not-there\n',
  },
  homesGone: { policy: '[defaults]\nimage = host\nhome_root = /srv/dsh-not-there/%u\n' },
  exempted: { policy: '[defaults]\nexempt = yes\n' },
  homeHost: {
    policy: '[defaults]\nimage = host\nhome = host\n',
    script: 'mount -t tmpfs none /usr/local; mkdir /usr/local/sbin; cp /bin/true /usr/local/sbin/sendmail',
  },
  noDaemon: { script: 'mount -t tmpfs none "$HOST_FOLDER/run"' },
  openSocket: {
    script:
      'chmod 666 "$HOST_FOLDER/run/admin.sock"; trap - EXIT; set -- bash -c \'"$@"; status=$?; chmod 600 "$HOST_FOLDER/run/admin.sock"; exit $status\' bash "$@"',
  },
  otherVersion: {
    script:
      'sed \'s/version: "[0-9.]*"/version: "0.0.9"/\' "$2" >"$D/ctl.mjs"; set -- "$1" "$D/ctl.mjs" "${@:3}"',
  },
  /** As a daemon says it whose disk for recordings is full (test/e2e/recording/full-disk.test.ts). */
  noRoom: {
    script: `
      sed 's/\\(recordingsWaiting: [a-z0-9]* } = \\)daemon.health;/\\1{ ...daemon.health, recordingsWaiting: 2 };/' "$2" >"$D/ctl.mjs"
      set -- "$1" "$D/ctl.mjs" "\${@:3}"`,
  },
  otherClient: {
    script:
      'cp "$CLIENT" "$D/dockersh"; chown nobody "$D/dockersh"; set -- "${@:1:$#}" --client "$D/dockersh"',
  },
  /** Switched on, without running, with keys that anybody can read. */
  gatewayGone: {
    script: `
      mkdir -p /etc/systemd/system/multi-user.target.wants
      ln -sf /bin/true /etc/systemd/system/multi-user.target.wants/dockersh-gateway.service
      mkdir -p "$HOST_FOLDER/etc/gateway"; echo key >"$HOST_FOLDER/etc/gateway/ssh_host_ed25519_key"
      chmod 644 "$HOST_FOLDER/etc/gateway/ssh_host_ed25519_key"; trap - EXIT
      set -- bash -c '"$@"; status=$?; rm -r "$HOST_FOLDER/etc/gateway"; exit $status' bash "$@"`,
  },
  /** A listener whose program has been replaced. */
  gatewayOld: {
    script: `
      cp /bin/sleep "$D/dockersh-gateway"; "$D/dockersh-gateway" 60 >/dev/null 2>&1 & export GATEWAY=$!
      while [[ $(readlink /proc/$GATEWAY/exe) != "$D/dockersh-gateway" ]]; do sleep 0.02; done
      rm "$D/dockersh-gateway"; trap - EXIT
      printf '{"pid":%d,"startedAt":1,"listen":["2222"],"unreachable":["2222"],"waiting":0,"accepted":0,"loggedIn":0,"refused":{"full":0,"address":0,"penalty":0,"failed":0},"web":{"listen":[],"accepted":0,"loggedIn":0}}' \
        $GATEWAY >"$HOST_FOLDER/run/gateway.status"
      set -- bash -c '"$@"; status=$?; kill $GATEWAY; rm "$HOST_FOLDER/run/gateway.status"; exit $status' bash "$@"`,
  },
  /** The web page has a certificate that has expired. */
  webPage: {
    policy:
      '[defaults]\nimage = host\n[gateway]\nmethods = password\nweb = 443\nweb_certificate = /mnt/page.pem\nweb_key = /mnt/page.key\n',
    script: `
      mount -t tmpfs -o mode=700 none /mnt
      openssl req -x509 -newkey ed25519 -nodes -subj /CN=page -keyout /mnt/page.key -out /mnt/page.pem \\
        -not_before 20250101000000Z -not_after 20250102000000Z 2>/dev/null ||
        { openssl req -newkey ed25519 -nodes -subj /CN=page -keyout /mnt/page.key -out /mnt/page.csr 2>/dev/null
          openssl x509 -req -in /mnt/page.csr -key /mnt/page.key -days -1 -out /mnt/page.pem 2>/dev/null; }
      chmod 600 /mnt/page.key`,
  },
  halfInstalled: {
    script: `put /var/lib/dpkg/status <<'END'
Package: dockersh
Status: install ok half-configured
Priority: optional
Section: admin
Maintainer: nobody
Architecture: amd64
Version: 0.1.0
Description: half of it
END`,
  },
  crowd: {
    sshd: 'Match User nobody\nForceCommand /bin/true\nMatch all\n',
    script: `{ cat /etc/passwd; for i in $(seq 300); do echo "dshm$i:x:$((60000 + i)):60000::/:/bin/bash"; done; } | put /etc/passwd`,
  },
  unfinished: {
    script: `
      mount -t tmpfs none /mnt; mkdir -m 700 /mnt/state /mnt/state/accounts
      cat >/mnt/state/accounts/64999.journal <<'END'
{"version":1,"kind":"enable","begun":[],"committed":false,"owner":"1 1","plan":{"account":{"name":"dsh-gone","uid":64999,"gid":1,"home":"/","shell":"/bin/sh"},"client":"/bin/true","how":"shell","sshdConfig":"/x","group":null,"policy":null,"files":"none","home":null,"before":{"folder":false,"privateHome":false,"range":false},"libexec":"/x"}}
END`,
    args: ['--state', '/mnt/state'],
  },
  orphaned: {
    script: `
      folder=$HOST_FOLDER/state/users/64998; mkdir "$folder"
      set -- bash -c '"$@"; status=$?; rmdir "$HOST_FOLDER/state/users/64998"; exit $status' bash "$@"`,
  },
  lockedOut: {
    script: `
      printf '/bin/sh\\n' | put /etc/shells
      sed 's|^root:[^:]*:|root:*:|' /etc/shadow | put /etc/shadow
      sed "s|^root:\\(.*\\):[^:]*$|root:\\1:$CLIENT|" /etc/passwd | put /etc/passwd
      mount -t tmpfs none /root`,
  },
  openSshd: {
    sshd: `
      Subsystem sftp internal-sftp
      AllowStreamLocalForwarding yes
      AllowTcpForwarding yes
      PermitTunnel yes
      X11Forwarding yes
      PermitUserEnvironment yes
      AcceptEnv LD_* LANG
      ChrootDirectory /srv`.replaceAll(/^ +/gm, ''),
  },
  hostShell: {
    sshd: 'PermitUserRC yes\n',
    script: 'sed "s|^\\($NAME:.*\\):[^:]*$|\\1:/bin/bash|" /etc/passwd | put /etc/passwd',
  },
  forcedHostShell: {
    sshd: 'ForceCommand CLIENT\n',
    script:
      'sed -i "s|^ForceCommand .*|ForceCommand $CLIENT|" "$D/sshd_config"; sed "s|^\\($NAME:.*\\):[^:]*$|\\1:/bin/bash|" /etc/passwd | put /etc/passwd',
  },
  jobs: {
    script: `
      mount -t tmpfs none /var/spool; mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs
      echo '* * * * * id' >"/var/spool/cron/crontabs/$NAME"
      touch /var/spool/cron/atjobs/a0000101a; chown "$OWN_UID" /var/spool/cron/atjobs/a0000101a
      mount -t tmpfs none /var/lib/systemd 2>/dev/null || { mount -t tmpfs none /var/lib/misc; exit 1; }
      mkdir -p /var/lib/systemd/linger; touch "/var/lib/systemd/linger/$NAME"
      mount -t tmpfs none "$HOME_FOLDER"; chown "$OWN_UID" "$HOME_FOLDER"
      mkdir -p "$HOME_FOLDER/.config/systemd/user" "$HOME_FOLDER/.local/share/dbus-1/services"`,
  },
  pam: {
    script: "echo 'session required pam_env.so user_readenv=1 envfile=/etc/default/locale' >/etc/pam.d/sshd",
  },
} as const satisfies Record<string, Scenario>;

export const breakers: Readonly<Record<string, Breaker>> = {
  'kernel-version': { scenario: 'oldKernel', state: 'critical', found: /^Linux 2\.6/ },
  'kernel-userns': { scenario: 'noNamespaces', state: 'critical', found: /user namespace/ },
  'sysctl-userns': { scenario: 'noNamespaces', state: 'critical', found: /max_user_namespaces is 0/ },
  'kernel-memory-counted': { scenario: 'smallTables', state: 'warning', found: /nosocket/ },
  'sysctl-terminals': {
    scenario: 'smallTables',
    state: 'warning',
    found: /reserve 100; up to 256 may be needed/,
  },
  'sysctl-processes': { scenario: 'smallTables', state: 'warning', found: /has 1000, .*more than half/ },
  'sysctl-files': { scenario: 'smallTables', state: 'warning', found: /file-max is 1000000/ },
  'sysctl-aio': { scenario: 'smallTables', state: 'warning', found: /aio-max-nr is 65536/ },
  'sysctl-socket-memory': { scenario: 'smallTables', state: 'warning', found: /tcp_mem ends at 300 pages/ },
  'sysctl-hugepages': { scenario: 'smallTables', state: 'warning', found: /512/ },
  'sysctl-lwtunnel': { scenario: 'smallTables', state: 'warning', found: /off/ },
  'proc-numbers': {
    scenario: 'smallTables',
    state: 'warning',
    found: /^lxcfs is installed and does not run/,
  },
  'network-default': { scenario: 'undecided', state: 'warning', found: /older than private networks/ },
  'network-kernel': { scenario: 'noLinks', state: 'critical', found: /^veth and nf_tables can't be had/ },
  'network-forward': { scenario: 'badNetwork', state: 'critical', found: /^inet site pass drops$/ },
  'network-pool': {
    scenario: 'badNetwork',
    state: 'warning',
    found: /^10\.88\.0\.0\/16 overlaps 10\.0\.0\.0\/8 on up0$/,
  },
  'network-ipv6': {
    scenario: 'badNetwork',
    state: 'warning',
    found: /default route of up0 is a router's word/,
  },
  'network-ports': { scenario: 'badNetwork', state: 'warning', found: /^40000-40999 are of .*32768-60999/ },
  'kernel-namespaces': { scenario: 'noNamespaces', state: 'critical' },
  'kernel-mount-api': { scenario: 'noMountApi', state: 'critical', found: /open_tree/ },
  'kernel-apparmor': {
    scenario: 'noProfiles',
    state: 'warning',
    found: /^not in force: dockersh-layer-pack, dockersh-layer-chain, dockersh-layer-unpack, dockersh-relay$/,
  },
  'kernel-seccomp': { scenario: 'noSyscalls', state: 'critical', found: /seccomp/ },
  'kernel-pidfd': { scenario: 'noSyscalls', state: 'critical', found: /pidfd_open/ },
  'kernel-openat2': { scenario: 'noSyscalls', state: 'critical', found: /openat2/ },
  'kernel-close-range': { scenario: 'noSyscalls', state: 'critical', found: /close_range/ },
  'cgroup-mode': { scenario: 'noCgroups', state: 'critical' },
  'cgroup-limits': { scenario: 'noMemoryController', state: 'critical', found: /can't be held: .*memory/ },
  'cgroup-clone': { scenario: 'onlyCgroup2', state: 'critical', found: /clone3/ },
  'fs-overlay': { scenario: 'overlay', state: 'critical', found: /mount overlay/ },
  'fs-idmap': { scenario: 'ramfs', state: 'critical', found: /map ids/ },
  'fs-private': { scenario: 'ramfs', state: 'critical', found: /mode 0755/ },
  'fs-home-root': { scenario: 'homesGone', state: 'critical', found: /dsh-not-there does not exist/ },
  'fs-space': { scenario: 'fullDisk', state: 'critical' },
  'fs-quota': { scenario: 'ramfs', state: 'warning', found: /ramfs on \/mnt/ },
  'fs-promised': {
    scenario: 'promised',
    state: 'warning',
    found: /^2 disks of 1G in all: 8M taken, and 56M free$/,
  },
  maintenance: { scenario: 'closed', state: 'warning', found: /back at noon/ },
  rescue: { scenario: 'closed', state: 'warning', found: /dsh-not-there is missing/ },
  exempt: { scenario: 'exempted', state: 'warning' },
  'policy-valid': { scenario: 'brokenPolicy', state: 'critical', found: /memroy/ },
  'policy-in-force': { scenario: 'brokenInForce', state: 'critical', found: /last good one, of 20.*memroy/ },
  'policy-user': { scenario: 'missingImage', state: 'critical', found: /dsh-not-there/ },
  'policy-machine': {
    scenario: 'foreign',
    state: 'critical',
    found: /is for linux\/\w+, this machine is linux\//,
  },
  'recordings-room': { scenario: 'noRoom', state: 'critical', found: /^2 sessions stand still$/ },
  'daemon-masked': { scenario: 'masked', state: 'critical', found: /^masked: dockershd\.socket$/ },
  'daemon-answers': { scenario: 'noDaemon', state: 'critical', found: /not running/ },
  'daemon-version': { scenario: 'otherVersion', state: 'warning', found: /installed is 0\.0\.9/ },
  'gateway-runs': {
    scenario: 'gatewayGone',
    state: 'critical',
    found: /^dockersh-gateway\.service is enabled, and the gateway does not run/,
  },
  'gateway-host-keys': { scenario: 'gatewayGone', state: 'critical', found: /its mode 644$/ },
  'gateway-web': { scenario: 'webPage', state: 'critical', found: /^\/mnt\/page\.pem has expired on/ },
  'gateway-version': { scenario: 'gatewayOld', state: 'warning', found: /has been replaced$/ },
  'daemon-sockets': { scenario: 'openSocket', state: 'critical', found: /admin\.sock has mode 0666/ },
  'programs-trusted': { scenario: 'otherClient', state: 'critical', found: /belongs to uid 65534/ },
  package: { scenario: 'halfInstalled', state: 'critical', found: /half-configured/ },
  'shells-file': { scenario: 'lockedOut', state: 'warning' },
  'accounts-all': { scenario: 'crowd', state: 'unknown', found: /about 1\d\d more/ },
  'accounts-unfinished': { scenario: 'unfinished', state: 'critical', found: /dsh-gone/ },
  'accounts-folders': { scenario: 'orphaned', state: 'warning', found: /^somebody \(uid 64998\)$/ },
  'root-shell': { scenario: 'lockedOut', state: 'warning' },
  'root-way-in': { scenario: 'lockedOut', state: 'critical', found: /neither a password nor/ },
  'pam-environment': { scenario: 'pam', state: 'warning', found: /pam\.d\/sshd/ },
  'kernel-overlay-holes': { scenario: 'oldKernel', state: 'critical' },
  'ssh-enters': { scenario: 'hostShell', state: 'critical', found: /\/bin\/bash and ForceCommand is none/ },
  'ssh-host-shell': { scenario: 'forcedHostShell', state: 'critical' },
  'ssh-sftp': { scenario: 'openSshd', state: 'critical' },
  'ssh-module': { scenario: 'openSshd', state: 'critical', found: /missing: ports .* X11 are the host/ },
  'ssh-socket-forwarding': { scenario: 'openSshd', state: 'critical' },
  'ssh-tcp-forwarding': { scenario: 'openSshd', state: 'warning' },
  'ssh-tunnel': { scenario: 'openSshd', state: 'warning' },
  'ssh-x11': { scenario: 'openSshd', state: 'warning' },
  'ssh-user-rc': { scenario: 'hostShell', state: 'critical' },
  'ssh-user-environment': { scenario: 'openSshd', state: 'critical' },
  'ssh-pass-env': { scenario: 'openSshd', state: 'warning', found: /^LD_\* of AcceptEnv: not in pass_env$/ },
  'ssh-accept-env': { scenario: 'openSshd', state: 'warning', found: /LD_PRELOAD/ },
  'ssh-chroot': { scenario: 'openSshd', state: 'warning' },
  'home-host': { scenario: 'homeHost', state: 'critical' },
  'home-leftovers': { scenario: 'jobs', state: 'warning', found: /systemd\/user.*dbus-1\/services/ },
  linger: { scenario: 'jobs', state: 'critical' },
  cron: { scenario: 'jobs', state: 'critical' },
  at: { scenario: 'jobs', state: 'critical' },
  mail: { scenario: 'homeHost', state: 'warning' },
};
