#!/bin/bash
# Alice sums up orders with the tools of the shell.
work() {
    cat /srv/data/orders-*.csv | awk -F, '{ sum[$1 % 10] += $3 } END { for (k in sum) print k, sum[k] }' | sort -n >~/report.txt
    grep -c customer /srv/data/orders-1.csv
    find /srv/data -name '*.csv' -size +1k | head -n 5 | xargs wc -l
    sed -n 1,3p ~/report.txt | tr ' ' ';' | tee ~/report.csv
    gzip -c ~/report.txt >~/report-"$1".gz
    ls -l ~ | tail -n 3
    rm -f ~/report-*.gz
}
if [ "$(id -u)" = 0 ]; then exec su alice -c "/bin/bash $0 $1"; fi
work "$1"
