#!/bin/bash
# Alice's Python program reads all orders and writes a summary.
su alice -c "/usr/bin/python3 /opt/jobs/summary.py"
