# shellcheck shell=sh disable=SC2034
# What apply.sh, check.sh and revert.sh share: which knobs there are on this machine, what they should be, what they are.
# README.md says why.
#
# TUNING_ROOT=/some/folder makes all three work on a tree that looks like a machine (proc/sys, sys, etc) instead of this one.

root=${TUNING_ROOT:-}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
program=$(basename -- "$0")
tab=$(printf '\t')

# Values from before apply.sh. Only root may write here, since revert.sh writes as root what it finds in it; all may read.
state_dir=$root/var/lib/turbopump-tuning
state=$state_dir/state
# Has systemd-tmpfiles set at every start what the kernel would forget.
restart_file=$root/etc/tmpfiles.d/90-turbopump.conf

dry_run=no
yes=no
store=
devices=
irq_cpus=

fail() { # MESSAGE [EXIT-CODE]
    printf '%s: %s\n' "$program" "$1" >&2
    exit "${2:-1}"
}

# The comment at the top of the calling script is its help.
usage() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p;}' "$0"
}

parse_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dry-run) dry_run=yes ;;
        --yes) yes=yes ;;
        --store) [ $# -gt 1 ] || fail "--store needs a folder" 2; store=$2; shift ;;
        --device) [ $# -gt 1 ] || fail "--device needs a name, as nvme0n1" 2; devices="$devices ${2#/dev/}"; shift ;;
        --irq-cpus) [ $# -gt 1 ] || fail "--irq-cpus needs a list, as 0-1,8" 2; irq_cpus=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) fail "unknown option $1; --help names all" 2 ;;
        esac
        shift
    done
    case $irq_cpus in
    *[!0-9,-]*) fail "--irq-cpus $irq_cpus: a list of processors, as 0-1,8" 2 ;;
    esac
    for device in $devices; do
        [ -d "$root/sys/block/$device/queue" ] || fail "--device $device: there is no $root/sys/block/$device/queue" 2
    done
    remember_options
    if [ -n "$store" ]; then
        found=$(disks_of_folder "$store")
        [ -n "$found" ] || fail "--store $store: no disk below it can be seen; name it with --device" 2
        devices="$devices $found"
    fi
}

# Without options of its own a run takes those of the last apply.sh.
remember_options() {
    if [ -z "$store$devices$irq_cpus" ] && [ -r "$state_dir/options" ]; then
        devices=$(sed -n 's/^device //p' "$state_dir/options")
        irq_cpus=$(sed -n 's/^irq-cpus //p' "$state_dir/options")
    fi
}

need_root() {
    [ -n "$root" ] || [ "$(id -u)" -eq 0 ] ||
        fail "this changes kernel settings and files below /etc: run it as root, as sudo tuning/$program, or see what it would do with --dry-run"
}

# Asks before something is changed.
confirm() { # QUESTION
    [ "$yes" = no ] || return 0
    [ -t 0 ] || fail "nobody to ask: run it in a terminal, or with --yes"
    printf '%s [y/N] ' "$1"
    read -r answer
    case $answer in
    y | Y | yes) ;;
    *) fail "nothing was changed" ;;
    esac
}

# The names of the disks that a folder lies on.
disks_of_folder() { # FOLDER
    folder=$1
    while [ ! -e "$folder" ] && [ "$folder" != / ] && [ "$folder" != . ]; do folder=$(dirname -- "$folder"); done
    node=$(df -P -- "$folder" 2>/dev/null | awk 'NR == 2 { print $1 }')
    case $node in
    /dev/*) disks_of_device "$(basename -- "$(readlink -f -- "$node")")" ;;
    esac
}

# A partition is turned into its disk, a volume of several disks into all of them.
disks_of_device() { # NAME
    folder=$(readlink -f -- "$root/sys/class/block/$1") || return 0
    if [ -e "$folder/partition" ]; then
        basename -- "$(dirname -- "$folder")"
        return 0
    fi
    below=$(ls -- "$folder/slaves" 2>/dev/null || true)
    if [ -z "$below" ]; then
        [ ! -d "$folder/queue" ] || printf '%s\n' "$1"
        return 0
    fi
    for slave in $below; do disks_of_device "$slave"; done
}

# What a file of the kernel says: of `mq-deadline kyber [none]` the marked word, else all of it.
value_of() { # PATH
    [ -r "$1" ] || return 0
    sed -n '1{s/.*\[\([^]]*\)\].*/\1/;p;}' "$1" 2>/dev/null
}

# Whether a file that lists its choices has one; a file that lists none may have any.
offers() { # PATH CHOICE
    case $(cat "$1" 2>/dev/null) in
    *"["*) tr -d '[]' <"$1" | tr ' ' '\n' | grep -qxF -- "$2" ;;
    *) true ;;
    esac
}

# 0-2,5 as 0 1 2 5: two ways to write a list are the same list.
expand_list() { # LIST
    printf '%s\n' "$1" | tr ',' '\n' | awk -F- 'NF == 2 { for (n = $1; n <= $2; n++) print n } NF == 1 { print $1 }' | sort -n | tr '\n' ' '
}

