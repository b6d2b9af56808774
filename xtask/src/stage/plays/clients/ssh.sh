# Logs in at the host from another address. To be sourced by scripts that have set `keys`.

# login USER FROM [OPTION]... [COMMAND]: runs a command, or with -tt a shell for what standard input types.
login() {
    local user=$1 from=$2
    shift 2
    ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes \
        -o ConnectTimeout=10 -i "$keys/$user" -b "$from" "$user@10.0.0.5" "$@"
}

# type_lines SECONDS: passes lines on, with a pause after each, as one who types, and then ends the shell.
type_lines() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        sleep "$1"
    done
    echo exit
}
