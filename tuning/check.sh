#!/bin/sh
# Says which settings of this machine are not as apply.sh would make them. Changes nothing and needs no root.
#
#   tuning/check.sh [--store FOLDER] [--device NAME]... [--irq-cpus LIST]
#
#   --store FOLDER    look at the disks that this folder (the store) lies on as well
#   --device NAME     look at this disk as well, as nvme0n1
#   --irq-cpus LIST   look at where interrupts are handled as well: on these processors, as 0-1
#
# Without any of the three, those of the last apply.sh. Exit code: 0 all as it should be, 1 not all, 2 wrong option.
set -eu
# shellcheck source-path=SCRIPTDIR source=knobs.sh
. "$(dirname -- "$0")/knobs.sh"

parse_options "$@"
list_knobs | {
    wrong=0
    while IFS="$tab" read -r kind path wanted; do
        [ "$kind" != keep ] || continue
        if is_right "$kind" "$path" "$wanted"; then
            printf 'ok      %s\n' "$(shown_name "$path")"
        else
            wrong=$((wrong + 1))
            printf 'differs %s: %s, wanted %s\n' "$(shown_name "$path")" "$(shown_value "$kind" "$path")" "$(shown_wanted "$kind" "$wanted")"
        fi
    done
    [ "$wrong" -gt 0 ] || exit 0
    printf '%s of them are not as apply.sh would make them.\n' "$wrong"
    exit 1
}
