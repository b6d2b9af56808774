#!/bin/bash
# Bob changes his project, compiles it, tests it and commits the change.
su bob -c "cd ~/project && echo '/* $1 */' >>sort.c && make -s clean && make -s check && git add sort.c && git commit -qm 'Change $1'"
