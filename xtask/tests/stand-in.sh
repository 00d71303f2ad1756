#!/bin/sh
# Stands in for cargo, id, sudo, env and package managers: it plays the program by whose name it is called, and writes
# each call to a log. The file `adapter` beside the log is the graphics driver of the machine.
folder=${0%/*}
call="${0##*/} $*"
echo "$call" >>"$folder/log"
# cargo belongs into the root of the repository, wherever xtask was called.
case "$call" in "cargo "*) [ -f xtask/Cargo.toml ] || exit 9 ;; esac
case "$call" in
    "cargo run "*" --list-adapters")
        if [ -e "$folder/adapter" ]; then echo "a driver"; else echo "no adapter" >&2; exit 2; fi ;;
    "$FAILING"*) exit 7 ;;
    "id -u") echo "$USER_ID" ;;
    "sudo -n true") ;;
    "sudo -n "*) shift; exec "$@" ;;
    "env "*) shift; exec "$@" ;;
    "apt-get install "* | "dnf install "*) [ -n "$USELESS" ] || : >"$folder/adapter" ;;
esac
