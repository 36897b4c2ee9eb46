// The crontab(1) of a sandbox of the image `host` whose policy has cron = yes: it edits the user's own ~/.crontab, which dockershd reads, so
// that it needs no right of its own. Options and messages as Debian's.

export const crontabScript = `#!/bin/sh
# Stands here instead of the host's crontab (dockersh): what is in ~/.crontab is run, and all that this does is to edit it.
file=$HOME/.crontab
usage() {
    echo "crontab: $1" >&2
    echo 'usage: crontab FILE | crontab - | crontab -l | crontab -r [-i] | crontab -e' >&2
    exit 1
}
missing() {
    [ -e "$file" ] && return
    echo "no crontab for $(id -un)" >&2
    exit 1
}
install() {
    umask 077
    cat -- "$1" >"$file.new" && mv -f -- "$file.new" "$file" && return
    rm -f -- "$file.new"
    exit 1
}
action= ask=
while getopts elriu: option; do
    case $option in
    e | l | r) [ -z "$action" ] || usage 'only one operation permitted'; action=$option ;;
    i) ask=yes ;;
    u) [ "$OPTARG" = "$(id -un)" ] || usage "the crontab of $OPTARG is not yours to edit" ;;
    *) usage 'unknown option' ;;
    esac
done
shift $((OPTIND - 1))
[ -z "$action" ] || [ $# -eq 0 ] || usage 'no file is wanted beside an operation'
case $action in
l) missing; cat -- "$file" ;;
r)
    missing
    if [ -n "$ask" ]; then
        printf 'crontab: really delete your crontab? (y/n) '
        read -r answer && [ "$answer" = y ] || exit 0
    fi
    rm -- "$file"
    ;;
e)
    edited=$(mktemp) || exit 1
    trap 'rm -f -- "$edited"' EXIT
    if [ -e "$file" ]; then cat -- "$file" >"$edited"; else echo '# m h dom mon dow command' >"$edited"; fi
    before=$(cksum <"$edited")
    \${VISUAL:-\${EDITOR:-editor}} "$edited" || exit 1
    if [ "$(cksum <"$edited")" = "$before" ]; then
        echo 'No modification made' >&2
    else
        install "$edited"
        echo 'crontab: installing new crontab' >&2
    fi
    ;;
*)
    [ $# -eq 1 ] || usage 'file name or - (for stdin) must be specified'
    [ "$1" = - ] || [ -r "$1" ] || usage "$1: cannot be read"
    install "$1"
    ;;
esac
`;
