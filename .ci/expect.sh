# For scripts that run the examples; to be sourced. Needs $scratch, a folder.
fail() { echo "examples: $*" >&2; exit 1; }
# expect CODE PATTERN COMMAND...: the exit code, and a line that must be among the output.
expect() {
    local code=$1 pattern=$2 got=0
    shift 2
    "$@" >"$scratch/out" 2>&1 || got=$?
    cat "$scratch/out"
    [ "$got" = "$code" ] || fail "'$*' exited with $got, not $code"
    grep -Eq -- "$pattern" "$scratch/out" || fail "'$*' printed no '$pattern'"
}
# also PATTERN: another line that must be among that output.
also() { grep -Eq -- "$1" "$scratch/out" || fail "the same printed no '$1'"; }
