#!/bin/sh
# Sets this machine up for Turbopump. Shows every change before it makes any, writes the old values down for revert.sh, and
# does nothing when run again.
#
#   sudo tuning/apply.sh [--dry-run] [--yes] [--store FOLDER] [--device NAME]... [--irq-cpus LIST]
#
#   --dry-run         only show what would change; needs no root
#   --yes             do not ask
#   --store FOLDER    set up the disks that this folder (the store) lies on as well
#   --device NAME     set up this disk as well, as nvme0n1
#   --irq-cpus LIST   have interrupts handled on these processors, as 0-1: those that have no shard. Until the next restart
#
# Exit code: 0 done or nothing to do, 1 not done or not all of it, 2 wrong option.
set -eu
# shellcheck source-path=SCRIPTDIR source=knobs.sh
. "$(dirname -- "$0")/knobs.sh"

parse_options "$@"
[ "$dry_run" = yes ] || need_root

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

list_knobs >"$work/knobs"

# A queue's length is written down only if its scheduler, the next line, is changed.
kept=
while IFS="$tab" read -r kind path wanted; do
    if [ "$kind" = keep ]; then
        kept=$path
        continue
    fi
    if ! is_right "$kind" "$path" "$wanted"; then
        [ -z "$kept" ] || printf 'keep\t%s\t\n' "$kept"
        printf '%s\t%s\t%s\n' "$kind" "$path" "$wanted"
    fi
    kept=
done <"$work/knobs" >"$work/changes"

if [ ! -s "$work/changes" ]; then
    echo "Nothing to change."
    exit 0
fi
while IFS="$tab" read -r kind path wanted; do
    [ "$kind" = keep ] ||
        printf '%s: %s -> %s\n' "$(shown_name "$path")" "$(shown_value "$kind" "$path")" "$(shown_wanted "$kind" "$wanted")"
done <"$work/changes"
if [ "$dry_run" = yes ]; then
    echo "Nothing was changed: --dry-run."
    exit 0
fi
confirm "Change these settings?"

umask 022
# Folders that are made here go with revert.sh.
make_folder() { # PATH
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname -- "$1")"
    mkdir -- "$1" && record folder "$1" ''
}

# Adds a line to the state, once for each knob: the value from before the first apply.sh is the one to go back to.
record() { # KIND PATH OLD-VALUE
    if [ -e "$state" ] && awk -F '\t' -v path="$2" '$2 == path { found = 1 } END { exit !found }' "$state"; then
        return 0
    fi
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$state"
}

# A file is there as a whole or not at all.
install_file() { # KIND PATH SOURCE
    make_folder "$(dirname -- "$2")" || return 1
    saved=
    if [ -e "$2" ]; then
        saved=$state_dir/$(printf '%s' "${2#"$root"}" | tr / _)
        [ -e "$saved" ] || cp -p -- "$2" "$saved" || return 1
    fi
    record file "$2" "$saved" || return 1
    if [ "$1" = text ]; then restart_text >"$2.new"; else cp -- "$3" "$2.new"; fi || return 1
    mv -f -- "$2.new" "$2"
}

# Written before the first change, so that revert.sh can undo half of an apply.sh as well.
if [ ! -d "$state_dir" ]; then
    parent=$(dirname -- "$state_dir")
    [ -d "$parent" ] || mkdir -p -- "$parent"
    mkdir -- "$state_dir"
fi
{
    for device in $devices; do printf 'device %s\n' "$device"; done
    [ -z "$irq_cpus" ] || printf 'irq-cpus %s\n' "$irq_cpus"
} >"$state_dir/options"

failed=0
while IFS="$tab" read -r kind path wanted; do
    case $kind in
    keep) record value "$path" "$(value_of "$path")" ;;
    file | text)
        if ! install_file "$kind" "$path" "$wanted"; then
            printf '%s: could not be written\n' "$path" >&2
            failed=$((failed + 1))
        fi
        ;;
    *)
        record value "$path" "$(value_of "$path")"
        write_value "$kind" "$path" "$wanted" && continue
        if [ "$kind" = cpus ]; then
            printf '%s: its driver keeps it on %s\n' "$(shown_name "$path")" "$(value_of "$path")"
            printf 'refused\t%s\t\n' "$path" >>"$state"
        else
            printf '%s: the kernel does not take %s, it is still %s\n' "$(shown_name "$path")" "$wanted" "$(value_of "$path")" >&2
            failed=$((failed + 1))
        fi
        ;;
    esac
done <"$work/changes"

if [ "$failed" -gt 0 ]; then
    fail "$failed settings could not be changed; revert.sh takes the others back"
fi
echo "Done. Limits count from the next login on (a systemd service has its own); tuning/revert.sh takes everything back."
