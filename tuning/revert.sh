#!/bin/sh
# Takes back what apply.sh changed: every setting gets the value that it had before the first apply.sh. Shows every change
# before it makes any. What could not be taken back is kept for the next run; when nothing is left it does nothing.
#
#   sudo tuning/revert.sh [--dry-run] [--yes]
#
#   --dry-run   only show what would change
#   --yes       do not ask
#
# Exit code: 0 done or nothing to do, 1 not done or not all of it, 2 wrong option.
set -eu
# shellcheck source-path=SCRIPTDIR source=knobs.sh
. "$(dirname -- "$0")/knobs.sh"

for option in "$@"; do
    case $option in
    --store | --device | --irq-cpus) fail "revert.sh takes everything back, $option means nothing to it" 2 ;;
    esac
done
parse_options "$@"
[ "$dry_run" = yes ] || need_root

if [ ! -d "$state_dir" ]; then
    echo "Nothing to take back."
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The last change first: a scheduler before the length of its queue, files before the folders made for them.
[ ! -e "$state" ] || awk '{ line[NR] = $0 } END { for (n = NR; n > 0; n--) print line[n] }' "$state" >"$work/lines"
[ -e "$work/lines" ] || : >"$work/lines"

# Whether a line still has something to undo. A line that is not whole was not followed by a change.
is_undone() { # KIND PATH OLD-VALUE
    case $1 in
    value) [ ! -e "$2" ] || [ "$(value_of "$2")" = "$3" ] ;;
    file) if [ -n "$3" ]; then cmp -s -- "$2" "$3"; else [ ! -e "$2" ]; fi ;;
    folder) [ ! -d "$2" ] ;;
    *) true ;;
    esac
}

# Lines name only what apply.sh writes; anything else was not written by it.
is_known() { # KIND PATH
    case $1:${2#"$root"} in
    *..*) false ;;
    value:/proc/sys/* | value:/proc/irq/* | value:/sys/*) true ;;
    file:/etc/*/90-turbopump.conf | folder:/etc | folder:/etc/*) true ;;
    refused:*) true ;;
    *) false ;;
    esac
}

shown_old() { # KIND OLD-VALUE
    case $1 in
    file) if [ -n "$2" ]; then printf 'the file from before'; else printf 'no file'; fi ;;
    *) printf '%s' "$2" ;;
    esac
}

while IFS="$tab" read -r kind path old; do
    is_known "$kind" "$path" || fail "$state has a line that apply.sh does not write: $kind $path"
    [ "$kind" != folder ] || continue
    is_undone "$kind" "$path" "$old" ||
        printf '%s: %s -> %s\n' "$(shown_name "$path")" "$(shown_value "$kind" "$path")" "$(shown_old "$kind" "$old")"
done <"$work/lines"
if [ "$dry_run" = yes ]; then
    echo "Nothing was changed: --dry-run."
    exit 0
fi
confirm "Change these settings?"

undo() { # KIND PATH OLD-VALUE
    case $1 in
    value) write_value value "$2" "$3" ;;
    file) if [ -n "$3" ]; then cp -p -- "$3" "$2.new" && mv -f -- "$2.new" "$2"; else rm -f -- "$2" "$2.new"; fi ;;
    # One that somebody else uses by now stays.
    folder) rmdir -- "$2" 2>/dev/null || true ;;
    esac
}

failed=0
while IFS="$tab" read -r kind path old; do
    if ! is_undone "$kind" "$path" "$old" && ! undo "$kind" "$path" "$old"; then
        printf '%s: could not be set back to %s\n' "$(shown_name "$path")" "$(shown_old "$kind" "$old")" >&2
        failed=$((failed + 1))
    fi
done <"$work/lines"

if [ "$failed" -gt 0 ]; then
    fail "$failed settings are not as they were; run it again when what prevents it is gone"
fi
rm -rf -- "$state_dir"
echo "Done: everything is as it was before apply.sh."
