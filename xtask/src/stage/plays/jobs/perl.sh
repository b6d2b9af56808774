#!/bin/bash
# Bob's Perl program counts the words of pages.
su bob -c 'perl -MFile::Basename -ne "\$n{basename \$ARGV} += split; END { print join qq(\n), map { qq(\$_ \$n{\$_}) } sort keys %n }" /srv/www/*.html >~/words.txt; uniq -c ~/words.txt | cut -c1-40 | head -n 3'
