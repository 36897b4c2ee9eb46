#!/bin/sh
# Stands in sshd's place for OpenSSH's tests: hands its configuration to test/openssh/main.ts, which starts a gateway of the same settings, and leads
# standard input and output there where sshd is to serve one connection.
config=''
once=''
checks=''
options=''
while [ $# -gt 0 ]; do
    case $1 in
    -f) shift; config=$1 ;;
    -f*) config=${1#-f} ;;
    -o) shift; options="$options$1
" ;;
    -o*) options="$options${1#-o}
" ;;
    -i) once=1 ;;
    -t) checks=1 ;;
    -E) shift ;;
    -E* | -D | -d | -e | -q) ;;
    *)
        echo "the gateway has nothing for sshd's $1" >&2
        exit 97
        ;;
    esac
    shift
done
kind=serve
[ -z "$once" ] || kind=once
[ -z "$checks" ] || kind='test'
folder=$(dirname -- "$0")
answer=$(printf '%s\n%s\n%s' "$kind" "$config" "$options" | nc -N -U "$folder/broker.sock")
case $answer in
ok*) ;;
*)
    echo "$answer" >&2
    exit 97
    ;;
esac
[ "$kind" = once ] || exit 0
exec nc -N 127.0.0.1 "${answer#ok }"