# The knobs of this machine, a line each: KIND <tab> PATH <tab> WANTED. Kinds:
#   value  the file has to say WANTED              cpus  a list of processors equal to WANTED
#   keep   left as it is, but written down for revert.sh
#   file   the file has to be as the file WANTED   text  the file has to be as restart_text says
# A knob that this machine does not have is left out.
list_knobs() {
    printf 'file\t%s\t%s\n' "$root/etc/sysctl.d/90-turbopump.conf" "$here/sysctl.d/90-turbopump.conf"
    printf 'file\t%s\t%s\n' "$root/etc/security/limits.d/90-turbopump.conf" "$here/limits.d/90-turbopump.conf"
    sed -n 's/^\([a-z][a-z0-9._]*\) *= *\(.*\)$/\1 \2/p' "$here/sysctl.d/90-turbopump.conf" | while read -r name value; do
        path=$root/proc/sys/$(printf '%s' "$name" | tr . /)
        [ ! -e "$path" ] || printf 'value\t%s\t%s\n' "$path" "$value"
    done
    list_kept_over_restart
    ! restart_text | grep -q '^w ' || printf 'text\t%s\twritten by apply.sh\n' "$restart_file"
    for irq in "$root"/proc/irq/[0-9]*/smp_affinity_list; do
        if [ -z "$irq_cpus" ] || [ ! -e "$irq" ]; then continue; fi
        case $irq in
        # The timer, and the wire to the second interrupt controller.
        "$root/proc/irq/0/"* | "$root/proc/irq/2/"*) ;;
        *) printf 'cpus\t%s\t%s\n' "$irq" "$irq_cpus" ;;
        esac
    done
}

# Knobs below /sys, which forgets them when the machine restarts.
list_kept_over_restart() {
    huge_pages=$root/sys/kernel/mm/transparent_hugepage/enabled
    if [ -e "$huge_pages" ]; then
        # The broker asks for them, so always is as good as for those who ask.
        mode=$(value_of "$huge_pages")
        [ "$mode" = always ] || mode=madvise
        printf 'value\t%s\t%s\n' "$huge_pages" "$mode"
    fi
    for governor in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
        [ -e "$governor" ] || continue
        choices=$(dirname -- "$governor")/scaling_available_governors
        if [ ! -e "$choices" ] || grep -qw performance "$choices"; then printf 'value\t%s\tperformance\n' "$governor"; fi
    done
    for device in $devices; do
        list_device "$root/sys/block/$device/queue" "$device"
    done
}

# The content of restart_file.
restart_text() {
    echo '# Written by tuning/apply.sh of Turbopump; tuning/revert.sh removes it.'
    list_kept_over_restart | while IFS="$tab" read -r kind path wanted; do
        [ "$kind" = keep ] || printf 'w %s - - - - %s\n' "${path#"$root"}" "$wanted"
    done
}

list_device() { # QUEUE-FOLDER NAME
    case $2:$(value_of "$1/rotational") in
    # Disks of virtual machines say that they turn, and do not; the host sorts.
    vd*:* | xvd*:*) scheduler= ;;
    *:0) scheduler=none ;;
    *:1) scheduler=mq-deadline ;;
    *) scheduler= ;;
    esac
    if [ -n "$scheduler" ] && [ -e "$1/scheduler" ] && offers "$1/scheduler" "$scheduler"; then
        # The kernel gives a new scheduler a queue of default length.
        [ ! -e "$1/nr_requests" ] || printf 'keep\t%s\t\n' "$1/nr_requests"
        printf 'value\t%s\t%s\n' "$1/scheduler" "$scheduler"
    fi
    if [ -e "$1/read_ahead_kb" ]; then
        ahead=$(value_of "$1/read_ahead_kb")
        [ "$ahead" -le 128 ] 2>/dev/null || ahead=128
        printf 'value\t%s\t%s\n' "$1/read_ahead_kb" "$ahead"
    fi
}

# Whether a knob is as it should be.
is_right() { # KIND PATH WANTED
    case $1 in
    file) cmp -s -- "$2" "$3" ;;
    text) restart_text | cmp -s -- - "$2" ;;
    cpus) [ "$(expand_list "$(value_of "$2")")" = "$(expand_list "$3")" ] || was_refused "$2" ;;
    keep) true ;;
    *) [ "$(value_of "$2")" = "$3" ] ;;
    esac
}

# Whether apply.sh tried and the kernel said no: some drivers keep their interrupts where they are.
was_refused() { # PATH
    [ -r "$state" ] && awk -F '\t' -v path="$1" '$1 == "refused" && $2 == path { found = 1 } END { exit !found }' "$state"
}

# What a knob is, for people.
shown_value() { # KIND PATH
    case $1 in
    file | text) if [ -e "$2" ]; then printf 'another file'; else printf 'no file'; fi ;;
    *) value_of "$2" ;;
    esac
}

# What a knob is to be, for people.
shown_wanted() { # KIND WANTED
    case $1 in
    file) printf 'as %s' "${2#"$here/"}" ;;
    *) printf '%s' "$2" ;;
    esac
}

# The name of a knob, for people: settings below /proc/sys by the name that sysctl has for them.
shown_name() { # PATH
    case ${1#"$root"} in
    /proc/sys/*) printf '%s' "${1#"$root/proc/sys/"}" | tr / . ;;
    *) printf '%s' "${1#"$root"}" ;;
    esac
}

# Writes a value into a file of the kernel; false if it says no or does not keep it.
write_value() { # KIND PATH VALUE
    (printf '%s\n' "$3" >"$2") 2>/dev/null && is_right "$1" "$2" "$3"
}
